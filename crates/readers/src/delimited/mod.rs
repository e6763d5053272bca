//! Delimited text: rows of fields under names, checked, not yet typed.

mod checks;
pub(super) mod columns;
pub(super) mod dialect;
mod doubts;
mod fields;
mod lines;
pub(super) mod names;
pub(super) mod repair;
mod sheet;
mod spellings;
pub(super) mod split;
pub(super) mod typing;

use std::sync::Arc;

use domain::pipelines::{Delimited, Header, Preset};

use self::dialect::Dialect;
pub(super) use self::fields::{Fields, fields_of};
use self::lines::Lines;
use self::repair::Repairing;
use self::split::{Fed, Splitter};
use self::typing::Typing;
use super::input::Input;
use super::options::{Limits, Options};
use super::position::Place;
use super::preset;
use super::reason::{BadInput, ReadError, Reason, Reject, raw_text, shown};

/// The rows of a delimited text, one at a time.
pub(super) struct Table {
    splitter: Splitter,
    dialect: Dialect,
    said: Delimited,
    preset: Option<Preset>,
    typing: Typing,
    names: Vec<Arc<str>>,
    /// How many columns without a name stand behind the named ones: no row may have a value there.
    spare: usize,
    /// What the names add to the size of every record.
    names_bytes: usize,
    limits: Limits,
    lines: Lines,
    /// The beginning of the row, when it does not lie in one chunk.
    carried: Vec<u8>,
    /// Where in the chunk the row, or what is left of it, is.
    row_at: usize,
    /// The row's number, counted from 1 without the header.
    number: u64,
    /// The line that the row begins with.
    line: u64,
    /// The row that was read for its names or their number is a record, and the next one.
    pending: bool,
    /// The header row, to find it again.
    header: (Vec<u8>, Vec<usize>),
    /// How many times it came again.
    repeats: u64,
    /// How many line ends stand inside fields of a sheet, up to the row. No row begins behind them.
    inner_lines: u64,
    /// What a message says about where the text comes from, if it is one of several.
    member: String,
    /// There if rows that do not fit are repaired.
    repairing: Option<Repairing>,
}

impl Table {
    /// Goes to the table and reads its header. An empty text has no columns and no rows.
    pub(super) async fn open(
        input: &mut Input,
        dialect: Dialect,
        options: &Options,
    ) -> Result<Self, ReadError> {
        let (said, limits) = (options.table.clone(), options.limits.clone());
        let mut table = Self {
            splitter: Splitter::new(dialect, &limits),
            dialect,
            typing: Typing::of(&said),
            names: Vec::new(),
            spare: 0,
            names_bytes: 0,
            lines: Lines::new(input, said.comment.clone(), preset::fields_line(options, input.chunk())),
            preset: options.preset,
            said,
            limits,
            carried: Vec::new(),
            row_at: 0,
            number: 0,
            line: 1,
            pending: false,
            header: (Vec::new(), Vec::new()),
            repeats: 0,
            inner_lines: 0,
            member: String::new(),
            repairing: options.repair.map(|_| Repairing::default()),
        };
        table.lines.skip(dialect.skip_lines, input).await?;
        if table.advance(input).await? {
            table.take_names(input).await?;
        }
        Ok(table)
    }

    async fn take_names(&mut self, input: &mut Input) -> Result<(), ReadError> {
        let mut above = Vec::new();
        if let Some(Header::InRows(rows)) = self.said.header {
            for _ in 1..rows {
                let (text, ends) = self.splitter.record();
                above.push(fields_of(text, ends).map(<[u8]>::to_vec).collect::<Vec<_>>());
                if !self.advance(input).await? {
                    return Err(BadInput::new(
                        Reason::BadHeader,
                        format!("the pipeline says header = {rows}, but the text ends before"),
                    )
                    .into());
                }
            }
        }
        self.name_columns(&above)?;
        if self.repairing.is_some() {
            self.fit_names();
        }
        Ok(())
    }

    /// Takes the names from the present row, below the rows `above` that have parts of them.
    fn name_columns(&mut self, above: &[Vec<Vec<u8>>]) -> Result<(), BadInput> {
        let (text, ends) = self.splitter.record();
        if self.splitter.fault().is_some() {
            return Err(BadInput::new(Reason::BadHeader, "the header row is larger than a record can be"));
        }
        let joined;
        let mut fields: Vec<&[u8]> = fields_of(text, ends).collect();
        if !above.is_empty() {
            joined = names::joined(above, &fields);
            fields = joined.iter().map(Vec::as_slice).collect();
        }
        // The splitter keeps no more fields than this; the number tells how many there are.
        fields.resize(self.splitter.fields().max(fields.len()), b"");
        let expected = self.repairing.as_ref().map(|_| self.dialect.columns);
        let names = names::of_row(&fields, &self.said, self.preset, &self.limits, expected)?;
        self.names_bytes = names.names.iter().map(|name| name.len()).sum();
        self.spare = names.spare;
        self.pending = names.row_is_data;
        self.header = if names.row_is_data { given(&names.names) } else { (text.to_vec(), ends.to_vec()) };
        // A row of a sheet without a value is none.
        if names.names.len() + names.spare == 1 && !self.dialect.is_sheet {
            self.splitter.keep_blank_rows();
        }
        self.names = names.names;
        Ok(())
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    pub(super) fn typing(&self) -> &Typing {
        &self.typing
    }

    /// Has messages about rows say where the text comes from, such as ` (in "a.csv" of the zip archive)`.
    pub(super) fn come_from(&mut self, member: String) {
        self.member = member;
    }

    /// What a message says about where the text comes from; mostly nothing.
    pub(super) fn member(&self) -> &str {
        &self.member
    }

    /// Goes on with a text of the same table, which has the same names.
    pub(super) fn go_on(&mut self, next: Self) {
        let (number, repeats) = (self.number, self.repeats);
        *self = Self { number, repeats: repeats + next.repeats, ..next };
    }

    /// The number of the row that [`Self::next`] went to.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The line that the row begins with.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Where the row stands.
    pub(super) fn place(&self) -> Place {
        self.at(self.line)
    }

    /// The place of a row that begins with this line.
    pub(super) fn at(&self, line: u64) -> Place {
        if self.dialect.is_sheet { Place::Row(line) } else { Place::Line(line) }
    }

    /// How the text is written.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether blank lines stand before the row.
    pub(super) fn follows_gap(&self) -> bool {
        self.splitter.follows_gap()
    }

    /// How many times the header row came again, as it does where files were joined. No record is made of it.
    pub(super) fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Goes to the next row; false at the end of the text.
    pub(super) async fn next(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        let row = self.number + 1;
        loop {
            let found = match std::mem::take(&mut self.pending) {
                true => true,
                false => self.advance(input).await.map_err(|error| self.in_row(error))?,
            };
            if !found {
                return Ok(false);
            }
            if self.is_header() {
                self.repeats += 1;
                continue;
            }
            self.number = row;
            if self.repairing.is_some() {
                return Ok(true);
            }
            self.check_spare()?;
            if self.said.quote.is_none() && self.splitter.runs_over_lines() {
                let (text, ends) = self.splitter.record();
                if doubts::swallows_rows(text, ends, self.dialect, self.names.len()) {
                    let place = self.place();
                    return Err(BadInput::at(
                        Reason::SwallowedRows,
                        place,
                        format!(
                            "{place}: a quoted field runs over lines that have as many fields as the header, {}; if \
                             quotes are text, put quote = \"none\" into the pipelines file, or quote = \"\\\"\" if this \
                             is one field",
                            self.names.len()
                        ),
                    )
                    .into());
                }
            }
            return Ok(true);
        }
    }

    fn in_row(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Bad(BadInput { reason, place: None, message })
                if matches!(reason, Reason::UnbalancedQuote | Reason::TextAfterQuote) =>
            {
                let place = self.place();
                BadInput::at(reason, place, format!("{place}: {message}")).into()
            }
            other => other,
        }
    }

    fn is_header(&self) -> bool {
        let (text, ends) = self.splitter.record();
        text == self.header.0 && ends == self.header.1 && self.splitter.fault().is_none()
    }

    /// A column without a name is none, unless it has a value.
    fn check_spare(&self) -> Result<(), BadInput> {
        if self.spare == 0 {
            return Ok(());
        }
        let (text, ends) = self.splitter.record();
        let mut behind = fields_of(text, ends).skip(self.names.len()).take(self.spare);
        match behind.position(|field| !field.trim_ascii().is_empty()) {
            None => Ok(()),
            Some(at) => {
                let (place, column) = (self.place(), self.names.len() + at + 1);
                Err(BadInput::at(
                    Reason::EmptyHeader,
                    place,
                    format!(
                        "column {column} has no name, but {place} has a value there; unnamed = \"number\" in the \
                         pipelines file names it column_{column}"
                    ),
                ))
            }
        }
    }

    /// The fields of the row: as many as there are columns, of text, of a size that an item can have.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Reject> {
        let (text, ends) = self.splitter.record();
        if let Some(reason) = self.splitter.fault() {
            return Err(self.reject(reason, format!("the row is too large: {}", reason.sentence())));
        }
        self.check_width()?;
        // Number, text or nothing: no field takes more than its length and one byte.
        let size = self.size_bytes();
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
            return Err(self.reject(
                Reason::InvalidUtf8,
                format!(
                    "the field {} is not UTF-8; if the text has another encoding, put it into the pipelines file, \
                     such as encoding = \"windows-1252\"",
                    shown(name)
                ),
            ));
        };
        let has_signs = memchr::memchr3(0, b'"', b'\\', text.as_bytes()).is_some();
        if has_signs || self.dialect.quote == Some(b'\'') {
            self.check_signs(text, ends)?;
        }
        if self.dialect.is_sheet {
            self.check_errors(text, ends)?;
        }
        Ok(Fields::new(text, ends))
    }

    /// The row, refused.
    pub(super) fn reject(&self, reason: Reason, mut message: String) -> Reject {
        message.push_str(&self.member);
        let rest = self.lines.since(self.row_at);
        let mut raw = self.carried.clone();
        raw.extend_from_slice(&rest[..rest.len().min(self.limits.raw_bytes)]);
        Reject {
            reason,
            column: None,
            place: self.place(),
            message,
            raw: raw_text(&raw, self.limits.raw_bytes),
        }
    }

    /// What a record of the row takes in the table, names included and at the most.
    pub(super) fn size_bytes(&self) -> usize {
        let (text, ends) = self.splitter.record();
        // A missing field is null, which takes a byte too.
        self.names_bytes + text.len() + ends.len().max(self.names.len()) + self.mark_bytes()
    }

    async fn advance(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        if self.repairing.is_some() {
            return self.advance_repairing(input).await;
        }
        self.carried.clear();
        loop {
            if !self.splitter.is_inside() {
                let blank = self.splitter.blank(self.lines.rest());
                self.lines.take(blank);
                if self.lines.begin_row(input).await? {
                    continue;
                }
                self.row_at = self.lines.at();
                self.line = self.lines.line() - self.inner_lines;
            }
            let (used, fed) = self.splitter.feed(self.lines.rest())?;
            self.lines.take(used);
            if fed == Fed::Record {
                if self.dialect.is_sheet && self.splitter.runs_over_lines() {
                    self.inner_lines += self.lines_in_fields();
                }
                return Ok(true);
            }
            let rest = self.lines.since(self.row_at);
            let room = self.limits.raw_bytes.saturating_sub(self.carried.len());
            self.carried.extend_from_slice(&rest[..rest.len().min(room)]);
            self.row_at = 0;
            if !self.lines.more(input).await? {
                return Ok(self.splitter.finish()?);
            }
        }
    }
}

/// A header row of given names, as the splitter would hold it.
fn given(names: &[Arc<str>]) -> (Vec<u8>, Vec<usize>) {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    for name in names {
        text.extend_from_slice(name.as_bytes());
        ends.push(text.len());
    }
    (text, ends)
}
