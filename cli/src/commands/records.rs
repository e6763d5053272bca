//! `tidemill records`: prints the visible records of an object, found through its manifest.

use std::io::{self, Write};

use super::{deployment::Deployment, uri};
use crate::{
    args::{RecordsArguments, RecordsFormat},
    csv_spool::CsvSpool,
    export::{self, ExportError},
};

/// Prints them.
pub(crate) async fn run(arguments: &RecordsArguments) -> anyhow::Result<u8> {
    let object = uri::object(&arguments.object)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let object = deployment.watched_object(object)?;
    let mut out = io::BufWriter::new(io::stdout());
    let (records, limit) = (&deployment.records, arguments.limit);
    let mut csv = match arguments.format {
        RecordsFormat::Jsonl => None,
        RecordsFormat::Csv => Some(CsvSpool::new()?),
    };
    let written =
        export::each(records, &deployment.tables, &object.bucket, &object.key, limit, |row| match &mut csv {
            Some(csv) => csv.add(row.record),
            None => row.write_json_line(&mut out),
        });
    let written = written.await.map_err(|error| match error {
        ExportError::Call(call) => anyhow::Error::new(call),
        other => other.into(),
    });
    // What was read before an error is shown, as far as lines can be.
    let csv = if matches!(written, Ok(Some(_))) { csv } else { None };
    csv.map_or(Ok(()), |csv| csv.finish(&mut out))?;
    out.flush()?;
    anyhow::ensure!(
        written?.is_some(),
        "no records of {} are visible; run `tidemill explain {:?}` to see why",
        crate::output::one_line(&object.to_string()),
        object.to_string()
    );
    Ok(0)
}
