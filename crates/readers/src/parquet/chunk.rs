//! One column of one row group: its pages, taken from a window of the file that moves along, and what is decoded of them.

use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding};
use ::parquet::column::page::Page;
use ::parquet::column::reader::{ColumnReader, get_column_reader};
use ::parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::schema::types::ColumnDescPtr;
use bytes::Bytes;

use super::super::reason::{BadInput, Reason, shown};
use super::codec;
use super::pages::{Deltas, Pages, encoding};
use super::thrift::{Fault, PageHeader};
use super::value::Raw;
use super::values::Values;

/// The largest page, compressed or not. Writers aim at 1 MiB.
const MOST_PAGE_BYTES: usize = 32 << 20;

/// The most levels in a page of a column that is repeated: what the crate decodes of one record cannot be bounded otherwise.
const MOST_REPEATED_LEVELS: usize = 2 << 20;

/// The most values in a page whose values have lengths that are decoded at once.
const MOST_DELTAS: usize = 2 << 20;

/// How many bytes of values that are made of others (DELTA_BYTE_ARRAY) are decoded ahead.
const MADE_BYTES: usize = 512 << 10;

/// How many records of a repeated column are decoded at once.
const REPEATED_RECORDS: usize = 64;

/// The longest header of a page. Statistics in it may hold two values of the column.
const MOST_HEADER_BYTES: usize = 2 << 20;

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

    /// Takes the next page from the window and gives it to the crate; or says what must be fetched for it.
    fn next_page(&mut self) -> Result<Option<Step>, BadInput> {
        let short = |chunk: &Self, least: usize| {
            if chunk.unfetched() < (least - chunk.window.len()) as u64 {
                return Err(chunk.damaged("its pages end before its last value"));
            }
            Ok(Some(Step::Fetch { at: chunk.behind, least: least - chunk.window.len() }))
        };
        let (header, header_bytes) = match PageHeader::read(&self.window) {
            Ok(read) => read,
            Err(Fault::Short) if self.window.len() < MOST_HEADER_BYTES => {
                return short(self, self.window.len() + 1);
            }
            Err(_) => return Err(self.damaged("the header of a page is malformed")),
        };
        let compressed = self.page_size(header.compressed)?;
        let uncompressed = self.page_size(header.uncompressed)?;
        if self.window.len() < header_bytes + compressed {
            return short(self, header_bytes + compressed);
        }
        let bytes = self.window.slice(header_bytes..header_bytes + compressed);
        self.window = self.window.slice(header_bytes + compressed..);
        if let Some(crc) = header.crc {
            let mut sum = flate2::Crc::new();
            sum.update(&bytes);
            if sum.sum() != crc.cast_unsigned() {
                return Err(self.damaged("a page differs from its checksum"));
            }
        }
        self.decompressed += uncompressed as u64;
        match header.kind {
            0 | 3 => self.data_page(&header, &bytes, uncompressed)?,
            2 => self.dictionary_page(&header, &bytes, uncompressed)?,
            // Index pages are nobody's.
            _ => {}
        }
        Ok(None)
    }

    fn page_size(&self, claimed: i32) -> Result<usize, BadInput> {
        let size = usize::try_from(claimed).map_err(|_| self.damaged("the size of a page is negative"))?;
        if size > MOST_PAGE_BYTES {
            return Err(
                self.too_large(&format!("a page takes {size} bytes; at most {MOST_PAGE_BYTES} are read"))
            );
        }
        Ok(size)
    }

    fn decompress(&self, bytes: &Bytes, size: usize) -> Result<Bytes, BadInput> {
        if self.codec == Compression::UNCOMPRESSED {
            if bytes.len() != size {
                return Err(self.damaged("the sizes of a page that is not compressed differ"));
            }
            // The window would stay as long as a value of the page.
            return Ok(Bytes::copy_from_slice(bytes));
        }
        if bytes.is_empty() && size == 0 {
            return Ok(Bytes::new());
        }
        let out = codec::decompress(self.codec, bytes, size);
        out.map(Bytes::from).map_err(|error| self.damaged(&format!("a page cannot be decompressed: {error}")))
    }

    fn dictionary_page(&mut self, header: &PageHeader, bytes: &Bytes, size: usize) -> Result<(), BadInput> {
        let values = usize::try_from(header.values)
            .map_err(|_| self.damaged("a dictionary has no number of values"))?;
        if self.dictionary_bytes.is_some() {
            return Err(self.damaged("it has two dictionaries"));
        }
        let buf = self.decompress(bytes, size)?;
        // The crate makes a place for each value that the header claims.
        let (least, held) = self.value_sizes();
        if values.checked_mul(least).is_none_or(|bytes| bytes > buf.len()) {
            return Err(self.damaged("a dictionary claims more values than it has bytes for"));
        }
        self.dictionary_bytes = Some(buf.len() + values * held);
        let encoding = encoding(header.encoding).ok_or_else(|| self.damaged("an encoding is unknown"))?;
        let num_values = values as u32;
        self.pages.push(Page::DictionaryPage { buf, num_values, encoding, is_sorted: false });
        Ok(())
    }

    /// How many bytes a value takes in a page that is not encoded, at least, and how many in memory.
    fn value_sizes(&self) -> (usize, usize) {
        match self.buffer.values {
            Values::None => (1, 0),
            Values::Boolean(_) => (1, 1),
            Values::Int32(_) | Values::Float(_) => (4, 4),
            Values::Int64(_) | Values::Double(_) => (8, 8),
            Values::Int96(_) => (12, size_of::<Int96>()),
            Values::Bytes(_) => (4, size_of::<ByteArray>()),
            Values::Fixed(_) => {
                let length = usize::try_from(self.descriptor.type_length()).unwrap_or_default();
                (length.max(1), size_of::<FixedLenByteArray>())
            }
        }
    }

    fn data_page(&mut self, header: &PageHeader, bytes: &Bytes, size: usize) -> Result<(), BadInput> {
        let levels =
            usize::try_from(header.values).map_err(|_| self.damaged("a page has no number of values"))?;
        if levels as u64 > self.levels_left {
            return Err(self.damaged("its pages hold more values than it has"));
        }
        if self.descriptor.max_rep_level() > 0 && levels > MOST_REPEATED_LEVELS {
            return Err(self.too_large(&format!("a page of lists holds {levels} values")));
        }
        let encoding = encoding(header.encoding).ok_or_else(|| self.damaged("an encoding is unknown"))?;
        if matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY)
            && self.dictionary_bytes.is_none()
        {
            return Err(self.damaged("a page needs a dictionary, and there is none"));
        }
        let page = if header.kind == 0 {
            let buf = self.decompress(bytes, size)?;
            let before = self.levels_bytes(&buf, header);
            self.check_deltas(encoding, buf.get(before..).unwrap_or_default(), levels)?;
            Page::DataPage {
                buf,
                num_values: levels as u32,
                encoding,
                def_level_encoding: self
                    .level_encoding(header.definition_encoding, self.descriptor.max_def_level())?,
                rep_level_encoding: self
                    .level_encoding(header.repetition_encoding, self.descriptor.max_rep_level())?,
                statistics: None,
            }
        } else {
            let length = |claimed: i32| {
                usize::try_from(claimed).map_err(|_| self.damaged("levels of negative length"))
            };
            let (definition, repetition) =
                (length(header.definition_bytes)?, length(header.repetition_bytes)?);
            let before = definition + repetition;
            if before > bytes.len() || before > size || header.nulls < 0 || header.nulls > header.values {
                return Err(self.damaged("the levels of a page are longer than the page"));
            }
            let buf = if header.is_compressed {
                let values = self.decompress(&bytes.slice(before..), size - before)?;
                Bytes::from([&bytes[..before], &values].concat())
            } else if bytes.len() == size {
                Bytes::copy_from_slice(bytes)
            } else {
                return Err(self.damaged("the sizes of a page that is not compressed differ"));
            };
            self.check_deltas(encoding, &buf[before..], levels)?;
            Page::DataPageV2 {
                buf,
                num_values: levels as u32,
                encoding,
                num_nulls: header.nulls.cast_unsigned(),
                num_rows: header.rows.max(0).cast_unsigned(),
                def_levels_byte_len: definition as u32,
                rep_levels_byte_len: repetition as u32,
                is_compressed: false,
                statistics: None,
            }
        };
        self.page_bytes = size;
        self.page_is_made = encoding == Encoding::DELTA_BYTE_ARRAY;
        self.levels_left -= levels as u64;
        self.page_levels = levels;
        if levels > 0 {
            self.pages.push(page);
        }
        Ok(())
    }

    fn level_encoding(&self, claimed: i32, most: i16) -> Result<Encoding, BadInput> {
        match encoding(claimed) {
            Some(Encoding::RLE) => Ok(Encoding::RLE),
            #[expect(deprecated, reason = "old files have it")]
            Some(Encoding::BIT_PACKED) => Ok(Encoding::BIT_PACKED),
            // Nothing is encoded.
            _ if most == 0 => Ok(Encoding::RLE),
            _ => Err(self.damaged("its levels have an encoding that levels cannot have")),
        }
    }

    /// Refuses deltas that claim more values than the page has: the crate makes a place for each length. `values` is what
    /// follows the levels of a page with `levels` values.
    fn check_deltas(&self, encoding: Encoding, values: &[u8], levels: usize) -> Result<(), BadInput> {
        let blocks = match encoding {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
            Encoding::DELTA_BYTE_ARRAY => 2,
            _ => return Ok(()),
        };
        if levels > MOST_DELTAS {
            return Err(self.too_large(&format!("a page with deltas holds {levels} values")));
        }
        let mut rest = values;
        for _ in 0..blocks {
            // A page of nulls only may have nothing.
            if rest.is_empty() {
                return Ok(());
            }
            let deltas =
                Deltas::read(rest).ok_or_else(|| self.damaged("the deltas of a page are malformed"))?;
            if deltas.values > levels as u64 {
                return Err(self.damaged("a page claims more values than its header"));
            }
            rest = rest.get(deltas.bytes..).unwrap_or_default();
        }
        Ok(())
    }

    /// How long the levels are that a page of the first version begins with.
    fn levels_bytes(&self, page: &[u8], header: &PageHeader) -> usize {
        let mut at = 0_usize;
        for (most, encoded) in [
            (self.descriptor.max_rep_level(), header.repetition_encoding),
            (self.descriptor.max_def_level(), header.definition_encoding),
        ] {
            if most == 0 {
                continue;
            }
            let bytes = if encoding(encoded) == Some(Encoding::RLE) {
                let length = page.get(at..at.saturating_add(4)).and_then(|four| four.try_into().ok());
                4 + length.map_or(page.len(), |length| u32::from_le_bytes(length) as usize)
            } else {
                let bits = 16 - most.leading_zeros() as usize;
                (header.values.max(0) as usize * bits).div_ceil(8)
            };
            at = at.saturating_add(bytes);
        }
        at
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
