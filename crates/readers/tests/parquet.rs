//! Parquet files that another program has written, read as that program reads them; and what becomes of them when their
//! bytes are changed.
//!
//! [generate.py](parquet/generate.py) writes the files with pyarrow, and beside each what pyarrow reads in it. Small ones
//! of every codec are kept in its folder; it says how to compare any number of others:
//!
//! ```sh
//! PARQUET_FILES=FOLDER PARQUET_MUTATIONS=1000 cargo test -p readers --release --test parquet -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::record::{Record, Value, number};
use readers::{Checked, Format, Layout, Options, ReadError, Rows, Source, Tolerance, check};

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet")
}

/// The Parquet files of the folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "parquet"));
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

/// The value with the one spelling of each number, and bytes as JSON has them.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(text) => Value::Number(number::canonical(&text).unwrap()),
        Value::Binary(bytes) => Value::Text(BASE64_STANDARD.encode(bytes)),
        Value::List(values) => Value::List(values.into_iter().map(plain).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(name, value)| (name, plain(value))).collect())
        }
        other => other,
    }
}

/// What pyarrow has read: a record, or the code of a reason.
async fn expected(path: &Path) -> Vec<Result<Record, String>> {
    let text = std::fs::read(path.with_extension("jsonl")).unwrap();
    if text.is_empty() {
        return Vec::new();
    }
    let options = Options { format: Format::JsonLines, ..Options::default() };
    let mut rows = Rows::open(Source::bytes(text), &options, None).await.unwrap();
    let mut read = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        let record = row.content.unwrap();
        read.push(match &record[0] {
            (name, Value::Text(reason)) if **name == *"rejected" => Err(reason.clone()),
            _ => Ok(record),
        });
    }
    read
}

async fn compare(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    for format in [Format::Auto, Format::Parquet] {
        let options = Options { format, ..Options::default() };
        let (checked, rows) =
            read(&bytes, &options).await.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(checked.schema.layout, Layout::Parquet);
        let expected = expected(path).await;
        assert_eq!(rows.len(), expected.len(), "{path:?}");
        for (at, (ours, theirs)) in rows.into_iter().zip(expected).enumerate() {
            let plain = |row: Result<Record, String>| {
                row.map(|record| record.into_iter().map(|(name, it)| (name, plain(it))).collect::<Record>())
            };
            assert_eq!(plain(ours), plain(theirs), "row {} of {path:?}", at + 1);
        }
    }
}

#[tokio::test]
async fn files_are_read_as_pyarrow_reads_them() {
    let given = std::env::var_os("PARQUET_FILES").map(PathBuf::from);
    let files = [Some(kept()), given].into_iter().flatten().flat_map(|folder| files(&folder));
    let mut compared = 0;
    for path in files {
        compare(&path).await;
        compared += 1;
    }
    println!("{compared} files");
}

/// The most memory that this process has held, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Some of the bytes are others, or missing, or there twice.
fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        // The footer decides most.
        let at = if random.bool() { at } else { bytes.len() - 1 - random.usize(..bytes.len().min(900)) };
        match random.u8(..6) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes[at] = random.u8(..),
            2 => bytes[at] = random.choice([0, 1, 0x7f, 0x80, 0xff]).unwrap(),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..(at + random.usize(1..20)).min(bytes.len()))),
            _ => {
                let end = (at + random.usize(1..20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

#[tokio::test]
async fn changed_bytes_end_in_a_reason_in_time_and_in_bounded_memory() {
    let count = std::env::var("PARQUET_MUTATIONS").map_or(150, |count| count.parse().unwrap());
    let seed = std::env::var("PARQUET_SEED").map_or(0, |seed| seed.parse::<u64>().unwrap());
    // Panics inside the crate are caught, and would be printed by the thousand.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut read_whole, mut reasons) = (0, std::collections::BTreeMap::<String, u64>::new());
    for path in files(&kept()) {
        let whole = std::fs::read(&path).unwrap();
        for n in 0..count {
            let mut random = fastrand::Rng::with_seed(seed + n);
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            let began = Instant::now();
            match read(&bytes, &Options { format: Format::Parquet, ..Options::default() }).await {
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
