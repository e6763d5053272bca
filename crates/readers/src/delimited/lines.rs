//! A place in a text that arrives in chunks, and what a line may begin with that is none of its row.

use super::super::input::Input;
use super::super::position::{Place, Position};
use super::super::preset::FIELDS;
use super::super::reason::{BadInput, ReadError, Reason};

/// A byte order mark. Files that were joined have one before the first row of each.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// A line that is held as a whole: where its text ends and where the next one begins, counted from the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) end: usize,
    pub(super) next: usize,
    /// It is longer than was to be held, and only its beginning is.
    pub(super) is_cut: bool,
}

/// The text from a place on.
pub(super) struct Lines {
    chunk: Vec<u8>,
    at: usize,
    /// Where the chunk's byte `passed` stands, which is at or before the place.
    position: Position,
    passed: usize,
    ended: bool,
    comment: Option<String>,
    /// The comment that names the columns, if one does: where it comes again it must be the same.
    fields: Option<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(input: &mut Input, comment: Option<String>, fields: Option<Vec<u8>>) -> Self {
        let position = input.start();
        Self { chunk: input.take_chunk(), at: 0, position, passed: 0, ended: false, comment, fields }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The line that the place is in.
    pub(super) fn line(&mut self) -> u64 {
        self.position.pass(&self.chunk[self.passed..self.at]);
        self.passed = self.at;
        self.position.line
    }

    /// What is held of the text from the place on.
    pub(super) fn rest(&self) -> &[u8] {
        &self.chunk[self.at..]
    }

    /// What is held between `from` and the place.
    pub(super) fn since(&self, from: usize) -> &[u8] {
        &self.chunk[from.min(self.at)..self.at]
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Brings the next chunk, once everything held has been taken; false at the end.
    pub(super) async fn more(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        self.position.pass(&self.chunk[self.passed..]);
        self.passed = 0;
        self.at = 0;
        let more = input.advance(&mut self.chunk).await?;
        if !more {
            self.chunk.clear();
            self.ended = true;
        }
        Ok(more)
    }

    /// Brings more until `bytes` are held, or all there is.
    async fn hold(&mut self, bytes: usize, input: &mut Input) -> Result<(), ReadError> {
        while self.chunk.len() - self.at < bytes && !self.ended {
            self.line();
            self.passed = 0;
            let mut held = self.chunk.split_off(self.at);
            self.at = 0;
            if input.advance(&mut self.chunk).await? {
                held.append(&mut self.chunk);
            } else {
                self.ended = true;
            }
            self.chunk = held;
        }
        Ok(())
    }

    /// Brings more until the line is held that begins `from` bytes behind the place, but no more than `most` bytes in all.
    /// At the end of the text the line is empty.
    pub(super) async fn hold_line(
        &mut self,
        from: usize,
        most: usize,
        lone_cr: bool,
        input: &mut Input,
    ) -> Result<Line, ReadError> {
        let mut seen = from;
        loop {
            let rest = self.rest();
            let end = memchr::memchr2(b'\n', b'\r', &rest[seen.min(rest.len())..]).map(|end| seen + end);
            match end {
                Some(end) if rest[end] == b'\n' => return Ok(Line { end, next: end + 1, is_cut: false }),
                Some(end) if end + 1 < rest.len() || self.ended => {
                    if rest.get(end + 1) == Some(&b'\n') {
                        return Ok(Line { end, next: end + 2, is_cut: false });
                    }
                    if lone_cr {
                        return Ok(Line { end, next: end + 1, is_cut: false });
                    }
                    seen = end + 1;
                    continue;
                }
                Some(end) => seen = end,
                None => seen = rest.len(),
            }
            let held = rest.len();
            if self.ended {
                return Ok(Line { end: held, next: held, is_cut: false });
            }
            if held > most {
                return Ok(Line { end: held, next: held, is_cut: true });
            }
            self.hold(held + 1, input).await?;
        }
    }

    /// Whether the text goes on with `sign`.
    async fn goes_on_with(&mut self, sign: &[u8], input: &mut Input) -> Result<bool, ReadError> {
        if self.rest().first() != sign.first() {
            return Ok(false);
        }
        self.hold(sign.len(), input).await?;
        Ok(self.rest().starts_with(sign))
    }

    /// Before a row: takes a mark or a comment that stands here. True if it took something, and the row may begin with
    /// line ends.
    pub(super) async fn begin_row(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        if self.goes_on_with(MARK, input).await? {
            self.at += MARK.len();
            return Ok(true);
        }
        let Some(comment) = self.comment.take() else { return Ok(false) };
        let is_comment = self.goes_on_with(comment.as_bytes(), input).await;
        self.comment = Some(comment);
        if is_comment? {
            self.same_fields(input).await?;
            self.skip(1, input).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Refuses a comment that names other columns than the first one did: the rows behind it are another table's.
    async fn same_fields(&mut self, input: &mut Input) -> Result<(), ReadError> {
        let Some(fields) = self.fields.take() else { return Ok(()) };
        let names = self.goes_on_with(FIELDS.as_bytes(), input).await?;
        let same = self.goes_on_with(&fields, input).await?;
        self.hold(fields.len() + 1, input).await?;
        let ended = matches!(self.rest().get(fields.len()), None | Some(b'\n' | b'\r'));
        self.fields = Some(fields);
        if names && !(same && ended) {
            let line = self.line();
            return Err(BadInput::at(
                Reason::TwoTables,
                Place::Line(line),
                format!("line {line} names other fields than the first line that begins with \"{FIELDS}\""),
            )
            .into());
        }
        Ok(())
    }

    /// Skips lines, which end in LF, CR LF or CR.
    pub(super) async fn skip(&mut self, lines: u32, input: &mut Input) -> Result<(), ReadError> {
        for _ in 0..lines {
            loop {
                let end = memchr::memchr2(b'\n', b'\r', self.rest());
                if let Some(end) = end {
                    self.at += end;
                    self.hold(2, input).await?;
                    self.at += if self.rest().starts_with(b"\r\n") { 2 } else { 1 };
                    break;
                }
                if !self.more(input).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
