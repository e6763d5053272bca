//! The pages of a chunk: verified, decompressed, and given to the crate.

use ::parquet::basic::{Compression, Encoding};
use ::parquet::column::page::Page;
use ::parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use bytes::Bytes;

use super::super::super::reason::BadInput;
use super::super::codec;
use super::super::pages::{Deltas, encoding};
use super::super::thrift::{Fault, PageHeader};
use super::super::values::Values;
use super::{Chunk, Step};

/// The most values in a page whose values have lengths that are decoded at once.
const MOST_DELTAS: usize = 2 << 20;

/// The longest header of a page. Statistics in it may hold two values of the column.
const MOST_HEADER_BYTES: usize = 2 << 20;

/// The largest page, compressed or not. Writers aim at 1 MiB.
const MOST_PAGE_BYTES: usize = 32 << 20;

/// The most levels in a page of a column that is repeated: what the crate decodes of one record cannot be bounded otherwise.
const MOST_REPEATED_LEVELS: usize = 2 << 20;

impl Chunk {
    /// Takes the next page from the window and gives it to the crate; or says what must be fetched for it.
    pub(super) fn next_page(&mut self) -> Result<Option<Step>, BadInput> {
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
}
