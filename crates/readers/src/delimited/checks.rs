//! What a row is refused for, besides its size and its bytes.

use domain::pipelines::{ExtraColumns, ShortRows, Sign};
use domain::text::count;

use super::super::reason::{Reason, Reject};
use super::{Table, doubts, fields_of, names};

impl Table {
    /// The names of the columns as they may stand in a message: who sees that a title was taken for the header sees the fault.
    pub(super) fn header_shown(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| &**name).collect();
        names::row_shown(&names)
    }

    /// Whether the row is as wide as the header.
    pub(super) fn check_width(&self) -> Result<(), Reject> {
        let (fields, columns) = (self.splitter.fields(), self.names.len());
        if self.repairing.is_some()
            || fields == columns
            || (fields > columns && fields <= columns + self.spare)
        {
            return Ok(());
        }
        let (text, ends) = self.splitter.record();
        let advice = if fields < columns {
            if self.said.short_rows == ShortRows::Null {
                return Ok(());
            }
            "; short_rows = \"null\" in the pipelines file makes the missing ones null"
        } else if fields_of(text, ends).skip(columns).all(<[u8]>::is_empty) && fields <= ends.len() {
            if self.said.extra_columns == ExtraColumns::IgnoreEmpty {
                return Ok(());
            }
            "; extra_columns = \"ignore_empty\" in the pipelines file leaves out the empty ones"
        } else {
            ""
        };
        let (fields, header) = (count(fields, "field"), self.header_shown());
        let message = format!("{fields} where the header has {columns}, {header}{advice}");
        Err(self.reject(Reason::RaggedRow, message))
    }

    /// What signs in a row leave in doubt.
    pub(super) fn check_signs(&self, text: &str, ends: &[usize]) -> Result<(), Reject> {
        if text.contains('\0') {
            return Err(self.reject(Reason::NulByte, "a NUL byte in the row".to_owned()));
        }
        if self.repairing.is_some() {
            return Ok(());
        }
        let quoted = self.splitter.quoted();
        if self.dialect.quote == Some(b'"')
            && let Some((from, to)) = doubts::stray_quotes(text.as_bytes(), ends, quoted)
        {
            return Err(self.reject(
                Reason::StrayQuote,
                format!(
                    "a quote opens inside field {from} and closes at the end of field {to}, so that a delimiter may \
                     be a part of the text; if quotes are text, put quote = \"none\" into the pipelines file"
                ),
            ));
        }
        if self.said.quote.is_none()
            && let Some(field) = doubts::half_quoted(text.as_bytes(), ends, quoted, self.dialect.quote)
        {
            return Err(self.reject(
                Reason::StrayQuote,
                format!("field {field} has a quote at one of its ends only; quote in the pipelines file says what it is"),
            ));
        }
        if self.dialect.escape.is_none()
            && self.said.escape != Some(Sign::None)
            && let Some(field) = doubts::stray_escape(text.as_bytes(), ends, quoted)
        {
            return Err(self.reject(
                Reason::StrayEscape,
                format!(
                    "field {field} ends with a backslash, which may make the delimiter behind it a part of the field; \
                     put escape = \"\\\\\" or escape = \"none\" into the pipelines file"
                ),
            ));
        }
        Ok(())
    }
}
