//! The records of a file as the worker would read them, as JSON Lines on standard output; or the reason it is refused for, and
//! exit code 1. A kind of file that AWS writes is named by the value of `format`; where such a file has no names of its own,
//! they follow.
//!
//! ```sh
//! cargo run -p readers --example rows -- FILE [FORMAT [NAME...]]
//! ```

use std::io::{self, Write};
use std::process::ExitCode;

use bytes::Bytes;
use domain::pipelines::{Delimited, Header, Preset};
use domain::record::write_record_json;
use readers::{Options, ReadError, Rows, Source, Tolerance, check};

async fn rows(file: &Bytes, options: &Options, out: &mut impl Write) -> Result<(), ReadError> {
    let open = || Source::bytes(file.clone());
    let checked = check(open(), options, Tolerance::None).await?;
    let mut rows = Rows::open(open(), options, Some(&checked.schema)).await?;
    while let Some(row) = rows.next().await? {
        if let Ok(record) = row.content {
            write_record_json(&record, out).and_then(|()| out.write_all(b"\n")).map_err(ReadError::Source)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (path, format) = (arguments.next(), arguments.next());
    let preset = format.as_deref().and_then(Preset::parse);
    let (Some(path), true) = (path, preset.is_some() == format.is_some()) else {
        eprintln!("name a file, and what of AWS it is, if it is");
        return ExitCode::from(2);
    };
    let names: Vec<String> = arguments.collect();
    let header = (!names.is_empty()).then_some(Header::Names(names));
    let options =
        Options { preset, table: Delimited { header, ..Delimited::default() }, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let read = std::fs::read(&path).map_err(ReadError::Source);
    let done = read.and_then(|text| {
        let runtime = runtime.map_err(ReadError::Source)?;
        runtime.block_on(rows(&text.into(), &options, &mut io::BufWriter::new(io::stdout().lock())))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
