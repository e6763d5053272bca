//! Files to read: orders with names, dates, decimals and booleans, the same ones for every run and in every format.

mod parquet;
mod xlsx;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context;

use self::{parquet::Parquet, xlsx::Xlsx};
use crate::{
    format::Format,
    order::{COLUMNS, Order},
};

/// The level that `gzip` and `zstd` have without options.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generated {
    pub(crate) records: u64,
    /// The size of the records as text: as JSON Lines for that format, as CSV for all others.
    pub(crate) text_bytes: u64,
}

/// Writes a file whose records take at least `bytes` bytes of text, unless the format ends before.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn generate(path: &Path, format: Format, bytes: u64) -> anyhow::Result<Generated> {
    let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let orders = Orders { random: fastrand::Rng::with_seed(1), next: 1, format, bytes, text_bytes: 0 };
    match format {
        Format::Csv | Format::Jsonl => text(file, orders).map(|(_, generated)| generated),
        Format::Gzip => {
            let out = flate2::write::GzEncoder::new(file, flate2::Compression::new(GZIP_LEVEL));
            let (out, generated) = text(out, orders)?;
            out.finish()?.flush()?;
            Ok(generated)
        }
        Format::Zstd => {
            let mut out = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?;
            out.include_checksum(true)?;
            let (out, generated) = text(out, orders)?;
            out.finish()?.flush()?;
            Ok(generated)
        }
        Format::Parquet => {
            let mut out = Parquet::new(file)?;
            let generated = each(orders, |order, _| out.add(order))?;
            out.finish()?;
            Ok(generated)
        }
        Format::Xlsx => {
            let mut out = Xlsx::new(file)?;
            let generated = each(orders, |order, _| Ok(out.add(order)?))?;
            out.finish()?;
            Ok(generated)
        }
    }
    .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the records as text.
fn text<W: Write>(mut out: W, orders: Orders) -> anyhow::Result<(W, Generated)> {
    if orders.format != Format::Jsonl {
        writeln!(out, "{}", COLUMNS.join(","))?;
    }
    let generated = each(orders, |_, line| Ok(out.write_all(line)?))?;
    out.flush()?;
    Ok((out, generated))
}

/// Makes the orders, each with its text.
fn each(
    mut orders: Orders,
    mut take: impl FnMut(&Order, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Generated> {
    let mut line = Vec::with_capacity(512);
    while orders.text_bytes < orders.bytes && orders.next <= orders.format.most_records() {
        let order = Order::random(orders.next, &mut orders.random);
        line.clear();
        order.text(&mut line, orders.format)?;
        take(&order, &line)?;
        orders.next += 1;
        orders.text_bytes += line.len() as u64;
    }
    Ok(Generated { records: orders.next - 1, text_bytes: orders.text_bytes })
}

/// The orders of a file.
struct Orders {
    random: fastrand::Rng,
    next: u64,
    format: Format,
    bytes: u64,
    text_bytes: u64,
}

#[cfg(test)]
mod tests {
    use readers::{ColumnType, Compression, Dialect, Layout, Source, Tolerance};

    use super::*;

    #[tokio::test]
    async fn every_generated_record_is_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let csv = Layout::Delimited(Dialect::of(b','));
        for (format, layout, compression) in [
            (Format::Csv, Some(csv), Compression::None),
            (Format::Jsonl, Some(Layout::JsonLines), Compression::None),
            (Format::Gzip, Some(csv), Compression::Gzip),
            (Format::Zstd, Some(csv), Compression::Zstd),
            (Format::Parquet, Some(Layout::Parquet), Compression::None),
            (Format::Xlsx, None, Compression::Zip),
        ] {
            let path = folder.path().join("orders");
            let generated = generate(&path, format, 100_000).unwrap();
            assert!((100_000..101_000).contains(&generated.text_bytes));
            let source = Source::file(File::open(&path).unwrap()).unwrap();
            let checked =
                readers::check(source, &readers::Options::default(), Tolerance::None).await.unwrap();
            assert_eq!((checked.rows, checked.compression), (generated.records, compression), "{format}");
            let found = checked.schema.layout;
            assert!(layout.map_or(matches!(found, Layout::Sheet(..)), |layout| layout == found), "{found:?}");
            if matches!(format, Format::Csv | Format::Xlsx) {
                let kinds: Vec<_> = checked.schema.columns.iter().map(|column| column.kind).collect();
                assert!(kinds.contains(&ColumnType::Number) && kinds.contains(&ColumnType::Boolean));
            }
        }
    }
}
