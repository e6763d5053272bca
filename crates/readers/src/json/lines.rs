//! JSON Lines: one value on each line, blank lines skipped.

use std::ops::Range;

use super::super::input::Input;
use super::super::position::Position;
use super::super::reason::ReadError;
use super::RECORD_TEXT_BYTES;

/// Cuts the text into lines and holds one of them.
pub(crate) struct Lines {
    chunk: Vec<u8>,
    at: usize,
    /// Where the text at `at` stands.
    position: Position,
    /// The number of the line.
    number: u64,
    /// The line, when it did not lie in one chunk.
    joined: Vec<u8>,
    /// Where in the chunk the line is, when it does.
    place: Option<Range<usize>>,
    /// The line is longer than what is held of it.
    pub(crate) overflow: bool,
}

impl Lines {
    /// Goes on in `chunk` at `at`, which is the beginning of a line and stands at `position`.
    pub(crate) fn new(chunk: Vec<u8>, at: usize, position: Position) -> Self {
        Self { chunk, at, position, number: 0, joined: Vec::new(), place: None, overflow: false }
    }

    /// The line that [`Self::next`] went to, or its beginning when it is too long.
    pub(crate) fn line(&self) -> &[u8] {
        self.place.clone().map_or(&self.joined, |place| &self.chunk[place])
    }

    /// Its number, counted from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Goes to the next line that is not blank; false at the end.
    pub(crate) async fn next(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        loop {
            self.joined.clear();
            self.place = None;
            self.overflow = false;
            self.number = self.position.line;
            if !self.next_any(input).await? {
                return Ok(false);
            }
            if self.overflow || !self.line().trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    async fn next_any(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        loop {
            let rest = &self.chunk[self.at..];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                self.position.pass(&rest[..=end]);
                if self.joined.is_empty() {
                    self.place = Some(self.at..self.at + end);
                } else {
                    self.join(end);
                }
                self.at += end + 1;
                return Ok(true);
            }
            self.position.pass(rest);
            self.join(rest.len());
            self.at = 0;
            if !input.advance(&mut self.chunk).await? {
                return Ok(!self.joined.is_empty());
            }
        }
    }

    fn join(&mut self, bytes: usize) {
        let room = RECORD_TEXT_BYTES - self.joined.len();
        self.overflow |= bytes > room;
        self.joined.extend_from_slice(&self.chunk[self.at..self.at + bytes.min(room)]);
    }
}
