//! Rows that do not fit their table, read as they were probably meant: where a pipeline asks for it.
//!
//! A row that fits is never touched. One that does not is read in the ways that are known to occur, and the first that
//! gives as many fields as the table has columns is taken: a backslash before a quote, quotes that are text, other quotes,
//! another delimiter. If none does, fields are missing or left over. Each such row says so in its record: see [`Repair`].
//!
//! What is tried follows the flaws that were counted in public files (Vitagliano and others, "Pollock: A Data Loading
//! Benchmark", 2023).

mod quotes;
mod state;
mod table;

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

pub(super) use self::quotes::fields_by_quotes;
pub(super) use self::state::Repairing;
use super::super::options::Limits;
use super::dialect::{Dialect, Spaces};
use super::doubts;
use super::fields::fields_of;
use super::split::{Splitter, Whole};

/// What was done to a row to make a record of it. As text it is the code in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// Fields are missing at its end: they are null.
    ShortRow,
    /// It has more fields than the table has columns: they stand in the mark.
    ExtraFields,
    /// Quotes that are neither doubled nor at the ends of a field, or never closed: they are text.
    StrayQuote,
    /// It has other quotes than the table.
    OtherQuote,
    /// Its quotes are escaped and not doubled.
    OtherEscape,
    /// It has another delimiter than the table.
    OtherDelimiter,
    /// It is no UTF-8 and was read as windows-1252.
    NotUtf8,
    /// A value is not of the type that its column has in all rows that need no repair: it is text.
    WrongType,
}

impl Repair {
    /// Its code, which is never renamed.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ShortRow => "short_row",
            Self::ExtraFields => "extra_fields",
            Self::StrayQuote => "stray_quote",
            Self::OtherQuote => "other_quote",
            Self::OtherEscape => "other_escape",
            Self::OtherDelimiter => "other_delimiter",
            Self::NotUtf8 => "not_utf8",
            Self::WrongType => "wrong_type",
        }
    }
}

/// Delimiters that a row may have instead of its table's, those that also occur in text last.
const DELIMITERS: [u8; 6] = [b';', b',', b'\t', b'|', b':', b' '];

/// With fewer columns, a delimiter that is common in text proves nothing.
const WEAK_COLUMNS: usize = 3;

/// Reads `line`, which its dialect does not divide into `columns` fields, in the other ways that occur. Only where quotes
/// are out of place may they be text.
pub(super) fn other_reading(
    line: &[u8],
    dialect: Dialect,
    columns: usize,
    has_stray_quotes: bool,
    limits: &Limits,
) -> Option<(Splitter, Repair)> {
    let read = |dialect: Dialect| {
        let mut splitter = Splitter::new(dialect, limits);
        splitter.begin_line();
        let fits = matches!(splitter.whole(line), Whole::Record) && splitter.fields() == columns;
        fits.then_some(splitter)
    };
    let has = |sign: u8| memchr::memchr(sign, line).is_some();
    if dialect.escape.is_none()
        && has(b'\\')
        && let Some(found) = read(Dialect { escape: Some(b'\\'), ..dialect })
    {
        return Some((found, Repair::OtherEscape));
    }
    for quote in [b'"', b'\''] {
        if dialect.quote != Some(quote)
            && has(quote)
            && let Some(found) = read(Dialect { quote: Some(quote), ..dialect })
            && found.quoted().contains(&true)
        {
            return Some((found, Repair::OtherQuote));
        }
    }
    if has_stray_quotes
        && let Some(fields) = fields_by_quotes(line, dialect, columns)
        && fields.len() == columns
    {
        let mut splitter = Splitter::new(dialect, limits);
        splitter.put(fields);
        return Some((splitter, Repair::StrayQuote));
    }
    if let Some(spaced) = spaced(dialect).and_then(read) {
        return Some((spaced, Repair::OtherDelimiter));
    }
    other_delimiter(line, dialect, columns, read).map(|found| (found, Repair::OtherDelimiter))
}

/// The dialect with a space behind each delimiter, if it is not that already.
fn spaced(dialect: Dialect) -> Option<Dialect> {
    (dialect.spaces == Spaces::Kept).then_some(Dialect { spaces: Spaces::SkippedBefore, ..dialect })
}

/// Reads a row that has as many fields as its table, but all of them between apostrophes, which are no quotes there, or all
/// but the first behind a space.
pub(super) fn other_signs(
    line: &[u8],
    strict: &Splitter,
    dialect: Dialect,
    limits: &Limits,
) -> Option<(Splitter, Repair)> {
    let (text, ends) = strict.record();
    let other = if is_between_apostrophes(text, ends, strict.quoted(), dialect) {
        Some((Dialect { quote: Some(b'\''), ..dialect }, Repair::OtherQuote))
    } else if ends.len() > 1 && fields_of(text, ends).skip(1).all(|field| field.starts_with(b" ")) {
        spaced(dialect).map(|dialect| (dialect, Repair::OtherDelimiter))
    } else {
        None
    };
    let (dialect, repair) = other?;
    let mut splitter = Splitter::new(dialect, limits);
    splitter.begin_line();
    let fits = splitter.whole(line) == Whole::Record && splitter.fields() == strict.fields();
    fits.then_some((splitter, repair))
}

/// The only other delimiter that divides the line into as many fields as there are columns.
fn other_delimiter(
    line: &[u8],
    dialect: Dialect,
    columns: usize,
    read: impl Fn(Dialect) -> Option<Splitter>,
) -> Option<Splitter> {
    if columns < 2 {
        return None;
    }
    let is_weak = |sign: u8| matches!(sign, b':' | b' ');
    let others = DELIMITERS.into_iter().filter(|sign| {
        dialect.delimiter != Some(*sign)
            && memchr::memchr(*sign, line).is_some()
            && (columns >= WEAK_COLUMNS || !is_weak(*sign))
    });
    let mut found: Option<(u8, Splitter)> = None;
    for sign in others {
        let spaced =
            sign != b' ' && memchr::memchr_iter(sign, line).all(|at| line.get(at + 1) == Some(&b' '));
        let spaces = if spaced { Spaces::SkippedBefore } else { dialect.spaces };
        let Some(next) = read(Dialect { delimiter: Some(sign), spaces, ..dialect }) else { continue };
        match &found {
            None => found = Some((sign, next)),
            // A colon or a space beside a delimiter is a part of the text.
            Some(_) if is_weak(sign) => {}
            Some(_) => return None,
        }
    }
    found.map(|(_, splitter)| splitter)
}

/// Whether every field of a row is enclosed by apostrophes, which are no quotes in its table.
fn is_between_apostrophes(text: &[u8], ends: &[usize], quoted: &[bool], dialect: Dialect) -> bool {
    let is_enclosed = |field: &[u8]| field.len() >= 2 && field.starts_with(b"'") && field.ends_with(b"'");
    dialect.quote != Some(b'\'')
        && ends.len() >= 2
        && !quoted.contains(&true)
        && fields_of(text, ends).all(is_enclosed)
}

/// Whether the signs of a row that has as many fields as its table leave in doubt that it is read right.
pub(super) fn is_doubtful(text: &[u8], ends: &[usize], quoted: &[bool], dialect: Dialect) -> bool {
    (dialect.quote == Some(b'"') && doubts::stray_quotes(text, ends, quoted).is_some())
        || doubts::half_quoted(text, ends, quoted, dialect.quote).is_some()
}

/// The fields of a row that is no UTF-8, those that are none read as windows-1252.
pub(super) fn decoded(text: &[u8], ends: &[usize], quoted: &[bool]) -> Vec<(Vec<u8>, bool)> {
    let fields = fields_of(text, ends).zip(quoted.iter().copied());
    fields
        .map(|(field, quoted)| {
            let text = match std::str::from_utf8(field) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => WINDOWS_1252.decode_without_bom_handling(field).0,
            };
            (text.into_owned().into_bytes(), quoted)
        })
        .collect()
}
