//! `tidemill records`: prints the visible records of an object, found through its manifest.

use std::io::{self, IsTerminal, Write};

use super::{deployment::Deployment, uri};
use crate::{
    args::{RecordsArguments, RecordsFormat},
    csv_spool::CsvSpool,
    export::{self, ExportError},
    parquet_spool::ParquetSpool,
};

/// What waits until the last record is known; lines of JSON need not.
enum Spool {
    None,
    Csv(CsvSpool),
    Parquet(ParquetSpool),
}

/// Prints them.
pub(crate) async fn run(arguments: &RecordsArguments) -> anyhow::Result<u8> {
    anyhow::ensure!(
        arguments.format != RecordsFormat::Parquet || !io::stdout().is_terminal(),
        "a Parquet file is not text; send it to a file, as in `tidemill records {} --format parquet > records.parquet`",
        crate::output::one_line(&arguments.object)
    );
    let object = uri::object(&arguments.object)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let object = deployment.watched_object(object)?;
    let mut out = io::BufWriter::new(io::stdout());
    let (records, limit) = (&deployment.records, arguments.limit);
    let mut spool = match arguments.format {
        RecordsFormat::Jsonl => Spool::None,
        RecordsFormat::Csv => Spool::Csv(CsvSpool::new()?),
        RecordsFormat::Parquet => Spool::Parquet(ParquetSpool::new()?),
    };
    let written =
        export::each(
            records,
            &deployment.tables,
            &object.bucket,
            &object.key,
            limit,
            |row| match &mut spool {
                Spool::Csv(csv) => csv.add(row.record),
                Spool::Parquet(parquet) => parquet.add(row.record),
                Spool::None => row.write_json_line(&mut out),
            },
        );
    let written = written.await.map_err(|error| match error {
        ExportError::Call(call) => anyhow::Error::new(call),
        other => other.into(),
    });
    // What was read before an error is shown, as far as lines can be.
    if matches!(written, Ok(Some(_))) {
        match spool {
            Spool::None => {}
            Spool::Csv(csv) => csv.finish(&mut out)?,
            Spool::Parquet(parquet) => parquet.finish(&mut out)?,
        }
    }
    out.flush()?;
    anyhow::ensure!(
        written?.is_some(),
        "no records of {} are visible; run `tidemill explain {:?}` to see why",
        crate::output::one_line(&object.to_string()),
        object.to_string()
    );
    Ok(0)
}
