//! Whether a text is JSON, and how its values are laid out, from its beginning.
//!
//! The beginning is at most a look of 64 KiB. Where the first value is longer than that, what stands behind it is
//! found out when it has been read: see [`Look::Values`].

use super::super::sniff;
use super::scan::{Scanner, Step};
use super::{RECORD_SEPARATOR, is_space};

/// How many lines are looked at to tell lines of JSON from a table.
const LINES: usize = 1_000;

/// If the first line is broken, one of this number of lines behind it must be a whole value.
const LINES_BEHIND_A_BROKEN_ONE: usize = 20;

/// What the beginning of a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look<'a> {
    /// It is no JSON.
    Other,
    /// A value stands on each line.
    Lines {
        /// The first of them, if it is whole.
        first: Option<&'a [u8]>,
    },
    /// Values stand one after the other, often only one.
    Values {
        /// The first of them, if it is whole, stands on one line and nothing follows in sight.
        first: Option<&'a [u8]>,
        /// Its end is not in sight and no line end either: values on lines, or a document.
        may_be_lines: bool,
    },
}

/// What the text that begins with `text` says; `whole` means that this is all of it.
pub(crate) fn look(text: &[u8], whole: bool) -> Look<'_> {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let text = &text[start..];
    match text.first() {
        Some(&RECORD_SEPARATOR) => Look::Values { first: None, may_be_lines: false },
        Some(b'{') => braces(text, whole),
        Some(b'[') => brackets(text),
        Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I') => scalars(text, whole),
        _ => Look::Other,
    }
}

fn braces(text: &[u8], whole: bool) -> Look<'_> {
    let values = |first, may_be_lines| Look::Values { first, may_be_lines };
    match extent(text) {
        Extent::Whole(length) => {
            let (value, behind) = text.split_at(length);
            let value = (!has_line_end(value)).then_some(value);
            let next = behind.iter().position(|byte| !is_space(*byte));
            match (value, next) {
                (None, _) => values(None, false),
                (first, None) => values(first, !whole),
                (first, Some(next)) if has_line_end(&behind[..next]) => {
                    if runs_over_lines(&behind[next..], whole) {
                        values(None, false)
                    } else {
                        Look::Lines { first }
                    }
                }
                (_, Some(_)) => values(None, false),
            }
        }
        Extent::Open => values(None, !whole && !has_line_end(text)),
        Extent::Broken
            if filled_lines(text, whole).skip(1).take(LINES_BEHIND_A_BROKEN_ONE).any(is_object) =>
        {
            Look::Lines { first: None }
        }
        Extent::Broken if !starts_an_object(text) && closes_before_a_delimiter(text, b'}') => Look::Other,
        Extent::Broken => values(None, false),
    }
}

/// Whether the value that begins here ends behind its line, as pretty-printed ones do. A line that ends in the middle is
/// none, where the lines behind it do not complete it.
fn runs_over_lines(text: &[u8], whole: bool) -> bool {
    let line_end = text.iter().position(|byte| *byte == b'\n');
    line_end.is_some_and(|end| extent(&text[..end]) == Extent::Open)
        && match extent(text) {
            Extent::Whole(_) => true,
            Extent::Open => !whole,
            Extent::Broken => false,
        }
}

fn brackets(text: &[u8]) -> Look<'_> {
    let inner = text[1..].iter().copied().find(|byte| !is_space(*byte));
    let holds_containers = matches!(inner, Some(b'{' | b'['));
    let other = match extent(text) {
        // Names in brackets, as SQL Server writes them.
        Extent::Whole(length) => !holds_containers && is_delimiter(text.get(length)),
        // The same, a section of an INI file, or a log line.
        Extent::Broken => {
            !holds_containers
                && (closes_before_a_delimiter(text, b']')
                    || !matches!(inner, Some(b'"' | b'-' | b'0'..=b'9')))
        }
        Extent::Open => false,
    };
    if other { Look::Other } else { Look::Values { first: None, may_be_lines: false } }
}

/// Lines of texts, numbers and words are values of JSON only where every line in sight is one, there are several, and
/// they are no column of a table.
fn scalars(text: &[u8], whole: bool) -> Look<'_> {
    let lines: Vec<&[u8]> = filled_lines(text, whole).take(LINES).collect();
    let are_values = lines.len() > 1 && lines.iter().all(|line| extent(line) == Extent::Whole(line.len()));
    // Numbers and words alone stand in any column, and a text above others may be their name.
    let bare =
        |line: &&[u8]| matches!(line.first(), Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I'));
    if !are_values || lines.iter().all(bare) || sniff::is_column_under_name(&lines) {
        return Look::Other;
    }
    Look::Lines { first: lines.first().copied() }
}

/// The lines with something in them; not the last one where the look may have cut it.
fn filled_lines(text: &[u8], whole: bool) -> impl Iterator<Item = &[u8]> {
    let end =
        if whole { text.len() } else { text.iter().rposition(|byte| *byte == b'\n').unwrap_or_default() };
    text[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

fn is_object(line: &[u8]) -> bool {
    line.starts_with(b"{") && extent(line) == Extent::Whole(line.len())
}

fn starts_an_object(text: &[u8]) -> bool {
    matches!(text[1..].iter().find(|byte| !is_space(**byte)), Some(b'"' | b'}'))
}

/// Whether on the first line a bracket is closed and a delimiter follows.
fn closes_before_a_delimiter(text: &[u8], bracket: u8) -> bool {
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let after = line.iter().position(|byte| *byte == bracket).map(|at| &line[at + 1..]);
    is_delimiter(after.and_then(<[u8]>::first))
}

fn is_delimiter(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b',' | b';' | b'\t' | b'|'))
}

fn has_line_end(text: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', text).is_some()
}

/// How far the value reaches that a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The value ends after this number of bytes.
    Whole(usize),
    /// Beyond the text.
    Open,
    /// It is none.
    Broken,
}

fn extent(text: &[u8]) -> Extent {
    let mut scanner = Scanner::default();
    let mut at = 0;
    while at < text.len() {
        match scanner.step(&text[at..]) {
            Ok((taken, Step::End)) => return Extent::Whole(at + taken),
            Ok((taken, _)) => at += taken,
            Err(_) => return Extent::Broken,
        }
    }
    if scanner.finish() { Extent::Whole(at) } else { Extent::Open }
}
