//! One JSON document: the way along the pointer, and the records at its end.

use super::super::input::Input;
use super::super::reason::{BadInput, ReadError, Reason, shown};
use super::RECORD_TEXT_BYTES;
use super::pointer::Pointer;
use super::scan::{Fault, Kind, Scanner, Step};

/// A name longer than this is not compared with the pointer: it would be no name of an item anyway.
const NAME_TEXT_BYTES: usize = 128 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the way: in the container that the first `found` tokens lead to.
    Seek,
    /// In the array whose elements are the records.
    Records,
    /// In the value that is the only record.
    Single,
    /// Behind the records. What is left is checked all the same.
    Rest,
}

/// Cuts a document into the texts of its records and holds one of them.
pub(crate) struct Document {
    scanner: Scanner,
    pointer: Pointer,
    place: Place,
    /// How many tokens of the pointer have been followed, which is the depth of what they lead to.
    found: usize,
    /// The root has begun.
    inside: bool,
    /// The name just read is the one the pointer wants.
    named: bool,
    /// The element that comes next, on the way through an array; none in an object.
    index: Option<u64>,
    /// The container the records were found in is still open.
    beside: bool,
    chunk: Vec<u8>,
    at: usize,
    /// The text of the record or name last wanted.
    text: Vec<u8>,
    /// While text is wanted, how much of it at the most.
    collect: Option<usize>,
    /// The record is longer than what is held of it.
    pub(crate) overflow: bool,
    before_chunk: u64,
    records: u64,
}

impl Document {
    pub(crate) fn new(input: &mut Input, pointer: Pointer) -> Self {
        Self {
            scanner: Scanner::default(),
            pointer,
            place: Place::Seek,
            found: 0,
            inside: false,
            named: false,
            index: None,
            beside: true,
            chunk: input.take_chunk(),
            at: 0,
            text: Vec::new(),
            collect: None,
            overflow: false,
            before_chunk: 0,
            records: 0,
        }
    }

    /// The text of the record that [`Self::next`] went to, or its beginning when it is too long.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Goes to the next record; false at the end of the document.
    pub(crate) async fn next(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        loop {
            if self.at == self.chunk.len() {
                self.before_chunk += self.chunk.len() as u64;
                self.at = 0;
                if !input.advance(&mut self.chunk).await? {
                    return Ok(self.finish()?);
                }
            }
            let rest = &self.chunk[self.at..];
            let (taken, step) = self.scanner.step(rest).map_err(|fault| self.condemned(fault))?;
            if let Some(most) = self.collect {
                let kept = taken.min(most - self.text.len());
                self.overflow |= kept < taken;
                self.text.extend_from_slice(&rest[..kept]);
            }
            self.at += taken;
            if self.follow(step)? {
                self.records += 1;
                return Ok(true);
            }
        }
    }

    /// Takes note of a step: true when it completes a record.
    fn follow(&mut self, step: Step) -> Result<bool, BadInput> {
        match (self.place, step) {
            (_, Step::More) => {}
            (_, Step::NameBegin) => self.begin_text(NAME_TEXT_BYTES),
            (_, Step::NameEnd) => {
                self.collect = None;
                self.name()?;
            }
            (Place::Seek, Step::Begin(kind)) => self.seek(kind)?,
            (Place::Seek, Step::End) => {
                if self.scanner.depth() <= self.found {
                    return Err(self.lost());
                }
                if let Some(index) = &mut self.index {
                    *index += 1;
                }
            }
            (Place::Records, Step::Begin(_)) => self.begin_text(RECORD_TEXT_BYTES),
            (Place::Records, Step::End) => {
                if self.scanner.depth() > self.found {
                    self.collect = None;
                    return Ok(true);
                }
                self.leave();
            }
            (Place::Single, Step::End) => {
                self.collect = None;
                self.leave();
                return Ok(true);
            }
            (Place::Rest, Step::End) => self.beside &= self.scanner.depth() >= self.found,
            (Place::Single | Place::Rest, Step::Begin(_)) => {}
        }
        Ok(false)
    }

    /// A name has been read, on the way or beside the records.
    fn name(&mut self) -> Result<(), BadInput> {
        let name = if self.overflow { None } else { serde_json::from_slice::<String>(&self.text).ok() };
        let is = |token: usize| name.is_some() && name.as_ref() == self.pointer.tokens.get(token);
        match self.place {
            Place::Seek => self.named = is(self.found),
            // A second one of the name that led here: which one has the records, nobody can say.
            Place::Rest
                if self.beside
                    && self.index.is_none()
                    && self.scanner.depth() == self.found
                    && self.found > 0
                    && is(self.found - 1) =>
            {
                let name = shown(&self.pointer.tokens[self.found - 1]);
                return Err(BadInput::new(
                    Reason::DuplicateKey,
                    format!("the name {name} on the way to the records occurs twice"),
                ));
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
            self.found += 1;
        }
        self.inside = true;
        let arrived = self.found == self.pointer.tokens.len();
        match kind {
            Kind::Array if arrived => {
                self.place = Place::Records;
                self.scanner.watch(self.found + 1);
            }
            Kind::Scalar if arrived && self.found > 0 => {
                return Err(BadInput::new(
                    Reason::PointerNotRecords,
                    "the JSON pointer leads to a single value, not to an array or an object",
                ));
            }
            Kind::Object | Kind::Scalar if arrived => {
                self.place = Place::Single;
                self.scanner.watch(self.found);
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

    fn leave(&mut self) {
        self.place = Place::Rest;
        self.scanner.watch(self.found);
    }

    fn begin_text(&mut self, most: usize) {
        self.text.clear();
        self.overflow = false;
        self.collect = Some(most);
    }

    fn finish(&mut self) -> Result<bool, BadInput> {
        if self.scanner.finish() {
            return self.follow(Step::End);
        }
        // An empty object holds no records; that is no mistake.
        if self.scanner.is_done() || self.scanner.is_fresh() {
            return Ok(false);
        }
        Err(BadInput::new(
            Reason::JsonCutShort,
            format!("the JSON ends in the middle, after {} whole records", self.records),
        ))
    }

    fn lost(&self) -> BadInput {
        let token = &self.pointer.tokens[self.found];
        BadInput::new(
            Reason::PointerNotFound,
            format!("{} is not there, part {} of the JSON pointer", shown(token), self.found + 1),
        )
    }

    fn condemned(&self, fault: Fault) -> BadInput {
        // The scanner consumed nothing of this step; where in it the fault is does not matter to a person.
        let (record, near) = (self.records + 1, self.before_chunk + self.at as u64);
        match fault {
            Fault::Syntax(what) => BadInput::in_row(
                Reason::JsonSyntax,
                record,
                format!("not valid JSON: {what}, in or before record {record}, after byte {near}"),
            ),
            Fault::Trailing => BadInput::new(
                Reason::JsonTrailing,
                "something follows the end of the JSON document; if each line is a record, declare it JSON Lines",
            ),
            Fault::TooDeep => {
                BadInput::in_row(Reason::JsonTooDeep, record, "thousands of brackets are open at once")
            }
        }
    }
}
