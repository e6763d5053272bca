//! The rows of an object, one after the other.

use std::collections::BTreeMap;

use domain::record::{Record, Value};
use tokio::io::AsyncRead;

use super::delimited::Table;
use super::delimited::columns::{self, Refused};
use super::delimited::typing::Typing;
use super::detect;
use super::format::Layout;
use super::input::Input;
use super::json::build::Builder;
use super::json::document::Document;
use super::json::lines::Lines;
use super::json::pointer::Pointer;
use super::options::Options;
use super::reason::{BadInput, ReadError, Reason, Reject, raw_text, shown};
use super::schema::{ColumnType, Schema};

/// A row, good or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number: 1 for the first row after the header, the first line or the first element. Refused rows
    /// count, blank lines do not.
    pub number: u64,
    /// The record, or why there is none.
    pub content: Result<Record, Reject>,
}

/// How the rows are found in the text.
pub(super) enum Reader {
    Table(Box<Table>),
    Lines(Lines, Builder),
    Document(Box<Document>, Builder),
}

/// An object's text and how its rows are found in it.
pub(super) struct Opened {
    pub(super) input: Input,
    pub(super) reader: Reader,
    pub(super) layout: Layout,
}

impl Opened {
    /// Begins to read. `layout` is that of an earlier reading; without one it is found out.
    pub(super) async fn open(
        source: impl AsyncRead + Send + 'static,
        options: &Options,
        layout: Option<Layout>,
    ) -> Result<Self, ReadError> {
        let mut input = Input::open(Box::pin(source), options).await?;
        let layout = match layout {
            Some(layout) => layout,
            None => detect::layout(input.chunk(), input.is_last(), options)?,
        };
        let reader = match layout {
            Layout::Delimited(dialect) => {
                Reader::Table(Box::new(Table::open(&mut input, dialect, options).await?))
            }
            Layout::JsonLines => Reader::Lines(Lines::new(&mut input), Builder::default()),
            Layout::Json => {
                let pointer = Pointer::parse(options.pointer.as_deref().unwrap_or_default())?;
                Reader::Document(Box::new(Document::new(&mut input, pointer)), Builder::default())
            }
        };
        Ok(Self { input, reader, layout })
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
        source: impl AsyncRead + Send + 'static,
        options: &Options,
        schema: Option<&Schema>,
    ) -> Result<Self, ReadError> {
        let opened = Opened::open(source, options, schema.map(|schema| schema.layout)).await?;
        let mut kinds = Vec::new();
        if let Reader::Table(table) = &opened.reader {
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
                None => columns::declared_types(table.names(), &options.columns)?
                    .into_iter()
                    .map(|declared| declared.unwrap_or(ColumnType::Text))
                    .collect(),
            };
        }
        Ok(Self { opened, kinds, declared: options.columns.clone(), options: options.clone(), number: 0 })
    }

    pub(super) fn of(opened: Opened, options: &Options) -> Self {
        Self {
            opened,
            kinds: Vec::new(),
            declared: options.columns.clone(),
            options: options.clone(),
            number: 0,
        }
    }

    pub(super) fn into_opened(self) -> Opened {
        self.opened
    }

    /// How many raw bytes have been received so far.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.opened.input.bytes_in
    }

    /// How many bytes they have been decompressed to so far.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.opened.input.bytes_out
    }

    /// The next row; none at the end, which then has been verified. May be dropped while it waits, but then
    /// must not be called again.
    ///
    /// # Errors
    /// When bytes cannot be received or the whole object is condemned. There are no rows after an error.
    pub async fn next(&mut self) -> Result<Option<Row>, ReadError> {
        let input = &mut self.opened.input;
        let limits = &self.options.limits;
        let content = match &mut self.opened.reader {
            Reader::Table(table) => {
                if !table.next(input).await? {
                    return Ok(None);
                }
                typed(table, &self.kinds)
            }
            Reader::Lines(lines, builder) => {
                if !lines.next(input).await? {
                    return Ok(None);
                }
                let text = lines.line();
                let built = if lines.overflow { Err(too_long()) } else { builder.line(text, limits) };
                built
                    .and_then(|record| retyped(record, &self.declared))
                    .map_err(|refused| rejected(refused, text, limits.raw_bytes))
            }
            Reader::Document(document, builder) => {
                if !document.next(input).await? {
                    return Ok(None);
                }
                let text = document.text();
                let built = if document.overflow { Err(too_long()) } else { builder.record(text, limits) };
                built
                    .and_then(|record| retyped(record, &self.declared))
                    .map_err(|refused| rejected(refused, text, limits.raw_bytes))
            }
        };
        self.number += 1;
        Ok(Some(Row { number: self.number, content }))
    }
}

fn too_long() -> (Reason, String) {
    (Reason::ItemTooLarge, "the record has more than 4 MiB of JSON".to_owned())
}

fn rejected((reason, message): (Reason, String), text: &[u8], raw_bytes: usize) -> Reject {
    Reject { reason, message, raw: raw_text(text, raw_bytes) }
}

fn typed(table: &Table, kinds: &[ColumnType]) -> Result<Record, Reject> {
    let fields = table.fields()?;
    let mut record = Record::with_capacity(kinds.len());
    for (column, (name, kind)) in table.names().iter().zip(kinds).enumerate() {
        let value = match fields.get(column) {
            Some(field) => {
                columns::value(field, *kind, table.typing()).map_err(|refused| refused.of(table, column))?
            }
            None => Value::Null,
        };
        record.push((name.clone(), value));
    }
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
            _ => return Err(Refused::Wrong(*kind).told(&shown(name))),
        };
        *value = fitting;
    }
    Ok(record)
}
