//! JSON values one after the other: the way along the pointer in each, and the records at its end.
//!
//! A document is one such value. Others follow it where programs append to a file: Firehose and CloudWatch Logs without
//! anything between them, pretty-printers with line ends, and JSON text sequences (RFC 7464) with a separator, behind
//! which reading goes on when a value is broken.

mod faults;

use domain::text::count;

use super::super::input::Input;
use super::super::position::{Place, Position};
use super::super::reason::{BadInput, ReadError, Reason, shown};
use super::evidence::Evidence;
use super::lines::Lines;
use super::pointer::Pointer;
use super::scan::{Kind, Scanner, Step};
use super::{RECORD_SEPARATOR, RECORD_TEXT_BYTES, is_space};

/// A name longer than this is not compared with the pointer: it would be no name of an item anyway.
const NAME_TEXT_BYTES: usize = 128 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before a value or behind the last one.
    Between,
    /// On the way: in the container that the first `found` tokens lead to.
    Seek,
    /// In the array whose elements are the records.
    Records,
    /// In the value that is the only record.
    Single,
    /// Behind the records. What is left is checked all the same.
    Rest,
    /// In a broken value of a sequence, up to the next separator.
    Broken,
}

/// What [`Values::next`] went to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A record.
    Record,
    /// A broken value in a sequence whose other values can be read: why it is refused.
    Broken(Reason, String),
    /// The second value. It and the first stand on lines of their own: see [`Values::take_lines`].
    Lines,
    /// The end of the text.
    End,
}

/// What stands between two values.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    anything: bool,
    line_end: bool,
}

/// Cuts values into the texts of their records and holds one of them.
pub(crate) struct Values {
    scanner: Scanner,
    pointer: Pointer,
    stage: Stage,
    /// How many tokens of the pointer have been followed, which is the depth of what they lead to.
    found: usize,
    /// The root has begun.
    inside: bool,
    /// The name just read is the one the pointer wants.
    named: bool,
    /// The element that comes next, on the way through an array; none in an object.
    index: Option<u64>,
    /// Of the containers on the way, outermost first: which are arrays.
    arrays: Vec<bool>,
    /// How many containers on the way are still open.
    open: usize,
    chunk: Vec<u8>,
    at: usize,
    /// Where the text at `at` stands.
    position: Position,
    /// Where the record or broken value begins.
    start: Position,
    /// The text of the record or name last wanted.
    text: Vec<u8>,
    /// While text is wanted, how much of it at the most.
    collect: Option<usize>,
    /// The record is longer than what is held of it.
    pub(crate) overflow: bool,
    /// How many records and broken values there were.
    records: u64,
    /// How many values have begun.
    values: u64,
    gap: Gap,
    /// The value that has ended was a text, a number or a word.
    after_scalar: bool,
    /// The first value runs over lines.
    in_lines: bool,
    /// The second value, on a line of its own, makes it JSON Lines.
    may_be_lines: bool,
    /// A separator stands before each value.
    separated: bool,
    /// What the first value says about what the records are; none where the pipeline says it.
    evidence: Option<Evidence>,
}

impl Values {
    /// Goes through the text of `input` from its beginning. With `found_out`, nobody has said what the records are, and
    /// a text that can be read in two ways is refused.
    pub(crate) fn new(input: &mut Input, pointer: Pointer, found_out: bool, may_be_lines: bool) -> Self {
        Self {
            scanner: Scanner::default(),
            pointer,
            stage: Stage::Between,
            found: 0,
            inside: false,
            named: false,
            index: None,
            arrays: Vec::new(),
            open: 0,
            chunk: input.take_chunk(),
            at: 0,
            position: input.start(),
            start: input.start(),
            text: Vec::new(),
            collect: None,
            overflow: false,
            records: 0,
            values: 0,
            gap: Gap::default(),
            after_scalar: false,
            in_lines: false,
            may_be_lines,
            separated: false,
            evidence: found_out.then(Evidence::default),
        }
    }

    /// The text of the record that [`Self::next`] went to, or its beginning when it is too long.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where that record begins.
    pub(crate) fn place(&self) -> Place {
        Place::Record { record: self.records, line: self.start.line, byte: self.start.byte }
    }

    /// Whether there was more than one value so far.
    pub(crate) fn is_sequence(&self) -> bool {
        self.values > 1 || self.separated
    }

    /// Whether that record is a whole value that the pipeline points to with nothing.
    pub(crate) fn is_whole_value(&self) -> bool {
        self.found == 0 && self.stage == Stage::Between
    }

    /// The rest of the text, after [`Next::Lines`]. There are no more values then.
    pub(crate) fn take_lines(&mut self) -> Lines {
        Lines::new(std::mem::take(&mut self.chunk), self.at, self.position)
    }

    /// Goes to the next record.
    pub(crate) async fn next(&mut self, input: &mut Input) -> Result<Next, ReadError> {
        loop {
            if self.at == self.chunk.len() {
                self.at = 0;
                if !input.advance(&mut self.chunk).await? {
                    return Ok(self.finish()?);
                }
            }
            match self.stage {
                Stage::Between => {
                    if !self.skip_gap() && self.begin_value()? {
                        return Ok(Next::Lines);
                    }
                }
                Stage::Broken => self.skip_broken(),
                _ => match self.scanner.step(&self.chunk[self.at..]) {
                    Ok((taken, step)) => {
                        self.take(taken);
                        if self.follow(step)? {
                            self.records += 1;
                            return Ok(Next::Record);
                        }
                    }
                    Err(stopped) if self.separated => return Ok(self.broken(stopped)),
                    Err(stopped) => return Err(self.condemned(stopped).into()),
                },
            }
        }
    }

    /// Takes the next `bytes` bytes of the chunk, and keeps them where the caller needs them.
    fn take(&mut self, bytes: usize) {
        let taken = &self.chunk[self.at..self.at + bytes];
        if let Some(most) = self.collect {
            let kept = bytes.min(most - self.text.len());
            self.overflow |= kept < bytes;
            self.text.extend_from_slice(&taken[..kept]);
        }
        self.position.pass(taken);
        self.at += bytes;
    }

    /// Goes over what stands between values: false where nothing does.
    fn skip_gap(&mut self) -> bool {
        let rest = &self.chunk[self.at..];
        let end = rest.iter().position(|byte| !is_space(*byte) && *byte != RECORD_SEPARATOR);
        let gap = &rest[..end.unwrap_or(rest.len())];
        if gap.is_empty() {
            return false;
        }
        self.gap.anything = true;
        self.gap.line_end |= memchr::memchr2(b'\n', b'\r', gap).is_some();
        self.separated |= self.values == 0 && gap.contains(&RECORD_SEPARATOR);
        self.take(gap.len());
        true
    }

    /// A value begins, or what is none: true where it makes the text JSON Lines.
    fn begin_value(&mut self) -> Result<bool, BadInput> {
        let gap = std::mem::take(&mut self.gap);
        if self.values > 0 {
            if self.may_be_lines && self.values == 1 && gap.line_end && !self.in_lines {
                Evidence::allow_first(&self.text)?;
                return Ok(true);
            }
            let first = self.chunk[self.at];
            let begins =
                matches!(first, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I');
            if !begins || (self.after_scalar && !gap.anything) {
                return Err(self.trailing(first));
            }
            if let Some(evidence) = &self.evidence {
                evidence.allow_second()?;
            }
        }
        self.values += 1;
        self.start = self.position;
        self.scanner.restart();
        self.scanner.watch(0);
        self.stage = Stage::Seek;
        self.found = 0;
        self.inside = false;
        self.named = false;
        self.index = None;
        self.arrays.clear();
        self.open = 0;
        Ok(false)
    }

    /// Takes note of a step: true when it completes a record.
    fn follow(&mut self, step: Step) -> Result<bool, BadInput> {
        match (self.stage, step) {
            (_, Step::More)
            | (Stage::Single | Stage::Rest | Stage::Between | Stage::Broken, Step::Begin(_)) => {}
            (_, Step::NameBegin) => self.begin_text(NAME_TEXT_BYTES),
            (_, Step::NameEnd) => {
                self.collect = None;
                self.name()?;
            }
            (Stage::Seek, Step::Begin(kind)) => self.seek(kind)?,
            (Stage::Seek, Step::End) => {
                if self.scanner.depth() <= self.found {
                    return Err(self.lost());
                }
                if let Some(index) = &mut self.index {
                    *index += 1;
                }
            }
            (Stage::Records, Step::Begin(kind)) => {
                self.start = self.position;
                self.begin_text(RECORD_TEXT_BYTES);
                if let Some(evidence) = &mut self.evidence {
                    evidence.element(kind);
                }
            }
            (Stage::Records, Step::End) => {
                if self.scanner.depth() > self.found {
                    self.collect = None;
                    if let Some(evidence) = &self.evidence {
                        evidence.allow_element(&self.text)?;
                    }
                    return Ok(true);
                }
                self.leave();
            }
            (Stage::Single, Step::End) => {
                self.collect = None;
                self.leave();
                return Ok(true);
            }
            (Stage::Rest, Step::End) => {
                self.open = self.open.min(self.scanner.depth());
                self.end_value();
            }
            (Stage::Between | Stage::Broken, Step::End) => {}
        }
        Ok(false)
    }

    /// A name has been read, on the way or beside the records.
    fn name(&mut self) -> Result<(), BadInput> {
        let name = if self.overflow { None } else { serde_json::from_slice::<String>(&self.text).ok() };
        let is = |token: usize| name.is_some() && name.as_ref() == self.pointer.tokens.get(token);
        match self.stage {
            Stage::Seek => self.named = is(self.found),
            // A second one of a name that led here: which one has the records, nobody can say.
            Stage::Rest if self.open > 0 && self.scanner.depth() == self.open => {
                let token = self.open - 1;
                if !self.arrays[token] && is(token) {
                    let name = shown(&self.pointer.tokens[token]);
                    return Err(BadInput::new(
                        Reason::DuplicateKey,
                        format!("the name {name} on the way to the records occurs twice, {}", self.here()),
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A value begins on the way to the records.
    fn seek(&mut self, kind: Kind) -> Result<(), BadInput> {
        if self.inside {
            let wanted = match self.index {
                None => std::mem::take(&mut self.named),
                Some(index) => self.pointer.tokens[self.found] == index.to_string(),
            };
            if !wanted {
                return Ok(());
            }
            self.arrays.push(self.index.is_some());
            self.found += 1;
            self.open = self.found;
        }
        self.inside = true;
        self.after_scalar = kind == Kind::Scalar;
        let arrived = self.found == self.pointer.tokens.len();
        match kind {
            Kind::Array if arrived => {
                self.stage = Stage::Records;
                self.scanner.watch(self.found + 1);
            }
            Kind::Scalar if arrived && self.found > 0 => {
                return Err(BadInput::new(
                    Reason::PointerNotRecords,
                    format!(
                        "records = {:?} leads to a single value, not to an array or an object, {}",
                        self.pointer.text(),
                        self.here()
                    ),
                ));
            }
            Kind::Object | Kind::Scalar if arrived => {
                self.stage = Stage::Single;
                self.scanner.watch(self.found);
                self.start = self.position;
                self.begin_text(RECORD_TEXT_BYTES);
            }
            Kind::Scalar => return Err(self.lost()),
            Kind::Object | Kind::Array => {
                self.scanner.watch(self.found + 1);
                self.index = (kind == Kind::Array).then_some(0);
            }
        }
        Ok(())
    }

    /// The records of this value are behind.
    fn leave(&mut self) {
        self.stage = Stage::Rest;
        self.open = self.found.min(self.scanner.depth());
        self.scanner.watch(self.found);
        self.end_value();
    }

    fn end_value(&mut self) {
        if self.scanner.depth() == 0 {
            self.stage = Stage::Between;
            self.in_lines |= self.values == 1 && self.position.line > self.start.line;
        }
    }

    fn begin_text(&mut self, most: usize) {
        self.text.clear();
        self.overflow = false;
        self.collect = Some(most);
    }

    fn finish(&mut self) -> Result<Next, BadInput> {
        match self.stage {
            // An empty object holds no records; that is no mistake.
            Stage::Between | Stage::Broken => {
                if let Some(evidence) = self.evidence.take()
                    && self.values == 1
                    && self.found == 0
                {
                    evidence.allow_only(&self.text)?;
                }
                Ok(Next::End)
            }
            _ if self.scanner.finish() => {
                let complete = self.follow(Step::End)?;
                self.records += u64::from(complete);
                Ok(if complete { Next::Record } else { Next::End })
            }
            _ => Err(BadInput::new(
                Reason::JsonCutShort,
                format!(
                    "the JSON ends in the middle of what begins on line {}, after {}",
                    self.start.line,
                    count(self.records, "whole record")
                ),
            )),
        }
    }
}
