//! What is wrong with a text of values, and where.

use super::super::super::position::Place;
use super::super::super::reason::{BadInput, Reason, shown};
use super::super::RECORD_SEPARATOR;
use super::super::scan::{Fault, Stopped};
use super::{Next, Stage, Values};

impl Values {
    /// Gives a broken value of a sequence up.
    pub(super) fn broken(&mut self, stopped: Stopped) -> Next {
        self.start = self.position;
        let condemned = self.condemned(stopped);
        self.take(stopped.at);
        self.collect = None;
        self.stage = Stage::Broken;
        self.records += 1;
        Next::Broken(condemned.reason, condemned.message)
    }

    pub(super) fn skip_broken(&mut self) {
        let rest = &self.chunk[self.at..];
        let separator = memchr::memchr(RECORD_SEPARATOR, rest);
        self.take(separator.unwrap_or(rest.len()));
        if separator.is_some() {
            self.stage = Stage::Between;
        }
    }

    pub(super) fn lost(&self) -> BadInput {
        let token = &self.pointer.tokens[self.found];
        let (pointer, part) = (self.pointer.text(), self.found + 1);
        BadInput::new(
            Reason::PointerNotFound,
            format!("records = {pointer:?} leads nowhere: its part {part}, {}, is not there", shown(token)),
        )
    }

    pub(super) fn trailing(&self, first: u8) -> BadInput {
        let what = if first == b',' {
            "a comma follows a whole value, as in an array, but no bracket opened one"
        } else {
            "something that is no JSON follows a whole value"
        };
        let (byte, here) = (shown_byte(first), self.here());
        BadInput::at(Reason::JsonTrailing, self.place_of_next(), format!("{what}: {byte} {here}"))
    }

    pub(super) fn condemned(&self, Stopped { fault, at }: Stopped) -> BadInput {
        let mut position = self.position;
        position.pass(&self.chunk[self.at..self.at + at]);
        let here = format!("on line {}, at byte {}", position.line, position.byte);
        match fault {
            Fault::Syntax(what) => BadInput::at(
                Reason::JsonSyntax,
                self.place_of_next(),
                format!("not valid JSON: {what}, but {} stands {here}", shown_byte(self.chunk[self.at + at])),
            ),
            Fault::Trailing => self.trailing(self.chunk[self.at + at]),
            Fault::TooDeep => BadInput::at(
                Reason::JsonTooDeep,
                self.place_of_next(),
                format!("thousands of brackets are open at once, {here}"),
            ),
        }
    }

    /// Where the record stands that a fault is in or before.
    pub(super) fn place_of_next(&self) -> Place {
        Place::Record { record: self.records + 1, line: self.start.line, byte: self.start.byte }
    }

    pub(super) fn here(&self) -> String {
        format!("on line {}, at byte {}", self.position.line, self.position.byte)
    }
}

/// One byte for a message: what comes with it depends on how the text arrived.
fn shown_byte(byte: u8) -> String {
    if byte.is_ascii() { shown(&char::from(byte).to_string()) } else { format!("the byte 0x{byte:02x}") }
}
