//! Delimited text as RFC 4180 has it, cut into fields: strict, in pieces of any size, in bounded memory.
//!
//! Strict, because a parser that repairs a stray quote silently turns the rows behind it into one field. Lines
//! may end in LF, CR LF or CR. A quote that does not begin a field is data.

use super::super::options::Limits;
use super::super::reason::{BadInput, Reason};

/// Whether a record is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All input was used; the record, if one has begun, goes on.
    More,
    /// The record is complete.
    Record,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a record: line ends here are blank lines.
    Start,
    /// After a CR that ended a record: an LF belongs to it.
    LineFeed,
    Field,
    Plain,
    Quoted,
    /// After a quote in a quoted field: the end of it, or the first of two.
    Quote,
}

/// Cuts text into records and holds the fields of one.
pub(crate) struct Splitter {
    delimiter: u8,
    field_bytes: usize,
    record_bytes: usize,
    columns: usize,
    state: State,
    /// The fields' text, one after the other.
    text: Vec<u8>,
    /// Where in it each field ends.
    ends: Vec<usize>,
    /// The bytes of the open field and of the record, kept or not.
    field_len: usize,
    record_len: usize,
    /// The open field runs over lines.
    breaks: bool,
    fields: usize,
    fault: Option<Reason>,
}

impl Splitter {
    pub(crate) fn new(delimiter: u8, limits: &Limits) -> Self {
        Self {
            delimiter,
            field_bytes: limits.field_bytes,
            record_bytes: limits.item_bytes,
            columns: limits.columns,
            state: State::Start,
            text: Vec::new(),
            ends: Vec::new(),
            field_len: 0,
            record_len: 0,
            breaks: false,
            fields: 0,
            fault: None,
        }
    }

    /// The fields' text of the complete record and where each field ends. Not all of it when [`Self::fault`]
    /// says so, nor beyond the allowed number of columns.
    pub(crate) fn record(&self) -> (&[u8], &[usize]) {
        (&self.text, &self.ends)
    }

    /// How many fields the record has.
    pub(crate) fn fields(&self) -> usize {
        self.fields
    }

    /// What is wrong with the record, when it was too large to be kept.
    pub(crate) fn fault(&self) -> Option<Reason> {
        self.fault
    }

    /// Whether a record has begun.
    pub(crate) fn is_inside(&self) -> bool {
        !matches!(self.state, State::Start | State::LineFeed)
    }

    /// How many bytes at the beginning of `input` stand before the next record.
    pub(crate) fn blank(&mut self, input: &[u8]) -> usize {
        if self.is_inside() {
            return 0;
        }
        let blank = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
        if blank > 0 {
            self.state = State::Start;
        }
        blank
    }

    /// Goes on with `input`, at the beginning of a record only after [`Self::blank`]: how much was used, and
    /// whether that completes a record.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Fed), BadInput> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Start | State::LineFeed => {
                    self.text.clear();
                    self.ends.clear();
                    self.field_len = 0;
                    self.record_len = 0;
                    self.breaks = false;
                    self.fields = 0;
                    self.fault = None;
                    self.state = State::Field;
                }
                State::Field if byte == b'"' => {
                    at += 1;
                    self.state = State::Quoted;
                }
                State::Field | State::Plain => {
                    let rest = &input[at..];
                    let stop = memchr::memchr3(self.delimiter, b'\n', b'\r', rest);
                    self.push(&rest[..stop.unwrap_or(rest.len())]);
                    let Some(stop) = stop else {
                        self.state = State::Plain;
                        break;
                    };
                    at += stop + 1;
                    if self.end_field(rest[stop]) {
                        return Ok((at, Fed::Record));
                    }
                }
                State::Quoted => {
                    let rest = &input[at..];
                    let stop = memchr::memchr(b'"', rest);
                    self.push_quoted(&rest[..stop.unwrap_or(rest.len())])?;
                    let Some(stop) = stop else { break };
                    at += stop + 1;
                    self.state = State::Quote;
                }
                State::Quote => {
                    at += 1;
                    if byte == b'"' {
                        self.push_quoted(b"\"")?;
                        self.state = State::Quoted;
                    } else if byte == self.delimiter || byte == b'\n' || byte == b'\r' {
                        if self.end_field(byte) {
                            return Ok((at, Fed::Record));
                        }
                    } else {
                        return Err(BadInput::new(
                            Reason::TextAfterQuote,
                            format!(
                                "text follows the closing quote of field {}; a quote inside a quoted field is doubled",
                                self.fields + 1
                            ),
                        ));
                    }
                }
            }
        }
        Ok((input.len(), Fed::More))
    }

    /// The input has ended: true when that completes a record.
    pub(crate) fn finish(&mut self) -> Result<bool, BadInput> {
        match self.state {
            State::Start | State::LineFeed => Ok(false),
            State::Quoted => Err(BadInput::new(
                Reason::UnbalancedQuote,
                format!("the quote that opens field {} is never closed", self.fields + 1),
            )),
            State::Field | State::Plain | State::Quote => {
                self.end_field(b'\n');
                Ok(true)
            }
        }
    }

    fn push(&mut self, part: &[u8]) {
        self.field_len += part.len();
        self.record_len += part.len();
        // Which of the two it is must not depend on how the input was cut.
        if self.field_len > self.field_bytes {
            self.fault = Some(Reason::FieldTooLarge);
        } else if self.record_len > self.record_bytes && self.fault.is_none() {
            self.fault = Some(Reason::ItemTooLarge);
        }
        if self.fault.is_none() {
            self.text.extend_from_slice(part);
        }
    }

    /// As [`Self::push`], but a quoted field that is too large *and* runs over lines is taken for a quote that
    /// was never meant: going on would swallow rows.
    fn push_quoted(&mut self, part: &[u8]) -> Result<(), BadInput> {
        self.push(part);
        self.breaks = self.breaks || memchr::memchr2(b'\n', b'\r', part).is_some();
        if self.breaks && self.field_len > self.field_bytes {
            return Err(BadInput::new(
                Reason::UnbalancedQuote,
                format!(
                    "the quote that opens field {} is not closed after {} bytes and runs over several lines",
                    self.fields + 1,
                    self.field_bytes
                ),
            ));
        }
        Ok(())
    }

    /// Ends the field at `stop`: true when that ends the record.
    fn end_field(&mut self, stop: u8) -> bool {
        self.fields += 1;
        // One beyond the limit, so that whoever looks sees that there are too many.
        if self.ends.len() <= self.columns {
            self.ends.push(self.text.len());
        }
        self.field_len = 0;
        self.breaks = false;
        self.state = match stop {
            b'\n' => State::Start,
            b'\r' => State::LineFeed,
            _ => State::Field,
        };
        stop != self.delimiter
    }
}
