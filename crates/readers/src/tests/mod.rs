//! What reading promises.

mod avro;
mod aws;
mod bounds;
mod delimited;
mod doubts;
mod field;
mod json;
mod json_kinds;
mod observed;
mod packed;
mod pieces;
mod repaired;
mod samples;
mod sheet;
mod source;
mod xlsb;
mod zip;

use std::io;

use bytes::Bytes;
use domain::record::{Record, Value, write_record_json};
use futures::stream;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::*;

/// The bytes, arriving `size` at a time.
fn arriving(bytes: &[u8], size: usize) -> impl AsyncRead + Send + use<> {
    let pieces: Vec<_> =
        bytes.chunks(size).map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece))).collect();
    StreamReader::new(stream::iter(pieces))
}

/// How many rounds a test with random damage takes: `READERS_FUZZ` times this number.
fn rounds(usual: usize) -> usize {
    std::env::var("READERS_FUZZ").ok().and_then(|times| times.parse().ok()).unwrap_or(1) * usual
}

fn bad<T: std::fmt::Debug>(result: Result<T, ReadError>) -> BadInput {
    match result {
        Err(ReadError::Bad(bad)) => bad,
        other => panic!("not condemned: {other:?}"),
    }
}

/// Checks and reads the bytes, in pieces of `size`, and sees that both readings agree.
async fn read_in(bytes: &[u8], options: &Options, size: usize) -> Result<(Checked, Vec<Row>), ReadError> {
    let checked = check(arriving(bytes, size), options, Tolerance::Any).await?;
    let mut rows = Rows::open(arriving(bytes, size), options, Some(&checked.schema)).await?;
    let mut read = Vec::new();
    while let Some(row) = rows.next().await? {
        read.push(row);
    }
    assert_eq!(read.len() as u64, checked.rows);
    let rejects: Vec<_> =
        read.iter().filter_map(|row| Some((row.number, row.content.as_ref().err()?.clone()))).collect();
    assert_eq!(rejects.len() as u64, checked.rejected);
    assert!(rejects.starts_with(&checked.first_rejects), "{:?}", checked.first_rejects);
    assert!(read.iter().enumerate().all(|(at, row)| row.number == at as u64 + 1));
    assert!(
        read.iter()
            .filter_map(|row| Some((row, row.content.as_ref().err()?)))
            .all(|(row, reject)| row.place == reject.place)
    );
    assert_eq!((rows.bytes_in(), rows.bytes_out()), (checked.bytes_in, checked.bytes_out));
    Ok((checked, read))
}

async fn read(bytes: &[u8], options: &Options) -> Result<(Checked, Vec<Row>), ReadError> {
    read_in(bytes, options, 64 * 1024).await
}

/// The rows as text: a record as JSON, a refused row as its reason.
async fn lines(bytes: &[u8], options: &Options) -> Vec<String> {
    let (_, rows) = read(bytes, options).await.unwrap();
    rows.iter().map(line).collect()
}

fn line(row: &Row) -> String {
    match &row.content {
        Ok(record) => json_of(record),
        Err(reject) => reject.reason.code().to_owned(),
    }
}

fn json_of(record: &Record) -> String {
    let mut out = Vec::new();
    write_record_json(record, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn field<'a>(row: &'a Row, name: &str) -> &'a Value {
    &row.content.as_ref().unwrap().iter().find(|(field, _)| **field == *name).unwrap().1
}

fn json_options() -> Options {
    Options { format: Format::Json, ..Options::default() }
}

fn csv_options() -> Options {
    Options { format: Format::Csv, delimiter: Some(b','), ..Options::default() }
}

fn pointer(text: &str) -> Options {
    Options { pointer: Some(text.to_owned()), ..Options::default() }
}

fn declared(columns: &[(&str, ColumnType)]) -> Options {
    Options {
        columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
        ..Options::default()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    xz_of(bytes, 6)
}

fn xz_of(bytes: &[u8], preset: u32) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), preset);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
