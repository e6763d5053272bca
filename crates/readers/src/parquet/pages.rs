//! Pages on their way to the `parquet` crate, and what must be known of their encodings before it decodes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::Encoding;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::Result as ParquetResult;

/// The pages that the crate reads next. It finds the end of them whenever it has read them, and more come later.
#[derive(Clone, Default)]
pub(super) struct Pages(Arc<Mutex<VecDeque<Page>>>);

impl Pages {
    pub(super) fn push(&self, page: Page) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(page);
    }
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(None)
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.get_next_page().map(drop)
    }

    /// A record may go on in the page that comes later. The levels tell.
    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        Ok(false)
    }
}

/// <https://github.com/apache/parquet-format/blob/master/Encodings.md>
pub(super) fn encoding(number: i32) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        #[expect(deprecated, reason = "old files have it")]
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

/// Integers in the encoding DELTA_BINARY_PACKED: how many, and how many bytes they take.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deltas {
    pub(super) values: u64,
    pub(super) bytes: usize,
}

impl Deltas {
    /// The deltas that `bytes` begin with; none where that is no such encoding.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        let block = varint(bytes, &mut at)?;
        let parts = varint(bytes, &mut at)?;
        let values = varint(bytes, &mut at)?;
        varint(bytes, &mut at)?;
        let part = block.checked_div(parts).filter(|part| *part > 0)?;
        let mut left = values.saturating_sub(1);
        while left > 0 {
            varint(bytes, &mut at)?;
            let widths = bytes.get(at..at.checked_add(usize::try_from(parts).ok()?)?)?;
            at += widths.len();
            for width in widths {
                if left == 0 {
                    break;
                }
                let bits = part.checked_mul(u64::from(*width))?;
                at = at.checked_add(usize::try_from(bits / 8).ok()?)?;
                left = left.saturating_sub(part);
            }
        }
        Some(Self { values, bytes: at })
    }
}

/// The number at `at`, of seven bits a byte.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_end_where_the_next_begin() {
        // 128 in a block, 4 parts, 5 values from 7 on; least delta 1, widths 2, 0, 0, 0; 32 times 2 bits.
        let mut bytes = vec![0x80, 0x01, 4, 5, 14, 2, 2, 0, 0, 0];
        bytes.extend([0xff; 8]);
        assert_eq!(Deltas::read(&bytes), Some(Deltas { values: 5, bytes: bytes.len() }));
        assert_eq!(Deltas::read(&bytes[..6]), None, "cut short");
        assert_eq!(Deltas::read(&[0x80, 0x01, 0, 5, 14]), None, "no parts");
        // Two thousand million values, which no such page has.
        let lying = [0x80, 0x01, 1, 0xff, 0xff, 0xff, 0xff, 7, 0, 2];
        assert_eq!(Deltas::read(&lying), None);
    }
}
