//! Parquet: tables by columns, with their schema at the end of the file.
//!
//! ```text
//! ranges ─▶ footer ─▶ thrift: sizes ─▶ schema: shape of records
//!     └───▶ chunk: pages of each column ─▶ codec ─▶ levels and values ─▶ record ─▶ value
//! ```
//! The file is read by ranges, a row group after the other, and of a row group a window of each column. The `parquet` crate
//! decodes the footer, the encodings and the levels; its own readers of rows are not used, because they believe what a
//! file says about its sizes, lose the precision of times, and read at any place at any moment. Here every size is bounded
//! before anything is allocated for it, and what the crate panics about ends in a reason.
//!
//! | in the file | in the record |
//! | --- | --- |
//! | integers, signed or not; decimals | number, with every digit |
//! | float, double, float16 | number, with the fewest digits that are this number; NaN and Infinity are refused, or null |
//! | string, enum, JSON | text |
//! | date | text: `2026-03-01` |
//! | timestamp | text: `2026-03-01T12:00:00.000Z`, with as many digits as its unit has, and with Z if it is of UTC |
//! | INT96 | text, as a timestamp in nanoseconds without Z |
//! | time | text: `12:00:00.000` |
//! | UUID | text |
//! | interval | text: `P1M2DT0.500S` |
//! | other bytes | binary |
//! | list | list |
//! | map | map; a list of `key` and `value` where keys are made of several values |
//! | group | map |

mod chunk;
mod codec;
mod footer;
mod pages;
mod record;
mod schema;
mod thrift;
mod value;
mod values;

use std::ops::Range;

use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use bytes::Bytes;
use domain::record::{self as records, Record, write_record_json};
use domain::text::grouped;
use futures::{StreamExt, TryStreamExt, stream};

use self::chunk::{Chunk, Step};
use self::footer::guarded;
use self::schema::Shape;
use self::value::{NotFinite, Refused};
use super::options::{Limits, Options};
use super::permits::{BufferPermits, Permit};
use super::position::Place;
use super::reason::{BadInput, ReadError, Reason, Reject, raw_text};
use super::source::{MOST_RANGE_BYTES, Ranges};

pub(super) const WHAT: &str = "a Parquet file";

/// How many records of each column are decoded at once, if there are few columns.
const RECORDS_AHEAD: usize = 1_024;

/// How many values all columns together decode at once.
const VALUES_AHEAD: usize = 128 << 10;

/// What is fetched of all columns at once, for each permit.
const WINDOW_BYTES: u64 = 6 << 20;

/// The least that is fetched of a column at once.
const LEAST_WINDOW_BYTES: u64 = 16 << 10;

/// How far apart two ranges may be that are fetched in one call.
const GAP_BYTES: u64 = 64 << 10;

/// How many calls fetch windows at once.
const CALLS: usize = 8;

/// How much a reader may hold without a permit.
const FREE_BYTES: u64 = 1 << 20;

/// The rows of a Parquet file.
pub(super) struct Parquet {
    ranges: Ranges,
    metadata: ParquetMetaData,
    shape: Shape,
    nulls: NotFinite,
    limits: Limits,
    /// The number of the next row group, and the columns of the current one.
    next_group: usize,
    columns: Vec<Chunk>,
    /// How many rows of the group are still to come, and how many of them are decoded.
    rows_left: u64,
    decoded: usize,
    number: u64,
    /// The decompressed bytes of the groups before.
    decompressed: u64,
    /// How many bytes the reader may hold.
    budget: u64,
    footer_bytes: u64,
    _permit: Option<Permit>,
}

/// A row: where it is, and the record or why there is none.
pub(super) type ParquetRow = (Place, Result<Record, Refused>, Option<String>);

impl Parquet {
    /// Reads the footer, and waits for a permit for what a row group takes.
    pub(super) async fn open(ranges: Ranges, options: &Options) -> Result<Self, ReadError> {
        if let Some(pointer) = &options.pointer {
            let message = format!("the object is {WHAT}, which records = \"{pointer}\" does not go with");
            return Err(BadInput::new(Reason::WrongFormat, message).into());
        }
        let (metadata, footer_bytes) = footer::read(&ranges).await?;
        let shape = guarded(|| schema::shape(metadata.file_metadata().schema_descr(), options))?;
        let rows = verify_rows(&metadata)?;
        let bounds = options.bounds.uploaded(ranges.length());
        bounds
            .allows_promised(rows)
            .map_err(|excess| BadInput::new(excess.reason(), format!("the footer promises {excess}")))?;
        let footer_bytes = (footer_bytes + metadata.memory_size()) as u64;
        let need = metadata.row_groups().iter().map(needed_bytes).max().unwrap_or(0) + footer_bytes;
        let (permit, budget) = if need <= FREE_BYTES {
            (None, BufferPermits::BYTES)
        } else {
            let wanted = usize::try_from(need.div_ceil(BufferPermits::BYTES)).unwrap_or(usize::MAX);
            let (permit, granted) = options.buffers.acquire_many(wanted).await?;
            (Some(permit), BufferPermits::BYTES * granted as u64)
        };
        Ok(Self {
            ranges,
            metadata,
            shape,
            nulls: NotFinite::of(options.table.nulls.as_deref().unwrap_or_default()),
            limits: options.limits.clone(),
            next_group: 0,
            columns: Vec::new(),
            rows_left: 0,
            decoded: 0,
            number: 0,
            decompressed: 0,
            budget,
            footer_bytes,
            _permit: permit,
        })
    }

    pub(super) fn bytes_in(&self) -> u64 {
        self.ranges.length()
    }

    pub(super) fn bytes_out(&self) -> u64 {
        self.decompressed + self.columns.iter().map(|column| column.decompressed).sum::<u64>()
    }

    /// The next row; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<ParquetRow>, ReadError> {
        while self.decoded == 0 {
            if self.rows_left > 0 {
                self.decode().await?;
            } else if !self.next_row_group()? {
                return Ok(None);
            }
        }
        self.decoded -= 1;
        self.rows_left -= 1;
        self.number += 1;
        let place = Place::Row(self.number);
        let (record, refused) = guarded(|| record::next(&self.shape, &mut self.columns, self.nulls))?;
        let size = records::size_bytes(&record);
        let refused = refused.or_else(|| {
            let most = self.limits.item_bytes;
            (size > most).then(|| (Reason::ItemTooLarge, format!("the record takes {size} bytes of {most}")))
        });
        Ok(Some(match refused {
            None => (place, Ok(record), None),
            Some(refused) => (place, Err(refused), Some(shown_record(&record, &self.limits))),
        }))
    }

    /// Goes to the next row group that has rows; false after the last one.
    fn next_row_group(&mut self) -> Result<bool, ReadError> {
        if let Some(column) = self.columns.iter().find(|column| !column.is_spent()) {
            return Err(column.damaged("it has more values than the row group has rows").into());
        }
        self.decompressed = self.bytes_out();
        self.columns.clear();
        while self.next_group < self.metadata.num_row_groups() {
            let group = self.metadata.row_group(self.next_group);
            self.next_group += 1;
            // Verified when the file was opened.
            self.rows_left = group.num_rows().cast_unsigned();
            if self.rows_left == 0 {
                continue;
            }
            let length = self.ranges.length();
            self.columns = guarded(|| {
                group.columns().iter().map(|column| Chunk::open(column, length)).collect::<Result<_, _>>()
            })?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Decodes some records of all columns, and fetches what that takes.
    async fn decode(&mut self) -> Result<(), ReadError> {
        let columns = self.columns.len().max(1);
        let left = usize::try_from(self.rows_left).unwrap_or(usize::MAX);
        let ahead = (VALUES_AHEAD / columns).clamp(1, RECORDS_AHEAD).min(left);
        loop {
            let mut fetches = Vec::new();
            for (at, column) in self.columns.iter_mut().enumerate() {
                // A page takes a while, and a lease must be renewed.
                tokio::task::coop::consume_budget().await;
                if let Step::Fetch { at: start, least } = guarded(|| column.advance(ahead))? {
                    fetches.push((at, start, least as u64));
                }
            }
            self.check_held(&fetches)?;
            if fetches.is_empty() {
                break;
            }
            self.fetch(fetches).await?;
        }
        self.check_decompressed()?;
        self.decoded = self.columns.iter().map(Chunk::records).min().unwrap_or(0).min(ahead);
        if self.decoded == 0 {
            let column = self.columns.iter().find(|column| column.records() == 0);
            let what = "it has fewer values than the row group has rows";
            return Err(column
                .map_or_else(
                    || BadInput::new(Reason::DamagedFile, "a row group has rows and no columns"),
                    |column| column.damaged(what),
                )
                .into());
        }
        Ok(())
    }

    /// Refuses what would take more memory than this reader may hold.
    fn check_held(&self, fetches: &[(usize, u64, u64)]) -> Result<(), BadInput> {
        let held = self.columns.iter().map(|column| column.held_bytes() as u64).sum::<u64>();
        let wanted = fetches.iter().map(|(.., least)| least).sum::<u64>();
        let all = held + wanted + self.footer_bytes;
        if all <= self.budget {
            return Ok(());
        }
        let largest = self.columns.iter().max_by_key(|column| column.held_bytes());
        let largest = largest.map_or_else(String::new, |column| {
            format!(", {} bytes of them the column {}", grouped(column.held_bytes() as u64), column.name())
        });
        Err(BadInput::new(
            Reason::BlockTooLarge,
            format!(
                "reading the row group {} takes more than {} bytes of memory{largest}",
                self.next_group,
                grouped(self.budget)
            ),
        ))
    }

    fn check_decompressed(&self) -> Result<(), BadInput> {
        let Limits { decoded_bytes, ratio, ratio_from_bytes, .. } = &self.limits;
        let (made, used) = (self.bytes_out(), self.bytes_in());
        if made > *decoded_bytes {
            let message = format!("the object expands beyond {decoded_bytes} bytes");
            return Err(BadInput::new(Reason::DecompressionBomb, message));
        }
        if made > *ratio_from_bytes && made / used.max(1) > *ratio {
            let message = format!("{used} bytes expand to {made} and more, beyond {ratio} times");
            return Err(BadInput::new(Reason::DecompressionBomb, message));
        }
        Ok(())
    }

    /// Fills the windows that need it, several at once, and those that lie beside each other in one call.
    async fn fetch(&mut self, fetches: Vec<(usize, u64, u64)>) -> Result<(), ReadError> {
        let permits = self.budget / BufferPermits::BYTES;
        let window = (WINDOW_BYTES * permits / self.columns.len().max(1) as u64)
            .clamp(LEAST_WINDOW_BYTES, MOST_RANGE_BYTES as u64);
        let mut wanted: Vec<(usize, Range<u64>)> = fetches
            .into_iter()
            .map(|(column, start, least)| {
                let rest = self.columns[column].unfetched();
                // A little more than the window is taken whole.
                let length = if rest <= window + window / 4 { rest } else { window };
                (column, start..start + length.max(least))
            })
            .collect();
        wanted.sort_unstable_by_key(|(_, range)| range.start);
        let ranges = &self.ranges;
        let calls = joined(&wanted).into_iter().map(|(call, parts)| async move {
            let length = usize::try_from(call.end - call.start).unwrap_or(usize::MAX);
            let bytes = ranges.read(call.start, length).await?;
            Ok::<_, ReadError>((call, parts, bytes))
        });
        let fetched: Vec<_> = stream::iter(calls).buffer_unordered(CALLS).try_collect().await?;
        for (call, parts, bytes) in fetched {
            for (column, range) in &wanted[parts.clone()] {
                let part = |at: u64| usize::try_from(at - call.start).unwrap_or(usize::MAX);
                let piece = bytes.slice(part(range.start)..part(range.end));
                // A part would keep all of the call's bytes.
                let piece = if parts.len() == 1 { piece } else { Bytes::copy_from_slice(&piece) };
                self.columns[*column].supply(&piece);
            }
        }
        Ok(())
    }
}

/// The calls that fetch these ranges, which are in order: what each call fetches, and for which of the ranges.
fn joined(wanted: &[(usize, Range<u64>)]) -> Vec<(Range<u64>, Range<usize>)> {
    let mut calls: Vec<(Range<u64>, Range<usize>)> = Vec::new();
    for (at, (_, range)) in wanted.iter().enumerate() {
        match calls.last_mut() {
            Some((call, parts))
                if range.start >= call.end
                    && range.start - call.end <= GAP_BYTES
                    && range.end - call.start <= MOST_RANGE_BYTES as u64 =>
            {
                call.end = range.end;
                parts.end = at + 1;
            }
            _ => calls.push((range.clone(), at..at + 1)),
        }
    }
    calls
}

/// How many rows there are, if all row groups have a number of them.
fn verify_rows(metadata: &ParquetMetaData) -> Result<u64, BadInput> {
    let rows = metadata
        .row_groups()
        .iter()
        .try_fold(0_u64, |sum, group| sum.checked_add(u64::try_from(group.num_rows()).ok()?));
    let promised = u64::try_from(metadata.file_metadata().num_rows()).ok();
    match rows {
        Some(rows) if Some(rows) == promised => Ok(rows),
        _ => Err(BadInput::new(
            Reason::DamagedFile,
            format!(
                "the footer promises {} rows, which is not what its row groups have",
                metadata.file_metadata().num_rows()
            ),
        )),
    }
}

/// About how much memory a row group takes: windows, and of each column a page twice and a dictionary with its values,
/// which together are no larger than the whole column is several times.
fn needed_bytes(group: &RowGroupMetaData) -> u64 {
    let size = |claimed: i64| u64::try_from(claimed).unwrap_or(0);
    let windows: u64 = group.columns().iter().map(|column| size(column.compressed_size())).sum();
    let pages: u64 = group.columns().iter().map(|column| size(column.uncompressed_size())).sum();
    let most = WINDOW_BYTES.max(LEAST_WINDOW_BYTES * group.num_columns() as u64);
    windows.min(most).saturating_add(pages.saturating_mul(5))
}

/// The beginning of a refused record as JSON.
fn shown_record(record: &Record, limits: &Limits) -> String {
    let mut json = Vec::new();
    // Writing to memory does not fail.
    drop(write_record_json(record, &mut json));
    raw_text(&json, limits.raw_bytes)
}

/// As a refused row is handed on.
pub(super) fn rejected((reason, message): Refused, place: Place, raw: Option<String>) -> Reject {
    Reject { reason, column: None, place, message, raw: raw.unwrap_or_default() }
}
