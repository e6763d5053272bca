//! The records of a file as the worker would read them, as JSON Lines on standard output; or the reason it is refused for, and
//! exit code 1.
//!
//! ```sh
//! cargo run -p readers --example rows -- FILE
//! ```

use std::io::{self, Write};
use std::process::ExitCode;

use bytes::Bytes;
use domain::record::write_record_json;
use readers::{Options, ReadError, Rows, Source, Tolerance, check};

async fn rows(file: &Bytes, out: &mut impl Write) -> Result<(), ReadError> {
    let options = Options::default();
    let open = || Source::bytes(file.clone());
    let checked = check(open(), &options, Tolerance::None).await?;
    let mut rows = Rows::open(open(), &options, Some(&checked.schema)).await?;
    while let Some(row) = rows.next().await? {
        if let Ok(record) = row.content {
            write_record_json(&record, out).and_then(|()| out.write_all(b"\n")).map_err(ReadError::Source)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("name a file");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let read = std::fs::read(&path).map_err(ReadError::Source);
    let done = read.and_then(|text| {
        let runtime = runtime.map_err(ReadError::Source)?;
        runtime.block_on(rows(&text.into(), &mut io::BufWriter::new(io::stdout().lock())))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
