//! How one delimited text is written: the signs, and where its table begins.

use std::fmt;

/// What to do with spaces and tabs around a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spaces {
    /// They are a part of the field, as RFC 4180 has it.
    #[default]
    Kept,
    /// Those before the field are none of it: the text has one behind each delimiter.
    SkippedBefore,
    /// Those on both sides are none of it.
    Trimmed,
}

/// How a delimited text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What separates fields; nothing if each line is one field.
    pub delimiter: Option<u8>,
    /// What may enclose a field. Inside, it is doubled.
    pub quote: Option<u8>,
    /// What makes the delimiter, the quote, a line break or itself behind it a part of the field.
    pub escape: Option<u8>,
    /// Spaces and tabs around fields.
    pub spaces: Spaces,
    /// Whether a CR that no LF follows ends a line. Where the first line ends in an LF it is a part of its field, if each
    /// line is one field: nothing else could tell.
    pub lone_cr: bool,
    /// Rows are lines, as in AWS's logs: a quote closes a field only before a delimiter or the end of the line, and brackets
    /// at its ends enclose a field.
    pub is_log: bool,
    /// The text is a sheet of a workbook: what stands in quotes is text whatever it looks like, an empty field without them is
    /// null, and lines are rows.
    pub is_sheet: bool,
    /// How many lines stand before the table.
    pub skip_lines: u32,
    /// How many fields nearly all rows have, where rows are repaired and their header has another number; else 0.
    pub columns: usize,
}

impl Dialect {
    /// RFC 4180 with this delimiter.
    #[must_use]
    pub const fn of(delimiter: u8) -> Self {
        Self {
            delimiter: Some(delimiter),
            quote: Some(b'"'),
            escape: None,
            spaces: Spaces::Kept,
            lone_cr: true,
            is_log: false,
            is_sheet: false,
            skip_lines: 0,
            columns: 0,
        }
    }

    /// One field on each line.
    #[must_use]
    pub const fn one_column(lone_cr: bool) -> Self {
        Self { delimiter: None, lone_cr, ..Self::of(b',') }
    }
}

/// A delimiter as a pipelines file spells it: `","`, `"tab"`, `"none"`.
pub(crate) fn spelled(delimiter: Option<u8>) -> String {
    match delimiter {
        None => "\"none\"".to_owned(),
        Some(b'\t') => "\"tab\"".to_owned(),
        Some(sign) if sign.is_ascii_control() => format!("\"\\u{sign:04x}\""),
        Some(sign) => format!("\"{}\"", char::from(sign)),
    }
}

impl fmt::Display for Dialect {
    /// The lines of a pipelines file that say the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delimiter = {}", spelled(self.delimiter))?;
        match self.quote {
            Some(b'"') => {}
            Some(quote) => write!(f, ", quote = \"{}\"", char::from(quote))?,
            None => f.write_str(", quote = \"none\"")?,
        }
        if self.escape.is_some() {
            f.write_str(", escape = \"\\\\\"")?;
        }
        if self.spaces != Spaces::Kept {
            f.write_str(", trim = true")?;
        }
        if self.skip_lines > 0 {
            write!(f, ", skip_lines = {}", self.skip_lines)?;
        }
        Ok(())
    }
}
