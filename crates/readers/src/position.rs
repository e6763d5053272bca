//! Where in an object's text something stands, in the terms of a person who looks for it.
//!
//! Lines are counted as an editor shows them: from 1, with the header, blank lines and comments, and each of LF, CR LF
//! and CR ends one. Bytes are those of the decompressed text in UTF-8, from 0, so that `tail -c +$((BYTE + 1))` begins
//! there.

use std::fmt;

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It begins with this line.
    Line(u64),
    /// It is this row, counted from 1, of a file without lines.
    Row(u64),
    /// It is this record, counted from 1, of a JSON text, where many records may stand on one line.
    Record {
        /// Counted from 1.
        record: u64,
        /// The line that it begins in.
        line: u64,
        /// The byte that it begins at.
        byte: u64,
    },
}

impl Place {
    /// The line, counted from 1; the row where there are no lines.
    #[must_use]
    pub fn line(self) -> u64 {
        match self {
            Self::Line(line) | Self::Row(line) | Self::Record { line, .. } => line,
        }
    }
}

impl fmt::Display for Place {
    /// `line 3`, `row 3`, or `record 3 (line 1, byte 40)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
            Self::Record { record, line, byte } => write!(f, "record {record} (line {line}, byte {byte})"),
        }
    }
}

/// A place in the text that moves forward as text passes by, in pieces of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) byte: u64,
    pub(super) line: u64,
    /// The last byte was a CR, which ended its line; an LF that follows belongs to it.
    after_cr: bool,
}

impl Position {
    /// Where the text begins: behind a byte order mark of `mark_bytes`.
    pub(super) fn start(mark_bytes: usize) -> Self {
        Self { byte: mark_bytes as u64, line: 1, after_cr: false }
    }

    /// Moves behind `text`, which begins here.
    pub(super) fn pass(&mut self, text: &[u8]) {
        let Some(last) = text.last() else { return };
        self.byte += text.len() as u64;
        // One pass of the vector unit for the usual text; a second one where there are CRs.
        let mut ends = count(text, b'\n');
        if self.after_cr && text[0] == b'\n' {
            ends -= 1;
        }
        if memchr::memchr(b'\r', text).is_some() {
            let pairs = text.iter().zip(&text[1..]).filter(|pair| matches!(pair, (b'\r', b'\n'))).count();
            ends += count(text, b'\r') - pairs;
        }
        self.line += ends as u64;
        self.after_cr = *last == b'\r';
    }
}

fn count(text: &[u8], wanted: u8) -> usize {
    text.iter().filter(|byte| **byte == wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_shows_them_however_the_text_is_cut() {
        for (text, line) in [
            (&b""[..], 1),
            (b"a", 1),
            (b"a\n", 2),
            (b"a\nb", 2),
            (b"a\r\nb\r\n", 3),
            (b"a\rb\r", 3),
            (b"\n\r\n\r\r\n\n", 6),
            (b"\r", 2),
        ] {
            for size in 1..=text.len().max(1) {
                let mut position = Position::start(3);
                text.chunks(size).for_each(|piece| position.pass(piece));
                assert_eq!(
                    (position.line, position.byte),
                    (line, text.len() as u64 + 3),
                    "{text:?} by {size}"
                );
            }
        }
    }

    #[test]
    fn a_place_is_named_for_a_person() {
        assert_eq!(Place::Line(3).to_string(), "line 3");
        assert_eq!(Place::Row(3).to_string(), "row 3");
        assert_eq!(Place::Record { record: 2, line: 1, byte: 18 }.to_string(), "record 2 (line 1, byte 18)");
    }
}
