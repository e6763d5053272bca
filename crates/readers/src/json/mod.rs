//! JSON: values one after the other or on lines, cut into records and built into values.
//!
//! [`look`] says whether a text is JSON. [`scan`] checks the grammar of the whole text as it streams by and says where
//! values begin and end, in a few bytes of state; [`values`] and [`lines`] hold the text of one record at a time;
//! [`build`] turns that into a record. So a mistake anywhere condemns a document, while a record that is merely
//! unacceptable (too large, too deep) costs no memory and only itself.

use super::reason::shown;

pub(super) mod build;
pub(super) mod dynamodb;
pub(super) mod evidence;
pub(super) mod lines;
pub(super) mod look;
pub(super) mod pointer;
pub(super) mod refused;
pub(super) mod scan;
pub(super) mod values;

/// The most JSON text that is held for one record: an item of 400 KB, every character of it escaped, and
/// generous white space.
pub(super) const RECORD_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// What stands before each value of a JSON text sequence (RFC 7464, and for GeoJSON RFC 8142).
pub(super) const RECORD_SEPARATOR: u8 = 0x1e;

/// White space between values, as RFC 8259 has it.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// What is wrong with a line at `at` and what stands there, for a message.
pub(super) fn syntax_message(what: &str, line: &[u8], at: usize) -> String {
    const SHOWN_BYTES: usize = 24;
    // A word is shown from its beginning, though its first letters may be those of another word.
    let letters =
        line[..at].iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).take(SHOWN_BYTES).count();
    let from = at - letters;
    let found = &line[from..line.len().min(from + SHOWN_BYTES)];
    let found = String::from_utf8_lossy(found);
    format!("not valid JSON: {what}, but {} stands there", shown(found.trim_end_matches('\u{fffd}')))
}
