//! A table whose rows are repaired: it is read line by line, so that no quote can swallow the rows behind it.

use domain::manifest::REPAIRED;
use domain::record::Value;
use domain::text::count;

use super::super::super::input::Input;
use super::super::super::reason::{ReadError, Reason, raw_text};
use super::super::Table;
use super::super::fields::fields_of;
use super::super::lines::Line;
use super::super::split::{Splitter, Whole};
use super::state::Repairing;
use super::{Repair, decoded, fields_by_quotes, is_doubtful, other_reading, other_signs};

/// How much text may be looked at behind rows with an open quote, beyond four times what was read. After that, a quote that
/// is not closed on its line is text: an object of nothing but open quotes must not be read over and over.
const LOOKED_AHEAD_BYTES: u64 = 4 << 20;

/// What a mark takes besides the row's text and the fields left over: names, codes, the line.
const MARK_BYTES: usize = 200;

impl Table {
    /// What was done to the present row; nothing if it fits its table.
    pub(in super::super::super) fn repairs(&self) -> &[Repair] {
        self.repairing.as_ref().map_or(&[], |repairing| &repairing.repairs)
    }

    /// What was done to the header, in words.
    pub(in super::super::super) fn header_repair(&self) -> Option<&str> {
        self.repairing.as_ref()?.header.as_deref()
    }

    /// What the mark of the present row takes in the table, at the most.
    pub(in super::super) fn mark_bytes(&self) -> usize {
        match &self.repairing {
            Some(repairing) if !repairing.repairs.is_empty() => MARK_BYTES + repairing.raw.len(),
            _ => 0,
        }
    }

    /// What a repaired record says about itself: what was done, the line, the row as it stood there, and the fields that no
    /// column has.
    pub(in super::super::super) fn mark(&self, wrong_type: bool) -> Option<(&'static str, Value)> {
        let repairing = self.repairing.as_ref()?;
        let repairs = repairing.repairs.iter().copied().chain(wrong_type.then_some(Repair::WrongType));
        let codes: Vec<Value> = repairs.map(|repair| Value::Text(repair.code().to_owned())).collect();
        if codes.is_empty() {
            return None;
        }
        let mut mark = vec![
            ("repaired".to_owned(), Value::List(codes)),
            ("line".to_owned(), Value::Number(self.line.to_string())),
            ("raw".to_owned(), Value::Text(repairing.raw.clone())),
        ];
        if repairing.repairs.contains(&Repair::ExtraFields) {
            let extra =
                self.extra_fields().map(|field| Value::Text(String::from_utf8_lossy(field).into_owned()));
            mark.push(("extra".to_owned(), Value::List(extra.collect())));
        }
        Some((REPAIRED, Value::Map(mark)))
    }

    fn extra_fields(&self) -> impl Iterator<Item = &[u8]> {
        let (text, ends) = self.splitter.record();
        fields_of(text, ends).skip(self.names.len())
    }

    /// Goes to the next row, as [`Table::advance`] does, and repairs it if it does not fit.
    pub(in super::super) async fn advance_repairing(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        self.carried.clear();
        loop {
            let blank = self.splitter.blank(self.lines.rest());
            self.lines.take(blank);
            if self.lines.begin_row(input).await? {
                continue;
            }
            if !self.lines.rest().is_empty() {
                break;
            }
            if !self.lines.more(input).await? {
                return Ok(false);
            }
        }
        self.line = self.lines.line();
        self.splitter.begin_line();
        let line = self.line_at(0, input).await?;
        let mut repairing = self.repairing.take().unwrap_or_default();
        repairing.repairs.clear();
        repairing.raw.clear();
        let read = self.read_row(line, &mut repairing, input).await;
        self.repairing = Some(repairing);
        let line = read?;
        self.row_at = self.lines.at();
        if line.is_cut {
            let beginning = &self.lines.rest()[..line.end.min(self.limits.raw_bytes)];
            self.carried.extend_from_slice(beginning);
            self.lines.skip(1, input).await?;
            self.row_at = self.lines.at();
        } else {
            self.lines.take(line.next);
        }
        if let Some(repairing) = &mut self.repairing {
            repairing.read += line.next as u64;
            if !repairing.repairs.is_empty() {
                repairing.raw = raw_text(self.lines.since(self.row_at), self.limits.raw_bytes);
            }
        }
        Ok(true)
    }

    async fn line_at(&mut self, from: usize, input: &mut Input) -> Result<Line, ReadError> {
        // No row that is longer can be a record.
        self.lines.hold_line(from, self.limits.item_bytes * 2, self.dialect.lone_cr, input).await
    }

    /// Reads the row that begins with `first` into the splitter, and says where it ends.
    async fn read_row(
        &mut self,
        first: Line,
        repairing: &mut Repairing,
        input: &mut Input,
    ) -> Result<Line, ReadError> {
        if first.is_cut {
            self.splitter.put(Vec::new());
            self.splitter.refuse(Reason::ItemTooLarge);
            return Ok(first);
        }
        let columns = repairing.columns;
        let whole = self.splitter.whole(&self.lines.rest()[..first.end]);
        if whole == Whole::Open
            && let Some(last) = self.closing_line(first, repairing, input).await?
        {
            self.note_width(repairing);
            return Ok(last);
        }
        let line = &self.lines.rest()[..first.end];
        let fits = whole == Whole::Record && (columns == 0 || self.has_columns(columns));
        if fits {
            self.note_signs(repairing, line.len());
        } else if columns > 0
            && let Some((found, repair)) = other_reading(
                line,
                self.dialect,
                columns,
                whole != Whole::Record || self.is_doubtful(),
                &self.limits,
            )
        {
            self.splitter.take_over(found);
            repairing.repairs.push(repair);
        } else if whole != Whole::Record {
            let fields = fields_by_quotes(line, self.dialect, columns);
            match fields {
                Some(fields) => self.splitter.put(fields),
                None => {
                    let dialect = super::Dialect { quote: None, ..self.dialect };
                    let mut plain = Splitter::new(dialect, &self.limits);
                    plain.begin_line();
                    plain.whole(line);
                    self.splitter.take_over(plain);
                }
            }
            repairing.repairs.push(Repair::StrayQuote);
        }
        self.note_width(repairing);
        Ok(first)
    }

    /// The line that a quote left open on line `first` is closed on, if the lines up to it are one row: nothing if a line
    /// between them is a row itself, or the whole has too many fields.
    async fn closing_line(
        &mut self,
        first: Line,
        repairing: &mut Repairing,
        input: &mut Input,
    ) -> Result<Option<Line>, ReadError> {
        let columns = repairing.columns;
        let mut last = first;
        loop {
            let is_spent = repairing.looked_ahead > LOOKED_AHEAD_BYTES + 4 * repairing.read;
            let has_too_many = columns > 0 && self.splitter.fields() >= columns;
            if is_spent || has_too_many || last.next > self.limits.item_bytes {
                return Ok(None);
            }
            let next = self.line_at(last.next, input).await?;
            let rest = self.lines.rest();
            if next.is_cut || last.next >= rest.len() || self.is_row(&rest[last.next..next.end], columns) {
                return Ok(None);
            }
            repairing.looked_ahead += (next.next - last.next) as u64;
            match self.splitter.whole(&rest[last.end..next.end]) {
                Whole::Broken => return Ok(None),
                Whole::Open => last = next,
                Whole::Record => {
                    let fits = columns == 0 || self.splitter.fields() <= columns;
                    return Ok(fits.then_some(next));
                }
            }
        }
    }

    /// Whether a line is a row by itself, and no part of a text.
    fn is_row(&self, line: &[u8], columns: usize) -> bool {
        let Some(delimiter) = self.dialect.delimiter else { return false };
        let spaced = delimiter != b'\t'
            && memchr::memchr_iter(delimiter, line).all(|at| line.get(at + 1) == Some(&b' '));
        if columns < 2 || (columns == 2 && spaced) {
            return false;
        }
        let mut splitter = Splitter::new(self.dialect, &self.limits);
        splitter.begin_line();
        if splitter.whole(line) != Whole::Record || splitter.fields() != columns {
            return false;
        }
        let (text, ends) = splitter.record();
        let quoted = splitter.quoted().iter();
        let quote = self.dialect.quote.unwrap_or(b'"');
        fields_of(text, ends)
            .zip(quoted)
            .all(|(field, quoted)| *quoted || memchr::memchr(quote, field).is_none())
    }

    fn has_columns(&self, columns: usize) -> bool {
        let fields = self.splitter.fields();
        fields == columns || (fields > columns && fields <= self.names.len() + self.spare)
    }

    /// A row with as many fields as its table may still have other quotes, or quotes that leave in doubt what it is.
    fn note_signs(&mut self, repairing: &mut Repairing, line_len: usize) {
        if repairing.columns == 0 {
            return;
        }
        let line = &self.lines.rest()[..line_len];
        if let Some((found, repair)) = other_signs(line, &self.splitter, self.dialect, &self.limits) {
            self.splitter.take_over(found);
            repairing.repairs.push(repair);
        } else if self.is_doubtful() {
            repairing.repairs.push(Repair::StrayQuote);
        }
    }

    fn is_doubtful(&self) -> bool {
        let (text, ends) = self.splitter.record();
        is_doubtful(text, ends, self.splitter.quoted(), self.dialect)
    }

    /// Notes fields that are missing or left over, and text that is no UTF-8.
    fn note_width(&mut self, repairing: &mut Repairing) {
        let (text, ends) = self.splitter.record();
        if std::str::from_utf8(text).is_err()
            || (!text.is_ascii() && fields_of(text, ends).any(|field| std::str::from_utf8(field).is_err()))
        {
            let fields = decoded(text, ends, self.splitter.quoted());
            let all = self.splitter.fields() == fields.len();
            if all && self.splitter.fault().is_none() {
                self.splitter.put(fields);
                repairing.repairs.push(Repair::NotUtf8);
            }
        }
        let (fields, columns) = (self.splitter.fields(), repairing.columns);
        if columns == 0 || self.has_columns(columns) {
            return;
        }
        if fields < columns {
            repairing.repairs.push(Repair::ShortRow);
        } else {
            repairing.repairs.push(Repair::ExtraFields);
        }
    }

    /// Makes the names fit the rows: names for columns that the header has none for, and none for those it has too many.
    pub(in super::super) fn fit_names(&mut self) {
        let rows = self.dialect.columns;
        let Some(mut repairing) = self.repairing.take() else { return };
        let named = self.names.len();
        if rows > named + self.spare {
            for column in named + 1..=rows {
                self.names.push(super::super::names::unnamed(&self.names, column));
            }
            self.spare = 0;
            repairing.header = Some(format!(
                "the header has {}, but nearly all rows have {rows}: the others are numbered",
                count(named, "name")
            ));
        } else if rows > 0 && rows < named {
            repairing.header = Some(format!(
                "the header has {}, but nearly all rows have {rows} fields",
                count(named, "name")
            ));
        }
        repairing.columns = if rows > 0 { rows } else { self.names.len() };
        self.names_bytes = self.names.iter().map(|name| name.len()).sum();
        self.repairing = Some(repairing);
    }
}
