//! One column of one row group: its pages, taken from a window of the file that moves along, and what is decoded of them.

mod page;

use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::reader::{ColumnReader, get_column_reader};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::schema::types::ColumnDescPtr;
use bytes::Bytes;

use super::super::reason::{BadInput, Reason, shown};
use super::pages::Pages;
use super::value::Raw;
use super::values::Values;

/// How many bytes of values that are made of others (DELTA_BYTE_ARRAY) are decoded ahead.
const MADE_BYTES: usize = 512 << 10;

/// How many records of a repeated column are decoded at once.
const REPEATED_RECORDS: usize = 64;

/// What a chunk must have to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The records that were asked for are decoded, or all there are.
    Ready,
    /// The window must be filled with the bytes from `at` on: `least` of them or all there are up to the end.
    Fetch { at: u64, least: usize },
}

pub(super) struct Chunk {
    descriptor: ColumnDescPtr,
    codec: Compression,
    /// Where the bytes behind the window begin, and where the chunk ends.
    behind: u64,
    end: u64,
    window: Bytes,
    /// How many levels the pages that are still to come hold.
    levels_left: u64,
    /// How many levels of the current page are not decoded yet.
    page_levels: usize,
    page_bytes: usize,
    /// Its values are made of those before them, so each takes memory of its own.
    page_is_made: bool,
    dictionary_bytes: Option<usize>,
    pages: Pages,
    reader: ColumnReader,
    buffer: Buffer,
    /// The bytes of its pages so far, decompressed.
    pub(super) decompressed: u64,
}

/// What is decoded and not yet taken.
#[derive(Debug, Default)]
struct Buffer {
    definition: Vec<i16>,
    repetition: Vec<i16>,
    values: Values,
    /// The next level and the next value.
    level: usize,
    value: usize,
    /// How many records begin at the next level or behind it.
    begun: usize,
    /// The bytes of the values that are made of others, the taken ones included.
    made_bytes: usize,
}

impl Chunk {
    /// The column chunk that the footer describes, of a file of `length` bytes.
    pub(super) fn open(meta: &ColumnChunkMetaData, length: u64) -> Result<Self, BadInput> {
        let descriptor = meta.column_descr_ptr();
        let name = descriptor.path().string();
        let bad =
            |what: &str| BadInput::new(Reason::DamagedFile, format!("the column {}: {what}", shown(&name)));
        if meta.file_path().is_some_and(|path| !path.is_empty()) {
            let message = format!("the column {} lies in another file", shown(&name));
            return Err(BadInput::new(Reason::UnsupportedFormat, message));
        }
        let data = meta.data_page_offset();
        let start = meta.dictionary_page_offset().filter(|at| *at > 0 && *at < data).unwrap_or(data);
        let start = u64::try_from(start).map_err(|_| bad("its place in the file is negative"))?;
        let bytes = u64::try_from(meta.compressed_size()).map_err(|_| bad("its size is negative"))?;
        let end = start.checked_add(bytes).filter(|end| *end <= length);
        let end = end.ok_or_else(|| bad("it reaches beyond the end of the file"))?;
        let levels_left =
            u64::try_from(meta.num_values()).map_err(|_| bad("its number of values is negative"))?;
        let pages = Pages::default();
        let reader = get_column_reader(Arc::clone(&descriptor), Box::new(pages.clone()));
        let values = match &reader {
            ColumnReader::BoolColumnReader(_) => Values::Boolean(Vec::new()),
            ColumnReader::Int32ColumnReader(_) => Values::Int32(Vec::new()),
            ColumnReader::Int64ColumnReader(_) => Values::Int64(Vec::new()),
            ColumnReader::Int96ColumnReader(_) => Values::Int96(Vec::new()),
            ColumnReader::FloatColumnReader(_) => Values::Float(Vec::new()),
            ColumnReader::DoubleColumnReader(_) => Values::Double(Vec::new()),
            ColumnReader::ByteArrayColumnReader(_) => Values::Bytes(Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(_) => Values::Fixed(Vec::new()),
        };
        Ok(Self {
            descriptor,
            codec: meta.compression(),
            behind: start,
            end,
            window: Bytes::new(),
            levels_left,
            page_levels: 0,
            page_bytes: 0,
            page_is_made: false,
            dictionary_bytes: None,
            pages,
            reader,
            buffer: Buffer { values, ..Buffer::default() },
            decompressed: 0,
        })
    }

    /// About how many bytes it holds in memory. The values that are decoded keep the page before the current one.
    pub(super) fn held_bytes(&self) -> usize {
        let Buffer { definition, repetition, values, .. } = &self.buffer;
        self.window.len()
            + 2 * self.page_bytes
            + self.dictionary_bytes.unwrap_or(0)
            + 2 * (definition.len() + repetition.len())
            + values.held_bytes()
            + self.buffer.made_bytes
    }

    pub(super) fn name(&self) -> String {
        self.descriptor.path().string()
    }

    /// How many bytes of the chunk are not fetched yet.
    pub(super) fn unfetched(&self) -> u64 {
        self.end - self.behind
    }

    /// Takes the bytes that [`Step::Fetch`] asked for, or more.
    pub(super) fn supply(&mut self, bytes: &Bytes) {
        self.behind += bytes.len() as u64;
        self.window = if self.window.is_empty() {
            bytes.clone()
        } else {
            [self.window.as_ref(), bytes].concat().into()
        };
    }

    /// Whether all of its levels are decoded.
    fn is_decoded(&self) -> bool {
        self.levels_left == 0 && self.page_levels == 0
    }

    /// How many whole records can be taken.
    pub(super) fn records(&self) -> usize {
        let begun = self.buffer.begun;
        if self.descriptor.max_rep_level() == 0 || self.is_decoded() {
            begun
        } else {
            begun.saturating_sub(1)
        }
    }

    /// Whether everything was taken.
    pub(super) fn is_spent(&self) -> bool {
        self.is_decoded() && self.buffer.begun == 0
    }

    /// Decodes until there are as many `records`, as far as the window goes.
    pub(super) fn advance(&mut self, records: usize) -> Result<Step, BadInput> {
        let Buffer { definition, repetition, values, level, value, .. } = &mut self.buffer;
        definition.drain(..(*level).min(definition.len()));
        repetition.drain(..(*level).min(repetition.len()));
        values.drain(*value);
        (*level, *value) = (0, 0);
        self.buffer.made_bytes = if self.page_is_made { self.buffer.values.bytes_from(0) } else { 0 };
        while self.records() < records && !self.is_decoded() {
            if self.buffer.made_bytes > MADE_BYTES && self.records() > 0 {
                break;
            }
            if self.page_levels > 0 {
                self.decode(records)?;
            } else if let Some(fetch) = self.next_page()? {
                return Ok(fetch);
            }
        }
        Ok(Step::Ready)
    }

    /// Decodes some of the current page.
    fn decode(&mut self, records: usize) -> Result<(), BadInput> {
        let repeated = self.descriptor.max_rep_level() > 0;
        let (wanted, before) = (records - self.records(), self.buffer.repetition.len());
        let wanted = match (repeated, self.page_is_made) {
            // One such value may be as long as all of the page.
            (_, true) => wanted.min((MADE_BYTES / self.page_bytes.max(1)).clamp(1, REPEATED_RECORDS)),
            (true, false) => wanted.min(REPEATED_RECORDS),
            (false, false) => wanted.min(self.page_levels),
        };
        let values_before = self.buffer.values.len();
        let Buffer { definition, repetition, values, .. } = &mut self.buffer;
        macro_rules! read {
            ($reader:expr, $vec:expr) => {
                $reader.read_records(wanted, Some(definition), Some(repetition), $vec)
            };
        }
        let read = match (&mut self.reader, values) {
            (ColumnReader::BoolColumnReader(reader), Values::Boolean(vec)) => read!(reader, vec),
            (ColumnReader::Int32ColumnReader(reader), Values::Int32(vec)) => read!(reader, vec),
            (ColumnReader::Int64ColumnReader(reader), Values::Int64(vec)) => read!(reader, vec),
            (ColumnReader::Int96ColumnReader(reader), Values::Int96(vec)) => read!(reader, vec),
            (ColumnReader::FloatColumnReader(reader), Values::Float(vec)) => read!(reader, vec),
            (ColumnReader::DoubleColumnReader(reader), Values::Double(vec)) => read!(reader, vec),
            (ColumnReader::ByteArrayColumnReader(reader), Values::Bytes(vec)) => read!(reader, vec),
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Values::Fixed(vec)) => read!(reader, vec),
            _ => Err(ParquetError::General("a column has values of two types".to_owned())),
        };
        let (found, _, levels) = read.map_err(|error| self.damaged(&error.to_string()))?;
        // The beginning of a page may end the record before it, without a level.
        if (levels == 0 && found == 0) || levels > self.page_levels {
            return Err(self.damaged("a page holds another number of values than its header says"));
        }
        self.page_levels -= levels;
        if self.page_is_made {
            self.buffer.made_bytes += self.buffer.values.bytes_from(values_before);
        }
        self.buffer.begun += if repeated {
            self.buffer.repetition[before..].iter().filter(|level| **level == 0).count()
        } else {
            levels
        };
        Ok(())
    }

    pub(super) fn damaged(&self, what: &str) -> BadInput {
        BadInput::new(Reason::DamagedFile, format!("the column {}: {what}", shown(&self.name())))
    }

    fn too_large(&self, what: &str) -> BadInput {
        BadInput::new(Reason::BlockTooLarge, format!("the column {}: {what}", shown(&self.name())))
    }

    /// The definition level of the next value; none at the end.
    pub(super) fn definition(&self) -> Option<i16> {
        if self.buffer.begun == 0 && self.descriptor.max_rep_level() == 0 {
            return None;
        }
        if self.descriptor.max_def_level() == 0 {
            return Some(0);
        }
        self.buffer.definition.get(self.buffer.level).copied()
    }

    /// The repetition level of the next value; none at the end.
    pub(super) fn repetition(&self) -> Option<i16> {
        if self.descriptor.max_rep_level() == 0 {
            return (self.buffer.begun > 0).then_some(0);
        }
        self.buffer.repetition.get(self.buffer.level).copied()
    }

    /// Passes the next level, and gives its value if it has one.
    pub(super) fn take(&mut self) -> Option<Option<Raw<'_>>> {
        let definition = self.definition()?;
        if self.repetition()? == 0 {
            self.buffer.begun = self.buffer.begun.checked_sub(1)?;
        }
        self.buffer.level += 1;
        if definition < self.descriptor.max_def_level() {
            return Some(None);
        }
        self.buffer.value += 1;
        Some(Some(self.buffer.values.get(self.buffer.value - 1)?))
    }
}
