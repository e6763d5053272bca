//! Which delimiter a text has, from its first rows.

use super::delimited::split::{Fed, Splitter};
use super::options::Limits;

/// What is tried, in this order where it makes no difference.
const CANDIDATES: [u8; 4] = [b',', b'\t', b';', b'|'];

/// How many rows are compared.
const ROWS: usize = 50;

/// The delimiter of the text that begins with `text`; `whole` says that this is all of it.
///
/// It is the one by which the most rows have as many fields as the first, at least two; among equals the one
/// that makes more fields. Text with none of them is a single column, which any delimiter reads.
pub(super) fn delimiter(text: &[u8], whole: bool) -> u8 {
    let mut best = (0, 0, CANDIDATES[0]);
    for candidate in CANDIDATES {
        let widths = widths(text, whole, candidate);
        let Some(&first) = widths.first() else { continue };
        let alike = widths.iter().filter(|width| **width == first).count() * 1000 / widths.len();
        if first >= 2 && (alike, first) > (best.0, best.1) {
            best = (alike, first, candidate);
        }
    }
    best.2
}

/// How many fields each of the first rows has.
fn widths(text: &[u8], whole: bool, delimiter: u8) -> Vec<usize> {
    let mut splitter = Splitter::new(delimiter, &Limits::default());
    let mut widths = Vec::new();
    let mut at = 0;
    while widths.len() < ROWS {
        at += splitter.blank(&text[at..]);
        match splitter.feed(&text[at..]) {
            Ok((used, Fed::Record)) => {
                at += used;
                widths.push(splitter.fields());
            }
            Ok((_, Fed::More)) => {
                // A row that the look cuts off tells nothing, unless there is no other.
                if (whole || widths.is_empty()) && splitter.finish() == Ok(true) {
                    widths.push(splitter.fields());
                }
                break;
            }
            // Quotes that make no sense with this delimiter: it is not the one, or the object is broken.
            Err(_) => return Vec::new(),
        }
    }
    widths
}
