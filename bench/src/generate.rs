//! Files to read: orders with names, dates, decimals and booleans, the same ones for every run and in every format.

mod parquet;
mod xlsx;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context;

use self::{parquet::Parquet, xlsx::Xlsx};
use crate::format::Format;

const FIRST_NAMES: [&str; 8] = ["Ada", "Bruno", "Chiara", "Dmitri", "Élodie", "Farid", "Grace", "Hanako"];
const LAST_NAMES: [&str; 8] =
    ["Andersen", "Baptiste", "Castellano", "Dvořák", "Eriksson", "Ferreira", "Goldberg", "Hasegawa"];
const COUNTRIES: [&str; 6] = ["DE", "FR", "JP", "BR", "US", "SE"];
const NOTES: [&str; 4] =
    ["", "leave at the door", "gift, do not include the invoice", "call before delivery"];

/// The names of the columns, in their order.
const COLUMNS: [&str; 10] = [
    "order_id",
    "customer",
    "email",
    "country",
    "ordered_on",
    "shipped_at",
    "quantity",
    "amount",
    "paid",
    "note",
];

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

/// An order.
struct Order {
    id: u64,
    customer: (&'static str, &'static str),
    account: u32,
    country: &'static str,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    quantity: u8,
    amount: (u32, u8),
    paid: bool,
    note: &'static str,
}

impl Order {
    fn random(id: u64, random: &mut fastrand::Rng) -> Self {
        let first = FIRST_NAMES[random.usize(..FIRST_NAMES.len())];
        let last = LAST_NAMES[random.usize(..LAST_NAMES.len())];
        Self {
            id,
            customer: (first, last),
            account: random.u32(..1_000_000),
            country: COUNTRIES[random.usize(..COUNTRIES.len())],
            month: random.u8(1..=12),
            day: random.u8(1..=28),
            hour: random.u8(..24),
            minute: random.u8(..60),
            quantity: random.u8(1..=40),
            amount: (random.u32(1..5_000), random.u8(..100)),
            paid: random.bool(),
            note: NOTES[random.usize(..NOTES.len())],
        }
    }

    fn customer(&self) -> String {
        format!("{} {}", self.customer.0, self.customer.1)
    }

    fn email(&self) -> String {
        format!("customer-{}@example.com", self.account)
    }

    /// As a line of JSON, or of CSV.
    fn text(&self, line: &mut Vec<u8>, format: Format) -> io::Result<()> {
        let Self { id, customer: (first, last), account, country, note, paid, quantity, .. } = self;
        let Self { month, day, hour, minute, amount: (whole, cents), .. } = self;
        if format == Format::Jsonl {
            return writeln!(
                line,
                "{{\"order_id\":{id},\"customer\":\"{first} {last}\",\"email\":\"customer-{account}@example.com\",\
                 \"country\":\"{country}\",\"ordered_on\":\"2026-{month:02}-{day:02}\",\
                 \"shipped_at\":\"2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z\",\"quantity\":{quantity},\
                 \"amount\":{whole}.{cents:02},\"paid\":{paid},\"note\":\"{note}\"}}"
            );
        }
        let quote = if note.contains(',') { "\"" } else { "" };
        writeln!(
            line,
            "{id},{first} {last},customer-{account}@example.com,{country},2026-{month:02}-{day:02},\
             2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z,{quantity},{whole}.{cents:02},{paid},\
             {quote}{note}{quote}"
        )
    }
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
            (Format::Xlsx, None, Compression::None),
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
