//! Files to read: orders with names, dates, decimals and booleans, the same ones for every run.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::format::Format;

const FIRST_NAMES: [&str; 8] = ["Ada", "Bruno", "Chiara", "Dmitri", "Élodie", "Farid", "Grace", "Hanako"];
const LAST_NAMES: [&str; 8] =
    ["Andersen", "Baptiste", "Castellano", "Dvořák", "Eriksson", "Ferreira", "Goldberg", "Hasegawa"];
const COUNTRIES: [&str; 6] = ["DE", "FR", "JP", "BR", "US", "SE"];
const NOTES: [&str; 4] =
    ["", "leave at the door", "gift, do not include the invoice", "call before delivery"];

/// Writes a file of at least `bytes` bytes, to the end of its last record, and returns how many records it has.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn generate(path: &Path, format: Format, bytes: u64) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut random = fastrand::Rng::with_seed(1);
    let mut line = Vec::with_capacity(512);
    if format == Format::Csv {
        writeln!(line, "order_id,customer,email,country,ordered_on,shipped_at,quantity,amount,paid,note")?;
    }
    let (mut records, mut size) = (0, 0);
    while size < bytes {
        records += 1;
        order(&mut line, format, records, &mut random)?;
        out.write_all(&line)?;
        size += line.len() as u64;
        line.clear();
    }
    out.flush()?;
    Ok(records)
}

fn order(line: &mut Vec<u8>, format: Format, id: u64, random: &mut fastrand::Rng) -> io::Result<()> {
    let first = FIRST_NAMES[random.usize(..FIRST_NAMES.len())];
    let last = LAST_NAMES[random.usize(..LAST_NAMES.len())];
    let account = random.u32(..1_000_000);
    let country = COUNTRIES[random.usize(..COUNTRIES.len())];
    let (month, day, hour, minute) = (random.u8(1..=12), random.u8(1..=28), random.u8(..24), random.u8(..60));
    let quantity = random.u8(1..=40);
    let (whole, cents) = (random.u32(1..5_000), random.u8(..100));
    let paid = random.bool();
    let note = NOTES[random.usize(..NOTES.len())];
    match format {
        Format::Csv => {
            let quote = if note.contains(',') { "\"" } else { "" };
            writeln!(
                line,
                "{id},{first} {last},customer-{account}@example.com,{country},2026-{month:02}-{day:02},\
                 2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z,{quantity},{whole}.{cents:02},{paid},\
                 {quote}{note}{quote}"
            )
        }
        Format::Jsonl => writeln!(
            line,
            "{{\"order_id\":{id},\"customer\":\"{first} {last}\",\"email\":\"customer-{account}@example.com\",\
             \"country\":\"{country}\",\"ordered_on\":\"2026-{month:02}-{day:02}\",\
             \"shipped_at\":\"2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z\",\"quantity\":{quantity},\
             \"amount\":{whole}.{cents:02},\"paid\":{paid},\"note\":\"{note}\"}}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use readers::{ColumnType, Tolerance};

    use super::*;

    #[tokio::test]
    async fn every_generated_record_is_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        for (format, layout) in [
            (Format::Csv, readers::Layout::Delimited(readers::Dialect::of(b','))),
            (Format::Jsonl, readers::Layout::JsonLines),
        ] {
            let file = folder.path().join("orders");
            let records = generate(&file, format, 100_000).unwrap();
            let source = tokio::fs::File::open(&file).await.unwrap();
            let checked =
                readers::check(source, &readers::Options::default(), Tolerance::None).await.unwrap();
            assert_eq!((checked.rows, checked.schema.layout), (records, layout));
            assert!((100_000..101_000).contains(&checked.bytes_in));
            if format == Format::Csv {
                let kinds: Vec<_> = checked.schema.columns.iter().map(|column| column.kind).collect();
                assert!(kinds.contains(&ColumnType::Number) && kinds.contains(&ColumnType::Boolean));
            }
        }
    }
}
