//! A sheet as delimited text, row by row.
//!
//! Excel's types are kept: a text stands in quotes, and everything else does not. What stands in quotes is no number, see
//! [`Dialect::is_sheet`]; an error such as `#REF!` stands bare, and refuses its row. Each row of the sheet is one line, a row
//! without a value is a blank one, and all rows with a value are equally wide.
//!
//! [`Dialect::is_sheet`]: super::super::delimited::dialect::Dialect::is_sheet

use super::super::floats::shortest;
use super::super::reason::{BadInput, Reason};

/// The most rows and columns that a sheet has, in every program.
const MOST_ROWS: u32 = 1 << 20;
const MOST_COLUMNS: u32 = 1 << 14;

/// What stands in the place of a value that a formula has and that was not saved.
pub(in super::super) const NO_VALUE: &str = "#FORMULA";

/// The value of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Number(f64),
    Integer(i64),
    Bool(bool),
    /// A date, a time or both, or a duration, as ISO 8601 has it.
    Moment(&'a str),
    /// An error, as the program shows it.
    Error(&'a str),
    /// A formula without the value that it had.
    NoValue,
}

/// The columns of a sheet that have values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    first: u32,
    last: u32,
}

impl Extent {
    /// The columns so far, and this one.
    pub(super) fn with(so_far: Option<Self>, column: u32) -> Self {
        match so_far {
            Some(Self { first, last }) => Self { first: first.min(column), last: last.max(column) },
            None => Self { first: column, last: column },
        }
    }
}

/// Delimited text that grows by cells, in the order of rows and columns.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    extent: Extent,
    /// The row, and the column behind its last value.
    row: u32,
    next: u32,
    begun: bool,
}

impl Text {
    pub(super) fn new(extent: Extent) -> Self {
        Self { bytes: Vec::new(), extent, row: 0, next: extent.first, begun: false }
    }

    /// Adds the cell at this row and column, which are counted from zero.
    pub(super) fn add(&mut self, (row, column): (u32, u32), cell: &Cell<'_>) -> Result<(), BadInput> {
        let Extent { first, last } = self.extent;
        let is_behind = row > self.row || (row == self.row && column >= self.next);
        if !is_behind || row >= MOST_ROWS || column >= MOST_COLUMNS || !(first..=last).contains(&column) {
            let message =
                format!("the cell of row {} and column {} of the sheet is out of order", row + 1, column + 1);
            return Err(BadInput::new(Reason::DamagedFile, message));
        }
        while self.row < row {
            self.end_row();
        }
        // A delimiter for each column before it, less those that stand there.
        let delimiters = column - if self.begun { self.next - 1 } else { first };
        self.bytes.resize(self.bytes.len() + delimiters as usize, b',');
        (self.next, self.begun) = (column + 1, true);
        self.value(cell);
        Ok(())
    }

    /// Ends the row, and fills it up if it has a value.
    pub(super) fn end_row(&mut self) {
        if self.begun {
            let missing = self.extent.last + 1 - self.next;
            self.bytes.resize(self.bytes.len() + missing as usize, b',');
        }
        self.bytes.push(b'\n');
        (self.row, self.next, self.begun) = (self.row + 1, self.extent.first, false);
    }

    fn value(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::Text(text) => self.quoted(text),
            // Infinity and NaN are no numbers in any program.
            Cell::Number(number) if !number.is_finite() => self.bare("#NUM!"),
            Cell::Number(number) => self.bare(&shortest(*number, number.abs())),
            Cell::Integer(number) => self.bare(&number.to_string()),
            Cell::Bool(value) => self.bare(if *value { "true" } else { "false" }),
            Cell::Moment(text) => self.bare(text),
            // It says that there is no value, and is what people write to say so.
            Cell::Error("#N/A") => {}
            Cell::Error(error) => self.bare(error),
            Cell::NoValue => self.bare(NO_VALUE),
        }
    }

    fn bare(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn quoted(&mut self, text: &str) {
        self.bytes.push(b'"');
        for (at, part) in text.split('"').enumerate() {
            if at > 0 {
                self.bytes.extend_from_slice(b"\"\"");
            }
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.bytes.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_places_and_are_equally_wide() {
        let mut text = Text::new(Extent { first: 1, last: 3 });
        for (place, cell) in [
            ((1, 1), Cell::Text("say \"a\"")),
            ((1, 3), Cell::Number(7.0)),
            ((4, 2), Cell::Number(-0.1)),
            ((5, 1), Cell::Bool(true)),
            ((5, 2), Cell::Error("#N/A")),
            ((5, 3), Cell::Error("#REF!")),
            ((6, 3), Cell::NoValue),
        ] {
            text.add(place, &cell).unwrap();
        }
        text.end_row();
        let lines = "\n\"say \"\"a\"\"\",,7\n\n\n,-0.1,\ntrue,,#REF!\n,,#FORMULA\n";
        assert_eq!(String::from_utf8_lossy(&text.bytes), lines);
        for place in [(6, 3), (8, 0), (8, 4), (MOST_ROWS, 1)] {
            assert_eq!(text.add(place, &Cell::Integer(1)).unwrap_err().reason, Reason::DamagedFile);
        }
    }
}
