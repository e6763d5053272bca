//! What type a column has: declared, or settled by all of its values.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::record::Value;
use domain::record::number::{self, NumberError};

use super::super::reason::{BadInput, Reason, Reject, shown};
use super::super::schema::{Column, ColumnType};
use super::{Fields, Table};

/// So many different combinations of columns may have numbers out of range in one row before the object is
/// given up: each is remembered until its columns have settled.
const COMBINATIONS: usize = 256;

/// Of so many rows with numbers out of range the particulars are kept.
const KEPT: usize = 16;

/// One column while its type settles.
struct Candidate {
    declared: Option<ColumnType>,
    /// It has a value that is not empty.
    filled: bool,
    /// All its values may be numbers, and one of them is in range.
    number: bool,
    in_range: bool,
    boolean: bool,
}

impl Candidate {
    fn settled(&self) -> ColumnType {
        match self.declared {
            Some(declared) => declared,
            None if self.number && self.in_range => ColumnType::Number,
            None if self.filled && self.boolean => ColumnType::Boolean,
            None => ColumnType::Text,
        }
    }
}

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
    pub(in super::super) rejected: u64,
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
}

impl Settling {
    /// `declared` are types by column name; a name that is no column's is an error that lists the columns.
    pub(in super::super) fn new(
        names: &[Arc<str>],
        declared: &BTreeMap<String, ColumnType>,
    ) -> Result<Self, BadInput> {
        let candidates = declared_types(names, declared)?
            .into_iter()
            .map(|declared| Candidate {
                declared,
                filled: false,
                number: true,
                in_range: false,
                boolean: true,
            })
            .collect();
        Ok(Self { candidates, doubtful: BTreeMap::new(), beyond: Vec::new() })
    }

    /// Takes note of the present row of `table`, unless a declared column refuses it.
    pub(in super::super) fn observe(
        &mut self,
        table: &Table,
        fields: &Fields<'_>,
    ) -> Result<Result<(), Reject>, BadInput> {
        // All declared columns first: a row that is refused must not move the others.
        for (column, candidate) in self.candidates.iter().enumerate() {
            if let Some(declared) = candidate.declared
                && let Err(refused) = fits(fields.get(column), declared)
            {
                return Ok(Err(refused.of(table, column)));
            }
        }
        self.beyond.clear();
        for (column, candidate) in self.candidates.iter_mut().enumerate() {
            if candidate.declared.is_some() || !(candidate.number || candidate.boolean) {
                continue;
            }
            let field = fields.get(column);
            if field.is_empty() {
                continue;
            }
            candidate.filled = true;
            candidate.boolean = candidate.boolean && boolean(field).is_some();
            if candidate.number {
                match number::check_plain(field) {
                    Ok(()) => candidate.in_range = true,
                    Err(NumberError::NotDecimal) => candidate.number = false,
                    Err(_) => self.beyond.push(column),
                }
            }
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
                    number::check_plain(fields.get(*column))
                        .err()
                        .map(|error| Refused::Beyond(error).of(table, *column))
                })
                .collect::<Vec<_>>()
        };
        if !self.doubtful.contains_key(&self.beyond) && self.doubtful.len() == COMBINATIONS {
            // Combinations of columns that have become text since are no longer in doubt.
            let candidates = &self.candidates;
            self.doubtful.retain(|columns, _| columns.iter().any(|column| candidates[*column].number));
            if self.doubtful.len() == COMBINATIONS {
                let first = rejects().swap_remove(0);
                return Err(BadInput::in_row(first.reason, table.number(), first.message));
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

    /// All rows have been seen.
    pub(in super::super) fn settle(self, names: &[Arc<str>]) -> Settled {
        let kinds: Vec<_> = self.candidates.iter().map(Candidate::settled).collect();
        let mut settled = Settled::default();
        for (columns, doubtful) in self.doubtful {
            let Some(at) = columns.iter().position(|column| kinds[*column] == ColumnType::Number) else {
                continue;
            };
            settled.rejected += doubtful.rows;
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

/// The declared type of each column, if it has one.
pub(in super::super) fn declared_types(
    names: &[Arc<str>],
    declared: &BTreeMap<String, ColumnType>,
) -> Result<Vec<Option<ColumnType>>, BadInput> {
    // An empty object lacks every column, and that is no mistake.
    if let Some(unknown) = declared.keys().find(|name| !names.iter().any(|known| **known == ***name))
        && !names.is_empty()
    {
        return Err(unknown_column(unknown, names.iter().map(|name| &**name)));
    }
    Ok(names.iter().map(|name| declared.get(&**name).copied()).collect())
}

pub(in super::super) fn unknown_column<'a>(unknown: &str, names: impl Iterator<Item = &'a str>) -> BadInput {
    const LISTED: usize = 40;
    let names: Vec<_> = names.take(LISTED + 1).map(shown).collect();
    let more = if names.len() > LISTED { ", and more" } else { "" };
    let list = names[..names.len().min(LISTED)].join(", ");
    BadInput::new(
        Reason::UnknownColumn,
        format!("the column {} is declared but not there; there are {list}{more}", shown(unknown)),
    )
}

/// Why a field does not fit its column.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Refused {
    Wrong(ColumnType),
    Beyond(NumberError),
}

impl Refused {
    pub(in super::super) fn of(self, table: &Table, column: usize) -> Reject {
        let name = shown(&table.names()[column]);
        let (reason, message) = self.told(&name);
        table.reject(reason, message)
    }

    /// The reason and a message that calls the column `name`.
    pub(in super::super) fn told(self, name: &str) -> (Reason, String) {
        match self {
            Self::Wrong(kind) => (Reason::WrongType, format!("the value of column {name} is no {kind}")),
            Self::Beyond(error) => (
                Reason::NumberOutOfRange,
                format!(
                    "the number in column {name} has {error}; declare the column text to keep it as it is"
                ),
            ),
        }
    }
}

fn fits(field: &str, kind: ColumnType) -> Result<(), Refused> {
    match kind {
        ColumnType::Text => Ok(()),
        _ if field.is_empty() => Ok(()),
        ColumnType::Boolean => boolean(field).map(|_| ()).ok_or(Refused::Wrong(kind)),
        ColumnType::Number => number::check(field).map_err(|error| match error {
            NumberError::NotDecimal => Refused::Wrong(kind),
            beyond => Refused::Beyond(beyond),
        }),
    }
}

/// The value of a field in a column of type `kind`.
pub(in super::super) fn value(field: &str, kind: ColumnType) -> Result<Value, Refused> {
    fits(field, kind)?;
    Ok(match kind {
        ColumnType::Text => Value::Text(field.to_owned()),
        _ if field.is_empty() => Value::Null,
        ColumnType::Number => Value::Number(field.to_owned()),
        ColumnType::Boolean => boolean(field).map_or(Value::Null, Value::Bool),
    })
}

fn boolean(field: &str) -> Option<bool> {
    match field.len() {
        4 if field.eq_ignore_ascii_case("true") => Some(true),
        5 if field.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// How many write units an item of `bytes` costs: one for each KB begun.
pub fn write_units(bytes: usize) -> u64 {
    bytes.div_ceil(1024).max(1) as u64
}
