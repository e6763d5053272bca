//! The rows of an object, one after the other.

use std::collections::BTreeMap;

use domain::record::{Record, Value};

use super::delimited::Table;
use super::delimited::columns::{self, Refused as RefusedField};
use super::delimited::typing::Typing;
use super::json::evidence;
use super::json::refused::Refused;
use super::json::values::Next;
use super::opened::{Opened, Reader, Text};
use super::options::{Limits, Options};
use super::parquet;
use super::position::Place;
use super::reason::{BadInput, ReadError, Reason, Reject, raw_text, shown};
use super::schema::{ColumnType, Schema, Total};
use super::source::Source;

/// A row, good or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number: 1 for the first row after the header, the first line or the first element. Refused rows
    /// count, blank lines do not.
    pub number: u64,
    /// Where it begins, for messages.
    pub place: Place,
    /// The record, or why there is none.
    pub content: Result<Record, Reject>,
    /// Whether it was repaired: then its record says how, see [`Repair`](super::Repair).
    pub is_repaired: bool,
}

/// The rows of an object.
///
/// Until [`Rows::next`] has returned none, nothing is known about the end of the object: a checksum may fail, a
/// quote may stay open. [`check`](super::check) has been there before.
pub struct Rows {
    opened: Opened,
    /// The type of each column of a table.
    kinds: Vec<ColumnType>,
    /// The rows that are totals of others.
    totals: Vec<Total>,
    declared: BTreeMap<String, ColumnType>,
    options: Options,
    number: u64,
}

impl Rows {
    /// Begins to read `source`, the object's raw bytes. Without the `schema` of a check, columns that are not
    /// declared are text.
    ///
    /// # Errors
    /// When the object's beginning cannot be received or is not what it should be, or when `schema` is that of
    /// another object.
    pub async fn open(
        source: impl Into<Source>,
        options: &Options,
        schema: Option<&Schema>,
    ) -> Result<Self, ReadError> {
        let opened = Opened::open(source.into(), options, schema.map(|schema| schema.layout)).await?;
        let mut kinds = Vec::new();
        if let Opened::Text(text) = &opened
            && let Reader::Table(table) = &text.reader
        {
            kinds = match schema {
                Some(schema) => {
                    let names = schema.columns.iter().map(|column| &*column.name);
                    if !names.eq(table.names().iter().map(|name| &**name)) {
                        return Err(BadInput::new(
                            Reason::BadHeader,
                            "the header is not the one that was checked",
                        )
                        .into());
                    }
                    schema.columns.iter().map(|column| column.kind).collect()
                }
                None => columns::declared_types(table.names(), options)?
                    .into_iter()
                    .map(|declared| declared.unwrap_or(ColumnType::Text))
                    .collect(),
            };
        }
        let totals = schema.map(|schema| schema.totals.clone()).unwrap_or_default();
        Ok(Self { totals, kinds, ..Self::of(opened, options) })
    }

    pub(super) fn of(opened: Opened, options: &Options) -> Self {
        Self {
            opened,
            kinds: Vec::new(),
            totals: Vec::new(),
            declared: options.columns.clone(),
            options: options.clone(),
            number: 0,
        }
    }

    pub(super) fn into_opened(self) -> Opened {
        self.opened
    }

    /// How many raw bytes have been received so far; of a file that is read by ranges, how many it has.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.opened.bytes_in()
    }

    /// How many bytes they have been decompressed to so far.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.opened.bytes_out()
    }

    /// The next row; none at the end, which then has been verified. May be dropped while it waits, but then
    /// must not be called again.
    ///
    /// # Errors
    /// When bytes cannot be received or the whole object is condemned. There are no rows after an error.
    pub async fn next(&mut self) -> Result<Option<Row>, ReadError> {
        let (place, content, is_repaired) = loop {
            match &mut self.opened {
                Opened::Parquet(parquet) => {
                    let Some((place, content, raw)) = parquet.next().await? else { return Ok(None) };
                    let content = content
                        .and_then(|record| retyped(record, &self.declared))
                        .map_err(|refused| parquet::rejected(refused, place, raw));
                    break (place, content, false);
                }
                Opened::Text(text) => {
                    let reading = Reading {
                        kinds: &self.kinds,
                        totals: &self.totals,
                        declared: &self.declared,
                        limits: &self.options.limits,
                    };
                    match reading.next(text).await.map_err(|error| text.named(error))? {
                        Some((place, content, is_repaired)) => {
                            let content = content.map_err(|mut reject| {
                                reject.message.extend(text.member());
                                reject
                            });
                            break (place, content, is_repaired);
                        }
                        None if text.next_member(&self.options).await? => {}
                        None => return Ok(None),
                    }
                }
            }
        };
        self.number += 1;
        let is_repaired = is_repaired && content.is_ok();
        Ok(Some(Row { number: self.number, place, content, is_repaired }))
    }
}

/// What else the rows of a text are read with.
struct Reading<'a> {
    kinds: &'a [ColumnType],
    totals: &'a [Total],
    declared: &'a BTreeMap<String, ColumnType>,
    limits: &'a Limits,
}

impl Reading<'_> {
    /// The next row, and whether it was repaired; none at the end of the text.
    async fn next(
        &self,
        text: &mut Text,
    ) -> Result<Option<(Place, Result<Record, Reject>, bool)>, ReadError> {
        let Text { input, reader, .. } = text;
        let retyped = |record| retyped(record, self.declared);
        loop {
            let (place, built, text) = match reader {
                Reader::Table(table) => {
                    if !table.next(input).await? {
                        return Ok(None);
                    }
                    let total = self.totals.binary_search_by_key(&table.number(), |total| total.row);
                    let row = match total {
                        Ok(at) => Err(columns::rejected_total(table, &self.totals[at].evidence)),
                        Err(_) => typed(table, self.kinds, self.declared),
                    };
                    return Ok(Some((table.place(), row, !table.repairs().is_empty())));
                }
                Reader::Lines(lines, builder) => {
                    if !lines.next(input).await? {
                        return Ok(None);
                    }
                    let (place, text) = (Place::Line(lines.number()), lines.line());
                    let built =
                        if lines.overflow { Err(too_long()) } else { builder.line(text, self.limits) };
                    (place, built, text)
                }
                Reader::Avro(avro) => {
                    let Some(built) = avro.next(input).await? else { return Ok(None) };
                    (avro.place(), built, &b""[..])
                }
                Reader::Values(values, builder) => match values.next(input).await? {
                    Next::End => return Ok(None),
                    Next::Record => {
                        let (place, text) = (values.place(), values.text());
                        let built =
                            if values.overflow { Err(too_long()) } else { builder.record(text, self.limits) };
                        let built = built.map_err(|refused| {
                            if values.is_whole_value() { hinted(refused, text) } else { refused }
                        });
                        (place, built, text)
                    }
                    Next::Broken(reason, message) => (values.place(), Err((reason, message)), values.text()),
                    Next::Lines => {
                        let (lines, builder) = (values.take_lines(), builder.take());
                        *reader = Reader::Lines(lines, builder);
                        continue;
                    }
                },
            };
            let record =
                built.and_then(retyped).map_err(|refused| rejected(refused, place, text, self.limits));
            return Ok(Some((place, record, false)));
        }
    }
}

fn too_long() -> Refused {
    (Reason::ItemTooLarge, "the record has more than 4 MiB of JSON".to_owned())
}

fn rejected((reason, message): Refused, place: Place, text: &[u8], limits: &Limits) -> Reject {
    Reject { reason, column: None, place, message, raw: raw_text(text, limits.raw_bytes) }
}

/// A document that is too large for a record is told where its records may be.
fn hinted((reason, message): Refused, text: &[u8]) -> Refused {
    match evidence::hint(text) {
        Some(hint) if reason == Reason::ItemTooLarge => (reason, format!("{message}; {hint}")),
        _ => (reason, message),
    }
}

fn typed(
    table: &Table,
    kinds: &[ColumnType],
    declared: &BTreeMap<String, ColumnType>,
) -> Result<Record, Reject> {
    let fields = table.fields()?;
    let is_repaired = !table.repairs().is_empty();
    let mut wrong_type = false;
    let mut record = Record::with_capacity(kinds.len() + usize::from(is_repaired));
    for (column, (name, kind)) in table.names().iter().zip(kinds).enumerate() {
        let Some(field) = fields.get(column) else {
            record.push((name.clone(), Value::Null));
            continue;
        };
        if table.is_no_value(column, field) {
            record.push((name.clone(), Value::Null));
            continue;
        }
        let value = match columns::value(field, *kind, table.typing()) {
            // A type that the other rows have settled is not held against a repaired one.
            Err(_) if is_repaired && !declared.contains_key(&**name) => {
                wrong_type = true;
                Value::Text(field.to_owned())
            }
            value => value.map_err(|refused| refused.of(table, column, field))?,
        };
        record.push((name.clone(), value));
    }
    record.extend(table.mark(wrong_type).map(|(name, mark)| (name.into(), mark)));
    Ok(record)
}

/// Gives the declared fields of a JSON record their types. Null fits every type.
fn retyped(mut record: Record, declared: &BTreeMap<String, ColumnType>) -> Result<Record, (Reason, String)> {
    if declared.is_empty() {
        return Ok(record);
    }
    for (name, value) in &mut record {
        let Some(kind) = declared.get(&**name) else { continue };
        let fitting = match (&*value, kind) {
            (Value::Null, _)
            | (Value::Text(_), ColumnType::Text)
            | (Value::Number(_), ColumnType::Number)
            | (Value::Bool(_), ColumnType::Boolean) => continue,
            (Value::Number(text), ColumnType::Text) => Value::Text(text.clone()),
            (Value::Bool(bool), ColumnType::Text) => Value::Text(bool.to_string()),
            (Value::Text(text), ColumnType::Number | ColumnType::Boolean) => {
                columns::value(text, *kind, &Typing::default())
                    .map_err(|refused| refused.told(&shown(name)))?
            }
            _ => return Err(RefusedField::Wrong(*kind).told(&shown(name))),
        };
        *value = fitting;
    }
    Ok(record)
}
