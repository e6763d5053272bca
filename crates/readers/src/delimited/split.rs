//! Delimited text in one [`Dialect`], cut into fields: strict, in pieces of any size, in bounded memory.
//!
//! Strict, because a parser that repairs a stray quote silently turns the rows behind it into one field. Lines
//! may end in LF, CR LF or CR. A quote that does not begin a field is data.
//!
//! Own code, as csv-core keeps every row's fields however large they are, cannot say where a row was cut, and repairs
//! what is refused here.

use super::super::options::Limits;
use super::super::reason::{BadInput, Reason};
use super::dialect::{Dialect, Spaces};

/// Whether a record is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All input was used; the record, if one has begun, goes on.
    More,
    /// The record is complete.
    Record,
}

/// What the text of a whole row has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// The record is complete.
    Record,
    /// A quoted field goes on.
    Open,
    /// Quotes make no sense.
    Broken,
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
    /// After the spaces behind a quoted field.
    Closed,
    /// After an escape in a field, and in a quoted one.
    Escape,
    QuotedEscape,
    /// After a CR that ends the line only if an LF follows.
    Return,
    /// After a bracket that begins a field of a log.
    Bracket,
}

/// Cuts text into records and holds the fields of one.
pub(crate) struct Splitter {
    dialect: Dialect,
    /// A blank line is a row with one empty field.
    blank_rows: bool,
    /// Blank lines stand before the next record, and before this one.
    blank_before: bool,
    gap: bool,
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
    /// Which fields were quoted.
    quoted: Vec<bool>,
    /// The open field is a quoted one.
    is_quoted: bool,
    /// The open field runs over lines, and some field of the record does.
    breaks: bool,
    broke: bool,
    fields: usize,
    fault: Option<Reason>,
}

impl Splitter {
    pub(crate) fn new(dialect: Dialect, limits: &Limits) -> Self {
        Self {
            dialect,
            blank_rows: false,
            blank_before: false,
            gap: false,
            field_bytes: limits.field_bytes,
            record_bytes: limits.item_bytes,
            columns: limits.columns,
            state: State::Start,
            text: Vec::new(),
            ends: Vec::new(),
            field_len: 0,
            record_len: 0,
            quoted: Vec::new(),
            is_quoted: false,
            breaks: false,
            broke: false,
            fields: 0,
            fault: None,
        }
    }

    /// From here on a blank line is a row with one empty field.
    pub(crate) fn keep_blank_rows(&mut self) {
        self.blank_rows = true;
    }

    /// Whether blank lines stood before the record.
    pub(crate) fn follows_gap(&self) -> bool {
        self.gap
    }

    /// Which fields of the record were quoted, up to the allowed number of columns.
    pub(crate) fn quoted(&self) -> &[bool] {
        &self.quoted
    }

    /// Whether a quoted field of the record runs over lines.
    pub(crate) fn runs_over_lines(&self) -> bool {
        self.broke
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
        if self.state == State::Start && !matches!(input.first(), Some(b'\r' | b'\n')) {
            return 0;
        }
        let ends_line = self.state == State::LineFeed && input.first() == Some(&b'\n');
        if self.blank_rows {
            if ends_line {
                self.state = State::Start;
            }
            return usize::from(ends_line);
        }
        let blank = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
        if blank > 0 {
            self.state = State::Start;
            self.blank_before |= blank > usize::from(ends_line);
        }
        blank
    }

    /// Begins a record whose text is given to [`Self::whole`].
    pub(crate) fn begin_line(&mut self) {
        self.begin();
        self.state = State::Field;
    }

    /// Begins the same record once more.
    fn start_over(&mut self) {
        let gap = self.gap;
        self.begin_line();
        self.gap = gap;
    }

    /// Goes on with `text`, up to the end of the record or of a line in a quoted field.
    pub(crate) fn whole(&mut self, text: &[u8]) -> Whole {
        match self.feed(text) {
            Err(_) => return Whole::Broken,
            Ok((_, Fed::More)) if matches!(self.state, State::Quoted | State::QuotedEscape) => {
                return Whole::Open;
            }
            Ok((_, Fed::More)) if self.finish().is_err() => return Whole::Broken,
            Ok(_) => {}
        }
        // The line end is none of the splitter's here.
        self.state = State::Start;
        Whole::Record
    }

    /// Gives the record these fields instead, each with whether it was quoted.
    pub(crate) fn put(&mut self, fields: Vec<(Vec<u8>, bool)>) {
        self.start_over();
        for (field, quoted) in fields {
            self.push(&field);
            self.is_quoted = quoted;
            self.end_field(b'\n');
        }
        self.state = State::Start;
    }

    /// The record cannot be kept, for this reason.
    pub(crate) fn refuse(&mut self, fault: Reason) {
        self.fault = Some(fault);
    }

    /// Gives the record the fields of another.
    pub(crate) fn take_over(&mut self, other: Self) {
        let Self { text, ends, quoted, fields, fault, .. } = other;
        (self.text, self.ends, self.quoted, self.fields, self.fault) = (text, ends, quoted, fields, fault);
        self.broke = false;
        self.state = State::Start;
    }

    /// Goes on with `input`, at the beginning of a record only after [`Self::blank`]: how much was used, and
    /// whether that completes a record.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Fed), BadInput> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Start | State::LineFeed => {
                    self.begin();
                    self.state = State::Field;
                }
                State::Field if self.dialect.quote == Some(byte) => {
                    at += 1;
                    self.is_quoted = true;
                    self.state = State::Quoted;
                }
                State::Field if self.dialect.is_log && byte == b'[' => {
                    at += 1;
                    self.state = State::Bracket;
                }
                State::Bracket => {
                    let rest = &input[at..];
                    let stop = memchr::memchr3(b']', b'\n', b'\r', rest);
                    self.push(&rest[..stop.unwrap_or(rest.len())]);
                    let Some(stop) = stop else { break };
                    at += stop + 1;
                    if rest[stop] == b']' {
                        self.state = State::Closed;
                    } else if self.end_field(rest[stop]) {
                        return Ok((at, Fed::Record));
                    }
                }
                State::Quoted if self.dialect.is_log => {
                    let rest = &input[at..];
                    let quote = self.dialect.quote.unwrap_or(b'"');
                    let stop = memchr::memchr3(quote, b'\n', b'\r', rest);
                    self.push(&rest[..stop.unwrap_or(rest.len())]);
                    let Some(stop) = stop else { break };
                    at += stop + 1;
                    if rest[stop] == quote {
                        self.state = State::Quote;
                    } else if self.end_field(rest[stop]) {
                        return Ok((at, Fed::Record));
                    }
                }
                State::Field if self.skips(byte) => at += 1,
                State::Field | State::Plain => {
                    let rest = &input[at..];
                    let stop = self.stop(rest);
                    self.push(&rest[..stop.unwrap_or(rest.len())]);
                    let Some(stop) = stop else {
                        self.state = State::Plain;
                        break;
                    };
                    at += stop + 1;
                    if self.dialect.escape == Some(rest[stop]) {
                        self.state = State::Escape;
                    } else if rest[stop] == b'\r' && !self.dialect.lone_cr {
                        self.state = State::Return;
                    } else if self.end_field(rest[stop]) {
                        return Ok((at, Fed::Record));
                    }
                }
                State::Return if byte == b'\n' => {
                    self.end_field(b'\n');
                    return Ok((at + 1, Fed::Record));
                }
                State::Return => {
                    self.push(b"\r");
                    self.state = State::Plain;
                }
                State::Escape | State::QuotedEscape => {
                    at += 1;
                    self.escaped(byte)?;
                }
                State::Quoted => {
                    let rest = &input[at..];
                    let quote = self.dialect.quote.unwrap_or(b'"');
                    let stop = match self.dialect.escape {
                        None => memchr::memchr(quote, rest),
                        Some(escape) => memchr::memchr2(quote, escape, rest),
                    };
                    self.push_quoted(&rest[..stop.unwrap_or(rest.len())])?;
                    let Some(stop) = stop else { break };
                    at += stop + 1;
                    self.state = if rest[stop] == quote { State::Quote } else { State::QuotedEscape };
                }
                State::Quote | State::Closed => {
                    at += 1;
                    if self.dialect.is_log && !self.ends(byte) {
                        // The quote or the bracket was a part of the text.
                        self.push(if self.state == State::Quote { b"\"" } else { b"]" });
                        self.state = if self.state == State::Quote { State::Quoted } else { State::Bracket };
                        at -= 1;
                    } else if self.state == State::Quote && self.dialect.quote == Some(byte) {
                        self.push_quoted(&[byte])?;
                        self.state = State::Quoted;
                    } else if self.ends(byte) {
                        if self.end_field(byte) {
                            return Ok((at, Fed::Record));
                        }
                    } else if self.skips(byte) {
                        self.state = State::Closed;
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

    fn begin(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
        self.field_len = 0;
        self.record_len = 0;
        self.is_quoted = false;
        self.breaks = false;
        self.broke = false;
        self.fields = 0;
        self.fault = None;
        self.gap = std::mem::take(&mut self.blank_before);
    }

    /// Whether `byte` ends a field.
    fn ends(&self, byte: u8) -> bool {
        self.dialect.delimiter == Some(byte) || matches!(byte, b'\n' | b'\r')
    }

    /// Whether `byte` is a space around a field that is none of it.
    fn skips(&self, byte: u8) -> bool {
        self.dialect.spaces != Spaces::Kept
            && matches!(byte, b' ' | b'\t')
            && self.dialect.delimiter != Some(byte)
    }

    /// Where in `rest` the plain part of a field ends.
    fn stop(&self, rest: &[u8]) -> Option<usize> {
        match (self.dialect.delimiter, self.dialect.escape) {
            (Some(delimiter), None) => memchr::memchr3(delimiter, b'\n', b'\r', rest),
            (None, None) => memchr::memchr2(b'\n', b'\r', rest),
            (delimiter, Some(escape)) => rest.iter().position(|byte| {
                delimiter == Some(*byte) || *byte == escape || matches!(byte, b'\n' | b'\r')
            }),
        }
    }

    /// The sign behind an escape. One that needs none keeps it: `\N` is a null, `C:\temp` a path.
    fn escaped(&mut self, byte: u8) -> Result<(), BadInput> {
        let Dialect { delimiter, quote, escape, .. } = self.dialect;
        let meant = [delimiter, quote, escape].contains(&Some(byte)) || matches!(byte, b'\n' | b'\r');
        let both = [escape.unwrap_or(b'\\'), byte];
        let part = if meant { &both[1..] } else { &both[..] };
        if self.state == State::QuotedEscape {
            self.state = State::Quoted;
            self.push_quoted(part)
        } else {
            self.state = State::Plain;
            self.push(part);
            Ok(())
        }
    }

    /// The input has ended: true when that completes a record.
    pub(crate) fn finish(&mut self) -> Result<bool, BadInput> {
        match self.state {
            State::Start | State::LineFeed => Ok(false),
            State::Bracket => {
                self.end_field(b'\n');
                Ok(true)
            }
            State::Quoted if self.dialect.is_log => {
                self.end_field(b'\n');
                Ok(true)
            }
            State::Quoted | State::QuotedEscape => Err(BadInput::new(
                Reason::UnbalancedQuote,
                format!("the quote that opens field {} is never closed", self.fields + 1),
            )),
            State::Escape => {
                self.push(&[self.dialect.escape.unwrap_or(b'\\')]);
                self.end_field(b'\n');
                Ok(true)
            }
            State::Field | State::Plain | State::Quote | State::Closed | State::Return => {
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
        self.broke |= self.breaks;
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
        if self.dialect.spaces == Spaces::Trimmed && !self.is_quoted && self.fault.is_none() {
            let start = self.ends.last().copied().unwrap_or_default();
            let kept = self.text[start..].trim_ascii_end().len();
            self.text.truncate(start + kept);
        }
        // One beyond the limit, so that the caller sees that there are too many.
        if self.ends.len() <= self.columns {
            self.ends.push(self.text.len());
            self.quoted.push(self.is_quoted);
        }
        self.is_quoted = false;
        self.field_len = 0;
        self.breaks = false;
        self.state = match stop {
            b'\n' => State::Start,
            b'\r' => State::LineFeed,
            _ => State::Field,
        };
        self.dialect.delimiter != Some(stop)
    }
}
