//! The first rows of a text, cut by one dialect.

use super::super::delimited::dialect::Dialect;
use super::super::delimited::split::{Fed, Splitter};
use super::super::options::Limits;

/// The most rows that are compared.
pub(super) const ROWS: usize = 1_000;

#[derive(Debug, Clone, Copy)]
struct Cell {
    end: usize,
    quoted: bool,
}

/// A row: where in the text it begins, and its cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The byte of the text that it begins with.
    pub(super) at: usize,
    first: usize,
    /// How many fields it has.
    pub(super) width: usize,
}

/// Rows of cells.
#[derive(Debug, Default)]
pub(super) struct Grid {
    text: Vec<u8>,
    cells: Vec<Cell>,
    /// The rows.
    pub(super) rows: Vec<Row>,
    /// Quotes make no sense behind these rows.
    pub(super) is_broken: bool,
}

impl Grid {
    /// Cuts `text`, of which `whole` says whether it is all; rows that begin with `comment` are left out.
    /// Where rows are repaired, `goes_on` behind a line whose quotes make no sense.
    pub(super) fn of(
        text: &[u8],
        whole: bool,
        dialect: Dialect,
        comment: Option<&str>,
        goes_on: bool,
    ) -> Self {
        let mut splitter = Splitter::new(dialect, &Limits::default());
        let mut grid = Self::default();
        let mut at = 0;
        while grid.rows.len() < ROWS {
            at += splitter.blank(&text[at..]);
            if let Some(rest) = text[at..].strip_prefix("\u{feff}".as_bytes()) {
                at = text.len() - rest.len();
            }
            if comment.is_some_and(|comment| text[at..].starts_with(comment.as_bytes())) {
                at += text[at..]
                    .iter()
                    .position(|byte| matches!(byte, b'\r' | b'\n'))
                    .unwrap_or(text.len() - at);
                continue;
            }
            let begin = at;
            match splitter.feed(&text[at..]) {
                Ok((used, Fed::Record)) => {
                    at += used;
                    grid.add(begin, &splitter);
                }
                Ok((_, Fed::More)) => {
                    // A row that the look cuts off tells nothing, unless there is no other.
                    if whole || grid.rows.is_empty() {
                        match splitter.finish() {
                            Ok(true) => grid.add(begin, &splitter),
                            Ok(false) => {}
                            Err(_) => grid.is_broken = true,
                        }
                    }
                    break;
                }
                Err(_) => {
                    grid.is_broken = true;
                    let line_end = memchr::memchr2(b'\n', b'\r', &text[begin..]);
                    let Some(end) = line_end.filter(|_| goes_on) else { break };
                    at = begin + end;
                    splitter = Splitter::new(dialect, &Limits::default());
                }
            }
        }
        grid
    }

    fn add(&mut self, at: usize, splitter: &Splitter) {
        let (text, ends) = splitter.record();
        let (base, first) = (self.text.len(), self.cells.len());
        self.text.extend_from_slice(text);
        let cells = ends.iter().zip(splitter.quoted());
        self.cells.extend(cells.map(|(end, quoted)| Cell { end: base + end, quoted: *quoted }));
        self.rows.push(Row { at, first, width: splitter.fields().min(ends.len()) });
    }

    /// A field and whether it was quoted; an empty one beyond the row's end.
    pub(super) fn cell(&self, row: Row, column: usize) -> (&[u8], bool) {
        if column >= row.width {
            return (b"", false);
        }
        let at = row.first + column;
        let start = at.checked_sub(1).map_or(0, |before| self.cells[before].end);
        (&self.text[start..self.cells[at].end], self.cells[at].quoted)
    }

    /// The row's fields.
    pub(super) fn fields(&self, row: Row) -> impl Iterator<Item = (&[u8], bool)> {
        (0..row.width).map(move |column| self.cell(row, column))
    }

    /// The row's fields as text for a message.
    pub(super) fn texts(&self, row: Row) -> Vec<String> {
        self.fields(row).map(|(field, _)| String::from_utf8_lossy(field).into_owned()).collect()
    }
}

/// How many lines stand before byte `at` of the text.
pub(super) fn lines_before(text: &[u8], at: usize) -> u32 {
    let before = &text[..at];
    let ends = before.iter().enumerate().filter(|(place, byte)| {
        **byte == b'\n' || (**byte == b'\r' && before.get(place + 1) != Some(&b'\n'))
    });
    u32::try_from(ends.count()).unwrap_or(u32::MAX)
}
