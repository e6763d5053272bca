//! What SNS accepts as a mail, and how much of a text a mail shows.

use crate::text::escaped;

/// SNS takes fewer than 100 characters.
pub(super) const SUBJECT_CHARS: usize = 99;
/// SNS takes 256 KB; nobody reads more than this.
pub(super) const BODY_BYTES: usize = 32 * 1_024;
/// How much of one log line or reason is shown.
pub(super) const LINE_CHARS: usize = 400;

/// A mail that SNS accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// At most 99 characters of printable ASCII.
    pub subject: String,
    /// Plain text, at most 32 KiB.
    pub body: String,
}

/// The last of these.
pub(super) fn last<T>(all: &[T], count: usize) -> &[T] {
    &all[all.len().saturating_sub(count)..]
}

/// Printable ASCII; everything else as a visible escape.
pub(super) fn ascii(text: &str) -> String {
    escaped(text)
        .chars()
        .flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() })
        .collect()
}

/// A body that is not too long; where it was cut, it says so.
pub(super) fn bounded(mut body: String) -> String {
    const CUT: &str = "\n… cut here\n";
    if body.len() > BODY_BYTES {
        body.truncate(body.floor_char_boundary(BODY_BYTES - CUT.len()));
        body.push_str(CUT);
    }
    body
}
