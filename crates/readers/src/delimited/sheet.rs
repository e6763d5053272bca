//! What rows are like that are those of a sheet: their fields know whether they are texts, and may be errors.

use super::super::position::Position;
use super::super::reason::{Reason, Reject, shown};
use super::super::sheet::text::NO_VALUE;
use super::Table;
use super::fields::{Fields, fields_of};

impl Table {
    /// Whether the field is a text whatever it looks like, as fields of sheets may be.
    pub(in super::super) fn is_text(&self, column: usize) -> bool {
        self.dialect.is_sheet && self.splitter.quoted().get(column) == Some(&true)
    }

    /// Whether the field is a cell without a value.
    pub(in super::super) fn is_no_value(&self, column: usize, field: &str) -> bool {
        field.is_empty() && self.dialect.is_sheet && !self.is_text(column)
    }

    /// How many line ends stand inside the fields of the row.
    pub(super) fn lines_in_fields(&self) -> u64 {
        let (text, ends) = self.splitter.record();
        fields_of(text, ends).map(line_ends).sum()
    }

    /// Refuses a row of a sheet with an error in place of a value.
    pub(super) fn check_errors(&self, text: &str, ends: &[usize]) -> Result<(), Reject> {
        if memchr::memchr(b'#', text.as_bytes()).is_none() {
            return Ok(());
        }
        let fields = Fields::new(text, ends);
        for column in 0..ends.len().min(self.names.len()) {
            let field = fields.get(column).unwrap_or_default();
            if !field.starts_with('#') || self.is_text(column) || self.typing.is_null(field) {
                continue;
            }
            let name = shown(&self.names[column]);
            let message = if field == NO_VALUE {
                format!(
                    "the column {name} has a formula whose value was not saved: open the workbook in a spreadsheet program \
                     and save it there, or put nulls = [\"{NO_VALUE}\"] into the pipelines file"
                )
            } else {
                format!(
                    "the column {name} has the error {field}; nulls = [\"{field}\"] in the pipelines file makes it null"
                )
            };
            return Err(self.reject(Reason::CellError, message));
        }
        Ok(())
    }
}

/// How many line ends there are in a text.
fn line_ends(text: &[u8]) -> u64 {
    let mut position = Position::start(0);
    position.pass(text);
    position.line - 1
}
