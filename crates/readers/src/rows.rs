//! The rows of an object, one after the other.

use std::collections::BTreeMap;

use domain::record::{Record, Value};

use super::avro::Avro;
use super::delimited::Table;
use super::delimited::columns::{self, Refused as RefusedField};
use super::delimited::dialect::Dialect;
use super::delimited::typing::Typing;
use super::detect::{self, Container};
use super::format::{Encoding, Layout};
use super::input::Input;
use super::json::build::{Builder, begins_like_an_exported_item, is_exported_item};
use super::json::evidence;
use super::json::lines::Lines;
use super::json::look::{Look, look};
use super::json::pointer::Pointer;
use super::json::refused::Refused;
use super::json::values::{Next, Values};
use super::options::{Format, Limits, Options};
use super::parquet::{self, Parquet};
use super::position::Place;
use super::preset;
use super::reason::{BadInput, ReadError, Reason, Reject, raw_text, shown};
use super::schema::{ColumnType, Schema, Total};
use super::sniff;
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

/// How the rows are found in the text.
pub(super) enum Reader {
    Table(Box<Table>),
    Lines(Lines, Builder),
    Values(Box<Values>, Builder),
    Avro(Box<Avro>),
}

/// An object whose beginning has been read.
pub(super) enum Opened {
    /// Text, and how its rows are found in it.
    Text(Box<Input>, Reader),
    Parquet(Box<Parquet>),
}

impl Opened {
    /// Begins to read. `layout` is that of an earlier reading, which settles how a table is written; without one it is
    /// found out.
    pub(super) async fn open(
        source: Source,
        options: &Options,
        layout: Option<Layout>,
    ) -> Result<Self, ReadError> {
        if layout == Some(Layout::Parquet) {
            let ranges = source.ranges(parquet::WHAT).await?;
            return Ok(Self::Parquet(Box::new(Parquet::open(ranges, options).await?)));
        }
        let begun = source.begin().await?;
        if let Some(Container::Parquet) = detect::container(&begun.first, options.format)? {
            let ranges = begun.into_ranges(parquet::WHAT).await?;
            return Ok(Self::Parquet(Box::new(Parquet::open(ranges, options).await?)));
        }
        let mut input = Box::new(Input::open(begun, options).await?);
        let resolved =
            options.preset.map(|preset| preset::resolved(preset, options, input.chunk())).transpose()?;
        let options = resolved.as_ref().unwrap_or(options);
        let found = match layout {
            Some(Layout::Delimited(dialect)) => Found::Delimited(dialect),
            _ => Found::of(&input, options)?,
        };
        let reader = match found {
            Found::Delimited(dialect) => {
                Reader::Table(Box::new(Table::open(&mut input, dialect, options).await?))
            }
            Found::Avro => Reader::Avro(Box::new(Avro::open(&mut input, options).await?)),
            Found::Lines(builder) => {
                let start = input.start();
                Reader::Lines(Lines::new(input.take_chunk(), 0, start), builder)
            }
            Found::Values { found_out, may_be_lines } => {
                let pointer = Pointer::parse(options.pointer.as_deref().unwrap_or_default())?;
                let values = Values::new(&mut input, pointer, found_out, may_be_lines);
                Reader::Values(
                    Box::new(values),
                    Builder::new(options.table.nulls.as_deref().unwrap_or_default()),
                )
            }
        };
        Ok(Self::Text(input, reader))
    }

    /// How the text is laid out, as far as it has been read.
    pub(super) fn layout(&self) -> Layout {
        let reader = match self {
            Self::Text(_, reader) => reader,
            Self::Parquet(_) => return Layout::Parquet,
        };
        match reader {
            Reader::Table(table) => Layout::Delimited(table.dialect()),
            Reader::Lines(_, builder) if builder.is_dynamodb() => Layout::DynamodbJson,
            Reader::Lines(..) => Layout::JsonLines,
            Reader::Values(values, _) if values.is_sequence() => Layout::JsonSequence,
            Reader::Values(..) => Layout::Json,
            Reader::Avro(_) => Layout::Avro,
        }
    }

    /// The raw bytes so far.
    pub(super) fn bytes_in(&self) -> u64 {
        match self {
            Self::Text(input, _) => input.bytes_in,
            Self::Parquet(parquet) => parquet.bytes_in(),
        }
    }

    /// What they were decompressed to.
    pub(super) fn bytes_out(&self) -> u64 {
        match self {
            Self::Text(input, _) => input.bytes_out,
            Self::Parquet(parquet) => parquet.bytes_out(),
        }
    }
}

/// What a text is, as its pipeline says or as its beginning shows.
enum Found {
    Delimited(Dialect),
    Lines(Builder),
    Values { found_out: bool, may_be_lines: bool },
    Avro,
}

impl Found {
    fn of(input: &Input, options: &Options) -> Result<Self, BadInput> {
        let (text, whole) = (input.chunk(), input.is_last());
        let is_avro = input.encoding == Encoding::Binary;
        match options.format {
            Format::Avro | Format::Auto if is_avro && options.pointer.is_none() => return Ok(Self::Avro),
            Format::Avro => {
                return Err(wrong_format("is no Avro file, which the pipeline names as its format"));
            }
            _ if is_avro => {
                return Err(wrong_format("is an Avro file, and its pipeline names another format"));
            }
            _ => {}
        }
        let delimited = || match options.preset {
            Some(preset) => match preset::dialect(preset) {
                Some(dialect) => Ok(Self::Delimited(dialect)),
                None => sniff::dialect(text, whole, options).map(Self::Delimited),
            },
            None => sniff::dialect(text, whole, options)
                .map(Self::Delimited)
                .map_err(|refused| preset::hinted(refused, text)),
        };
        let lines = || Self::Lines(Builder::new(options.table.nulls.as_deref().unwrap_or_default()));
        let declared = Self::Values { found_out: false, may_be_lines: false };
        Ok(match options.format {
            Format::Csv => return delimited(),
            Format::DynamodbJson => Self::Lines(Builder::dynamodb()),
            // It is none, or it would have been opened before.
            Format::Parquet => {
                return Err(BadInput::new(Reason::WrongFormat, "the object is no Parquet file"));
            }
            Format::JsonLines if options.pointer.is_none() => lines(),
            Format::Json | Format::JsonLines => declared,
            Format::Auto if options.pointer.is_some() => declared,
            // An Avro file is known by its first bytes.
            Format::Auto | Format::Avro => match look(text, whole) {
                Look::Other => return delimited(),
                Look::Lines { first: Some(first) } | Look::Values { first: Some(first), .. }
                    if is_exported_item(first) =>
                {
                    Self::Lines(Builder::dynamodb())
                }
                Look::Values { may_be_lines: true, first: None } if begins_like_an_exported_item(text) => {
                    return Err(evidence::long_exported_item());
                }
                Look::Lines { .. } => lines(),
                Look::Values { may_be_lines, .. } => Self::Values { found_out: true, may_be_lines },
            },
        })
    }
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
        if let Opened::Text(_, Reader::Table(table)) = &opened {
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
        let limits = &self.options.limits;
        let (input, reader) = match &mut self.opened {
            Opened::Text(input, reader) => (input, reader),
            Opened::Parquet(parquet) => {
                let Some((place, content, raw)) = parquet.next().await? else { return Ok(None) };
                let content = content
                    .and_then(|record| retyped(record, &self.declared))
                    .map_err(|refused| parquet::rejected(refused, place, raw));
                self.number += 1;
                return Ok(Some(Row { number: self.number, place, content, is_repaired: false }));
            }
        };
        loop {
            let mut is_repaired = false;
            let (place, content) = match reader {
                Reader::Table(table) => {
                    if !table.next(input).await? {
                        return Ok(None);
                    }
                    is_repaired = !table.repairs().is_empty();
                    let total = self.totals.binary_search_by_key(&table.number(), |total| total.row);
                    let row = match total {
                        Ok(at) => Err(columns::rejected_total(table, &self.totals[at].evidence)),
                        Err(_) => typed(table, &self.kinds, &self.declared),
                    };
                    (Place::Line(table.line()), row)
                }
                Reader::Lines(lines, builder) => {
                    if !lines.next(input).await? {
                        return Ok(None);
                    }
                    let (place, text) = (Place::Line(lines.number()), lines.line());
                    let built = if lines.overflow { Err(too_long()) } else { builder.line(text, limits) };
                    (
                        place,
                        built
                            .and_then(|record| retyped(record, &self.declared))
                            .map_err(|refused| rejected(refused, place, text, limits)),
                    )
                }
                Reader::Avro(avro) => {
                    let Some(built) = avro.next(input).await? else { return Ok(None) };
                    let place = avro.place();
                    (
                        place,
                        built
                            .and_then(|record| retyped(record, &self.declared))
                            .map_err(|refused| rejected(refused, place, &[], limits)),
                    )
                }
                Reader::Values(values, builder) => match values.next(input).await? {
                    Next::End => return Ok(None),
                    Next::Record => {
                        let (place, text) = (values.place(), values.text());
                        let built =
                            if values.overflow { Err(too_long()) } else { builder.record(text, limits) };
                        let built = built.map_err(|refused| {
                            if values.is_whole_value() { hinted(refused, text) } else { refused }
                        });
                        (
                            place,
                            built
                                .and_then(|record| retyped(record, &self.declared))
                                .map_err(|refused| rejected(refused, place, text, limits)),
                        )
                    }
                    Next::Broken(reason, message) => {
                        let place = values.place();
                        (place, Err(rejected((reason, message), place, values.text(), limits)))
                    }
                    Next::Lines => {
                        let (lines, builder) = (values.take_lines(), builder.take());
                        *reader = Reader::Lines(lines, builder);
                        continue;
                    }
                },
            };
            self.number += 1;
            let is_repaired = is_repaired && content.is_ok();
            return Ok(Some(Row { number: self.number, place, content, is_repaired }));
        }
    }
}

fn wrong_format(what: &str) -> BadInput {
    BadInput::new(Reason::WrongFormat, format!("the object {what}"))
}

fn too_long() -> Refused {
    (Reason::ItemTooLarge, "the record has more than 4 MiB of JSON".to_owned())
}

fn rejected((reason, message): Refused, place: Place, text: &[u8], limits: &Limits) -> Reject {
    Reject { reason, place, message, raw: raw_text(text, limits.raw_bytes) }
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
