//! What type a column has: declared, or settled by all of its values.

mod candidate;
mod totals;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::drift::{Kind, Kinds, Observed, ObservedColumn};
use domain::record::number::NumberError;
use domain::reject_counts::RejectCounts;

use self::candidate::Candidate;
use self::totals::Totals;
pub(in super::super) use self::totals::rejected as rejected_total;
use self::values::fits;
pub use self::values::write_units;
pub(in super::super) use self::values::{Refused, declared_types, unknown_column, value};
use super::super::options::Options;
use super::super::reason::{BadInput, Reason, Reject, shown};
use super::super::schema::{Column, ColumnType, Total};
use super::Table;
use super::fields::Fields;
use super::names::row_shown;
use super::spellings::Found as Spelled;

/// The most different combinations of columns with numbers out of range in one row. With more, the object is refused: each
/// combination is kept until its columns have settled.
const COMBINATIONS: usize = 256;

/// The number of rows with numbers out of range whose reasons are kept.
const KEPT: usize = 16;

/// Rows that are bad if one of certain columns turns out to be a column of numbers.
#[derive(Default)]
struct Doubtful {
    rows: u64,
    item_bytes: u64,
    write_units: u64,
    first: Vec<(u64, Vec<Reject>)>,
}

/// What the doubtful rows have come to.
#[derive(Default)]
pub(in super::super) struct Settled {
    pub(in super::super) columns: Vec<Column>,
    /// The rows that are totals of others.
    pub(in super::super) totals: Vec<Total>,
    pub(in super::super) rejected: u64,
    pub(in super::super) rejects: RejectCounts,
    pub(in super::super) first: Vec<(u64, Reject)>,
    pub(in super::super) item_bytes: u64,
    pub(in super::super) write_units: u64,
}

/// Watches the rows of a table go by and settles what type each column has.
pub(in super::super) struct Settling {
    candidates: Vec<Candidate>,
    doubtful: BTreeMap<Vec<usize>, Doubtful>,
    /// The columns of the present row with a number out of range.
    beyond: Vec<usize>,
    /// The first row as it may stand in a message, in case it is no record but a row of units or the real header.
    first: Option<String>,
    /// How often blank lines stood between rows, and before which row the first time, if that may have names.
    gaps: u64,
    gap_at: u64,
    totals: Totals,
}

impl Settling {
    /// The types of `options.columns` are declared; a name there that is no column's is an error that lists the columns.
    pub(in super::super) fn new(names: &[Arc<str>], options: &Options) -> Result<Self, BadInput> {
        let known = options.known.as_ref().map(|known| known.text_columns(names.iter().map(|name| &**name)));
        let known = known.unwrap_or_default();
        let declared = declared_types(names, options)?.into_iter();
        let given = declared
            .zip(names)
            .map(|(declared, name)| declared.or_else(|| known.contains(&**name).then_some(ColumnType::Text)));
        let candidates = given.map(|given| Candidate::new(given, names.len())).collect();
        Ok(Self {
            candidates,
            doubtful: BTreeMap::new(),
            beyond: Vec::new(),
            first: None,
            gaps: 0,
            gap_at: 0,
            totals: Totals::new(names.len()),
        })
    }

    /// Takes note of the present row of `table`, unless a declared column refuses it.
    pub(in super::super) fn observe(
        &mut self,
        table: &Table,
        fields: &Fields<'_>,
    ) -> Result<Result<(), Reject>, BadInput> {
        let typing = table.typing();
        // All declared columns first: a row that is refused must not move the others.
        for (column, candidate) in self.candidates.iter().enumerate() {
            if let Some(declared) = candidate.declared
                && let Some(field) = fields.get(column)
                && let Err(refused) = fits(field, declared, typing)
            {
                return Ok(Err(refused.of(table, column, field)));
            }
        }
        // Nor must one that was repaired: where a field is missing, others stand in the wrong column.
        if !table.repairs().is_empty() {
            return Ok(Ok(()));
        }
        if let Some(reject) = self.totals.observe(table, fields, &self.candidates)? {
            return Ok(Err(reject));
        }
        let row = table.number();
        if table.follows_gap() && row > 1 {
            self.after_gap(table, fields)?;
        }
        self.beyond.clear();
        for (column, candidate) in self.candidates.iter_mut().enumerate() {
            if candidate.declared.is_some()
                || !(candidate.number || candidate.boolean || candidate.others_are_numbers)
            {
                continue;
            }
            let Some(field) = fields.get(column).filter(|field| !field.is_empty()) else { continue };
            if typing.is_null(field) {
                continue;
            }
            if candidate.note(field, table.is_text(column), row, typing) {
                self.beyond.push(column);
            }
        }
        if row == 1 {
            let shown: Vec<&str> =
                (0..self.candidates.len()).map(|column| fields.get(column).unwrap_or_default()).collect();
            self.first = Some(row_shown(&shown));
        }
        if !self.beyond.is_empty() {
            self.doubt(table, fields)?;
        }
        Ok(Ok(()))
    }

    fn doubt(&mut self, table: &Table, fields: &Fields<'_>) -> Result<(), BadInput> {
        let rejects = || {
            self.beyond
                .iter()
                .filter_map(|column| {
                    let field = fields.get(*column).unwrap_or_default();
                    table
                        .typing()
                        .check_plain(field)
                        .err()
                        .map(|error| Refused::Beyond(error).of(table, *column, field))
                })
                .collect::<Vec<_>>()
        };
        if !self.doubtful.contains_key(&self.beyond) && self.doubtful.len() == COMBINATIONS {
            // Combinations of columns that have become text since are no longer in doubt.
            let candidates = &self.candidates;
            self.doubtful.retain(|columns, _| columns.iter().any(|column| candidates[*column].number));
            if self.doubtful.len() == COMBINATIONS {
                let first = rejects().swap_remove(0);
                return Err(BadInput::at(first.reason, first.place, first.message));
            }
        }
        let kept = self.doubtful.values().map(|doubtful| doubtful.first.len()).sum::<usize>() < KEPT * 4;
        let particulars = kept.then(|| (table.number(), rejects()));
        let doubtful = self.doubtful.entry(self.beyond.clone()).or_default();
        doubtful.rows += 1;
        doubtful.item_bytes += table.size_bytes() as u64;
        doubtful.write_units += write_units(table.size_bytes());
        if doubtful.first.len() < KEPT {
            doubtful.first.extend(particulars);
        }
        Ok(())
    }

    /// A row behind blank lines must fit the columns so far: otherwise another table begins there.
    fn after_gap(&mut self, table: &Table, fields: &Fields<'_>) -> Result<(), BadInput> {
        self.gaps += 1;
        let line = table.line();
        if self.gaps == 1 && is_like_names((0..self.candidates.len()).filter_map(|column| fields.get(column)))
        {
            self.gap_at = line;
        }
        let typing = table.typing();
        let misfit = self.candidates.iter().enumerate().find(|(column, candidate)| {
            let field = fields.get(*column).unwrap_or_default();
            candidate.declared.is_none()
                && candidate.number
                && candidate.in_range
                && !field.is_empty()
                && !typing.is_null(field)
                && !typing.is_usual_null(field)
                && typing.check_plain(field) == Err(NumberError::NotDecimal)
        });
        match misfit {
            Some((column, _)) if self.candidates.len() > 1 => Err(BadInput::at(
                Reason::TwoTables,
                table.at(line),
                format!(
                    "blank lines stand before {}, which has {} in column {} where all rows above have numbers: \
                     a second table seems to begin there{}",
                    table.at(line),
                    shown(fields.get(column).unwrap_or_default()),
                    shown(&table.names()[column]),
                    table.member()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What only the end of the text can tell: the first row is a second header, or a gap divides two tables.
    pub(in super::super) fn verify(&self, table: &Table) -> Result<(), BadInput> {
        let named = table.names().len();
        let over_numbers = |at: usize| {
            let candidate = &self.candidates[at];
            candidate.first_is_text && candidate.others_are_numbers && candidate.other_numbers > 1
        };
        let count = (0..self.candidates.len()).filter(|at| over_numbers(*at)).count();
        let is_number = |candidate: &Candidate| candidate.number && candidate.in_range;
        if let Some(first) = &self.first
            && count > 0
            && !self.candidates.iter().any(is_number)
        {
            let names: Vec<&str> = table.names().iter().map(|name| &**name).collect();
            return Err(BadInput::new(
                Reason::AmbiguousHeader,
                format!(
                    "the header is {}, but the row below it, {}, has text where all other rows have numbers: it looks like a row \
                     of units or like the real header; skip_lines and header = [\"names\"] in the pipelines file settle \
                     it",
                    row_shown(&names),
                    first
                ),
            ));
        }
        if table.repeats() > 0 && named == 1 && !self.candidates.iter().all(is_number) {
            return Err(BadInput::new(
                Reason::AmbiguousHeader,
                format!(
                    "the only column is named {}, and so are {} of its values: a header that comes again, or data",
                    shown(&table.names()[0]),
                    table.repeats()
                ),
            ));
        }
        let is_text = |candidate: &Candidate| candidate.settled() == ColumnType::Text;
        if self.gaps == 1 && self.gap_at > 0 && named > 1 && self.candidates.iter().all(is_text) {
            return Err(BadInput::at(
                Reason::TwoTables,
                table.at(self.gap_at),
                format!(
                    "blank lines stand before {}, and all columns are text: a second table may begin there; remove \
                     the blank lines if it is one",
                    table.at(self.gap_at)
                ),
            ));
        }
        Ok(())
    }

    /// What was taken for something else than it is written, for the log.
    pub(in super::super) fn notes(&self, table: &Table) -> Vec<String> {
        let mut notes = Vec::new();
        for (candidate, name) in self.candidates.iter().zip(table.names()) {
            let kind = candidate.settled();
            if candidate.nulls > 0 && kind != ColumnType::Text {
                let (null, count) = (shown(&candidate.null), candidate.nulls);
                notes
                    .push(format!("column {}: {count} of its values, such as {null}, are null", shown(name)));
            }
            if candidate.declared.is_none() {
                match candidate.spellings.found() {
                    Spelled::One => {}
                    Spelled::Two => notes.push(format!(
                        "column {}: two spellings of one number occur, so its values are text",
                        shown(name)
                    )),
                    Spelled::Unknown if !candidate.number => {}
                    Spelled::Unknown => notes.push(format!(
                        "column {}: its fractions are too many to tell whether two spellings of one number occur, so its \
                         values are text; declare it as a number if they are numbers",
                        shown(name)
                    )),
                }
            }
        }
        notes.extend(table.header_repair().map(str::to_owned));
        if table.repeats() > 0 {
            notes.push(format!("rows equal to the header, left out: {}", table.repeats()));
        }
        notes
    }

    /// What the columns were found to be. Of a column whose type was given, nothing was found out.
    pub(in super::super) fn observed(&self, names: &[Arc<str>]) -> Observed {
        let columns = names.iter().zip(&self.candidates).map(|(name, candidate)| {
            let is_known = candidate.declared.is_none() && (candidate.filled || candidate.in_range);
            let kinds = if is_known { Kind::from(candidate.settled()).into() } else { Kinds::NONE };
            ObservedColumn { name: Arc::clone(name), kinds, in_every_record: true }
        });
        Observed { columns: columns.collect(), is_table: true, is_partial: false }
    }

    /// All rows have been seen.
    pub(in super::super) fn settle(self, names: &[Arc<str>]) -> Settled {
        let kinds: Vec<_> = self.candidates.iter().map(Candidate::settled).collect();
        let mut settled = Settled { totals: self.totals.into_rows(), ..Settled::default() };
        for (columns, doubtful) in self.doubtful {
            let Some(at) = columns.iter().position(|column| kinds[*column] == ColumnType::Number) else {
                continue;
            };
            settled.rejected += doubtful.rows;
            let name = &names[columns[at]];
            settled.rejects.add_rows(Reason::NumberOutOfRange, Some(name), doubtful.rows);
            settled.item_bytes += doubtful.item_bytes;
            settled.write_units += doubtful.write_units;
            settled
                .first
                .extend(doubtful.first.into_iter().map(|(row, mut rejects)| (row, rejects.swap_remove(at))));
        }
        settled.first.sort_by_key(|(row, _)| *row);
        settled.columns =
            names.iter().zip(kinds).map(|(name, kind)| Column { name: Arc::clone(name), kind }).collect();
        settled
    }
}

/// Whether fields may be the names of columns: words, all different.
fn is_like_names<'a>(fields: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    fields.into_iter().all(|field| {
        let is_word = field.len() <= 40
            && field.starts_with(char::is_alphabetic)
            && !field.contains(|sign: char| sign.is_ascii_digit());
        is_word && seen.insert(field)
    })
}
