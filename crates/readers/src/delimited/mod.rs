//! Delimited text with a header: rows of fields, checked, not yet typed.

pub(super) mod columns;
pub(super) mod split;

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{
    record::NAME_BYTES,
    text::{count, grouped},
};

use self::split::{Fed, Splitter};
use super::input::Input;
use super::options::{Limits, RESERVED_NAMES};
use super::reason::{BadInput, ReadError, Reason, Reject, raw_text, shown};

/// The rows of a delimited text, one at a time.
pub(super) struct Table {
    splitter: Splitter,
    names: Vec<Arc<str>>,
    /// What the names add to the size of every record.
    names_bytes: usize,
    limits: Limits,
    chunk: Vec<u8>,
    at: usize,
    /// The beginning of the row, when it does not lie in one chunk.
    carried: Vec<u8>,
    /// Where in the chunk the row, or what is left of it, is.
    row_at: usize,
    /// The row's number, counted from 1 without the header.
    number: u64,
}

impl Table {
    /// Reads the header. An empty text has no columns and no rows.
    pub(super) async fn open(input: &mut Input, delimiter: u8, limits: &Limits) -> Result<Self, ReadError> {
        let mut table = Self {
            splitter: Splitter::new(delimiter, limits),
            names: Vec::new(),
            names_bytes: 0,
            limits: limits.clone(),
            chunk: input.take_chunk(),
            at: 0,
            carried: Vec::new(),
            row_at: 0,
            number: 0,
        };
        if table.advance(input).await? {
            table.names = table.header()?;
            table.names_bytes = table.names.iter().map(|name| name.len()).sum();
        }
        Ok(table)
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The number of the row that [`Self::next`] went to.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Goes to the next row; false at the end of the text.
    pub(super) async fn next(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        let row = self.number + 1;
        let found = self.advance(input).await.map_err(|error| match error {
            ReadError::Bad(BadInput { reason, row: None, message })
                if matches!(reason, Reason::UnbalancedQuote | Reason::TextAfterQuote) =>
            {
                BadInput::in_row(reason, row, format!("row {row}: {message}")).into()
            }
            other => other,
        })?;
        self.number += u64::from(found);
        Ok(found)
    }

    /// The fields of the row: as many as there are columns, of text, of a size that an item can have.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Reject> {
        let (text, ends) = self.splitter.record();
        if let Some(reason) = self.splitter.fault() {
            return Err(self.reject(reason, format!("the row is too large: {}", reason.sentence())));
        }
        if self.splitter.fields() != self.names.len() {
            return Err(self.reject(
                Reason::RaggedRow,
                format!(
                    "{} where the header has {}",
                    count(self.splitter.fields(), "field"),
                    self.names.len()
                ),
            ));
        }
        // Number, text or nothing: no field takes more than its length and one byte.
        let size = self.names_bytes + text.len() + ends.len();
        if size > self.limits.item_bytes {
            let most = self.limits.item_bytes;
            return Err(
                self.reject(Reason::ItemTooLarge, format!("the row takes up to {size} bytes of {most}"))
            );
        }
        let valid = std::str::from_utf8(text).ok().filter(|text| {
            // Two broken halves in neighbouring fields may look whole once the delimiter is gone.
            text.is_ascii() || ends.iter().all(|end| text.is_char_boundary(*end))
        });
        let Some(text) = valid else {
            let field = fields_of(text, ends).position(|field| std::str::from_utf8(field).is_err());
            let name = field.and_then(|field| self.names.get(field)).map_or("", |name| name);
            return Err(self.reject(Reason::InvalidUtf8, format!("the field {} is not UTF-8", shown(name))));
        };
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(self.reject(Reason::NulByte, "a NUL byte in the row".to_owned()));
        }
        Ok(Fields { text, ends })
    }

    /// The row, refused.
    pub(super) fn reject(&self, reason: Reason, message: String) -> Reject {
        let rest = &self.chunk[self.row_at..self.at];
        let mut raw = self.carried.clone();
        raw.extend_from_slice(&rest[..rest.len().min(self.limits.raw_bytes)]);
        Reject { reason, message, raw: raw_text(&raw, self.limits.raw_bytes) }
    }

    /// What a record of the row takes in the table, names included and at the most.
    pub(super) fn size_bytes(&self) -> usize {
        let (text, ends) = self.splitter.record();
        self.names_bytes + text.len() + ends.len()
    }

    async fn advance(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        self.carried.clear();
        loop {
            self.at += self.splitter.blank(&self.chunk[self.at..]);
            if !self.splitter.is_inside() {
                self.row_at = self.at;
            }
            let (used, fed) = self.splitter.feed(&self.chunk[self.at..])?;
            self.at += used;
            if fed == Fed::Record {
                return Ok(true);
            }
            let rest = &self.chunk[self.row_at..];
            let room = self.limits.raw_bytes.saturating_sub(self.carried.len());
            self.carried.extend_from_slice(&rest[..rest.len().min(room)]);
            self.at = 0;
            self.row_at = 0;
            if !input.advance(&mut self.chunk).await? {
                return Ok(self.splitter.finish()?);
            }
        }
    }

    fn header(&self) -> Result<Vec<Arc<str>>, BadInput> {
        let (text, ends) = self.splitter.record();
        let bad = |message: &str| BadInput::new(Reason::BadHeader, message);
        if self.splitter.fields() > self.limits.columns {
            return Err(BadInput::new(
                Reason::TooManyColumns,
                format!(
                    "{}; at most {} are read",
                    count(self.splitter.fields(), "column"),
                    grouped(self.limits.columns as u64)
                ),
            ));
        }
        if self.splitter.fault().is_some() {
            return Err(bad("the header row is larger than a record can be"));
        }
        let mut names: Vec<Arc<str>> = Vec::with_capacity(ends.len());
        let mut seen = BTreeSet::new();
        for (at, name) in fields_of(text, ends).enumerate() {
            let name = std::str::from_utf8(name).map_err(|_| bad("the header row is not UTF-8"))?;
            if name.trim().is_empty() {
                return Err(BadInput::new(Reason::EmptyHeader, format!("column {} has no name", at + 1)));
            }
            if name.contains('\0') {
                return Err(bad("a NUL byte in the header row"));
            }
            if name.len() > NAME_BYTES {
                return Err(BadInput::new(
                    Reason::NameTooLong,
                    format!("the name of column {} takes {} bytes of {NAME_BYTES}", at + 1, name.len()),
                ));
            }
            if RESERVED_NAMES.contains(&name) {
                return Err(BadInput::new(
                    Reason::ReservedName,
                    format!("the column {} has a name that the pipeline uses itself", shown(name)),
                ));
            }
            if !seen.insert(name) {
                return Err(BadInput::new(
                    Reason::DuplicateHeader,
                    format!("two columns are named {}", shown(name)),
                ));
            }
            names.push(name.into());
        }
        Ok(names)
    }
}

/// The fields of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// The field of a column; the row has one for each.
    pub(super) fn get(&self, column: usize) -> &'a str {
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[column]]
    }
}

fn fields_of<'a>(text: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, end)| &text[start..*end])
}
