//! What makes a row doubtful though it has as many fields as the header: signs that may make up for a lost delimiter.

use super::dialect::Dialect;
use super::fields::fields_of;

/// A quote that opens inside one unquoted field and closes at the end of a later one: their numbers, from 1.
///
/// `3"top, left"` is two fields by its comma, but the writer may have meant the comma as text and lost one before the
/// quote. Inches, `3.5" disk,5" tape`, close at no end.
pub(super) fn stray_quotes(text: &[u8], ends: &[usize], quoted: &[bool]) -> Option<(usize, usize)> {
    let mut open = None;
    for (at, field) in fields_of(text, ends).enumerate() {
        if quoted.get(at) == Some(&true) {
            continue;
        }
        let is_odd = memchr::memchr_iter(b'"', field).count() % 2 == 1;
        match open {
            Some(from) if is_odd && field.ends_with(b"\"") => return Some((from, at + 1)),
            None if is_odd && !field.ends_with(b"\"") => open = Some(at + 1),
            _ => {}
        }
    }
    None
}

/// An unquoted field with quotes that cannot be told from a broken quoted one: its number, from 1.
///
/// Where apostrophes are quotes, it is a field that ends with one; where quotes are said by nobody to be text, but taken
/// for it, one that begins with a quote that is never closed.
pub(super) fn half_quoted(text: &[u8], ends: &[usize], quoted: &[bool], quote: Option<u8>) -> Option<usize> {
    let at = fields_of(text, ends).enumerate().position(|(at, field)| match quote {
        Some(b'\'') => quoted.get(at) != Some(&true) && field.ends_with(b"'"),
        None => field.starts_with(b"\"") && memchr::memchr_iter(b'"', field).count() % 2 == 1,
        Some(_) => false,
    })?;
    Some(at + 1)
}

/// An unquoted field before the last that ends with a backslash and has no other: its number, from 1. A path has others.
pub(super) fn stray_escape(text: &[u8], ends: &[usize], quoted: &[bool]) -> Option<usize> {
    let fields = ends.len();
    let at = fields_of(text, ends).enumerate().position(|(at, field)| {
        at + 1 < fields
            && quoted.get(at) != Some(&true)
            && field.split_last().is_some_and(|(last, before)| {
                *last == b'\\' && !before.iter().any(|byte| matches!(byte, b'\\' | b'/' | b':'))
            })
    })?;
    Some(at + 1)
}

/// Whether every line of a row with a quoted field over several lines has as many fields as the header, were the quotes
/// text: then a quote that was never meant has probably swallowed rows.
pub(super) fn swallows_rows(text: &[u8], ends: &[usize], dialect: Dialect, columns: usize) -> bool {
    let Some(delimiter) = dialect.delimiter else { return false };
    if columns < 2 {
        return false;
    }
    let (mut fields, mut lines) = (1, 1);
    let mut start_of_last = None;
    for (at, field) in fields_of(text, ends).enumerate() {
        fields += usize::from(at > 0);
        let mut bytes = field.iter().enumerate().peekable();
        while let Some((place, byte)) = bytes.next() {
            let next = bytes.peek().map(|(_, next)| **next);
            if *byte == b'\n' || (*byte == b'\r' && next != Some(b'\n')) {
                if fields != columns {
                    return false;
                }
                (fields, lines) = (1, lines + 1);
                start_of_last = Some(&field[place + 1..]);
            } else if *byte == delimiter && !(delimiter == b',' && next == Some(b' ')) {
                fields += 1;
            }
        }
    }
    if fields != columns || lines < 2 {
        return false;
    }
    // A line of prose with one comma is common. With two columns and two lines, only a number in the first counts.
    if columns > 2 || lines > 2 || delimiter == b'\t' {
        return true;
    }
    let is_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let first = fields_of(text, ends).next().unwrap_or_default();
    let last = start_of_last.and_then(|text| text.split(|byte| *byte == delimiter).next());
    is_digits(first) && last.is_some_and(is_digits)
}
