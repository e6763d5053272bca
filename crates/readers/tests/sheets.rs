//! Workbooks that other programs have written, read as they were meant; and what becomes of them when their parts are changed.
//!
//! [generate.py](sheets/generate.py) writes the files with openpyxl, XlsxWriter and odfpy, and beside each the records in it,
//! for .xlsx as openpyxl reads them. Some are kept in its folder; it says how to compare any number of others:
//!
//! ```sh
//! SHEET_FILES=FOLDER SHEET_MUTATIONS=1000 cargo test -p readers --release --test sheets -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::record::{Record, Value, number};
use readers::{Checked, Format, Layout, Options, ReadError, Rows, Source, Tolerance, check};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sheets")
}

/// The workbooks of the folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "xlsx" || it == "ods"));
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

/// Both readings: each row's record, or the code of its reason.
async fn read(bytes: &[u8], options: &Options) -> Result<(Checked, Vec<Result<Record, String>>), ReadError> {
    let checked = check(Source::bytes(bytes.to_vec()), options, Tolerance::Any).await?;
    let mut rows = Rows::open(Source::bytes(bytes.to_vec()), options, Some(&checked.schema)).await?;
    let mut read = Vec::new();
    while let Some(row) = rows.next().await? {
        read.push(row.content.map_err(|reject| reject.reason.code().to_owned()));
    }
    assert_eq!(read.len() as u64, checked.rows);
    assert_eq!(read.iter().filter(|row| row.is_err()).count() as u64, checked.rejected);
    Ok((checked, read))
}

/// The record with the one spelling of each number.
fn plain(record: Record) -> Record {
    let value = |value| match value {
        Value::Number(text) => Value::Number(number::canonical(&text).unwrap()),
        other => other,
    };
    record.into_iter().map(|(name, it)| (name, value(it))).collect()
}

/// What the generator says: a record, or the code of a reason.
async fn expected(path: &Path) -> Vec<Result<Record, String>> {
    let text = std::fs::read(format!("{}.jsonl", path.display())).unwrap();
    let options = Options { format: Format::JsonLines, ..Options::default() };
    let mut rows = Rows::open(Source::bytes(text), &options, None).await.unwrap();
    let mut read = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        let record = row.content.unwrap();
        read.push(match &record[0] {
            (name, Value::Text(reason)) if **name == *"rejected" => Err(reason.clone()),
            _ => Ok(plain(record)),
        });
    }
    read
}

#[tokio::test]
async fn workbooks_are_read_as_they_were_written() {
    let given = std::env::var_os("SHEET_FILES").map(PathBuf::from);
    let files = [Some(kept()), given].into_iter().flatten().flat_map(|folder| files(&folder));
    let (mut compared, mut refused) = (0, std::collections::BTreeMap::<String, u64>::new());
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        compared += 1;
        let (checked, rows) = match read(&bytes, &Options::default()).await {
            Ok(read) => read,
            // A header that nothing proves may be refused, but not be read wrong.
            Err(ReadError::Bad(bad)) => {
                println!("{path:?}: {bad}");
                *refused.entry(bad.reason.to_string()).or_default() += 1;
                continue;
            }
            Err(error) => panic!("{path:?}: {error}"),
        };
        assert!(matches!(checked.schema.layout, Layout::Sheet(..)));
        let rows: Vec<_> = rows.into_iter().map(|row| row.map(plain)).collect();
        let expected = expected(&path).await;
        for (at, (ours, theirs)) in rows.iter().zip(&expected).enumerate() {
            assert_eq!(ours, theirs, "row {} of {path:?}", at + 1);
        }
        assert_eq!(rows.len(), expected.len(), "{path:?}");
    }
    let refusals: u64 = refused.values().sum();
    println!("{compared} files, {refusals} of them refused: {refused:?}");
    assert!(refusals * 20 <= compared, "{refusals} of {compared} are refused");
}

/// The workbook with one of its parts changed, so that checksums are right.
fn changed(workbook: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let change = random.usize(..archive.len());
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let name = file.name().unwrap().to_string();
        let mut part = Vec::new();
        file.read_to_end(&mut part).unwrap();
        // The sheet is what most of the files is.
        if at == change || (name.contains("sheet1.xml") && random.bool()) {
            mutate(&mut part, random);
        }
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&part).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Some of the bytes are others, or missing, or there twice.
fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    const PIECES: [&[u8]; 12] = [
        b"<",
        b">",
        b"/",
        b"\"",
        b"&",
        b"<c>",
        b"</c>",
        b"<v>",
        b"<row>",
        b"99999999999",
        b"-1",
        b"t=\"s\" ",
    ];
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(1..60)).min(bytes.len());
        match random.u8(..6) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, random.choice(PIECES).unwrap().iter().copied())),
            4 => bytes[at] = b'0' + random.u8(..10),
            _ => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// The most memory that this process has held, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn changed_parts_end_in_a_reason_in_time_and_in_bounded_memory() {
    let count = std::env::var("SHEET_MUTATIONS").map_or(100, |count| count.parse().unwrap());
    let seed = std::env::var("SHEET_SEED").map_or(0, |seed| seed.parse::<u64>().unwrap());
    // Panics inside the crate are caught, and would be printed by the thousand.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut read_whole, mut reasons) = (0, std::collections::BTreeMap::<String, u64>::new());
    for path in files(&kept()) {
        let whole = std::fs::read(&path).unwrap();
        for n in 0..count {
            let bytes = changed(&whole, &mut fastrand::Rng::with_seed(seed + n));
            let began = Instant::now();
            match read(&bytes, &Options::default()).await {
                Ok(_) => read_whole += 1,
                Err(ReadError::Bad(bad)) => *reasons.entry(bad.reason.to_string()).or_default() += 1,
                Err(error) => panic!("{path:?}, seed {}: {error:?}", seed + n),
            }
            let took = began.elapsed();
            assert!(took < Duration::from_secs(10), "{path:?}, seed {}: {took:?}", seed + n);
        }
    }
    drop(std::panic::take_hook());
    println!("{read_whole} were read, {reasons:?}, {} MiB", peak_bytes() >> 20);
    assert!(peak_bytes() < 300 << 20, "{} bytes", peak_bytes());
}
