//! The cells of a row.

use super::super::super::reason::{BadInput, Reason, shown as shown_text};
use super::super::text::{Cell, Text};
use super::bounded::ROW_BYTES;

/// A value of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
    Moment(String),
    Error(String),
    None,
}

/// A cell with a value, and how many times it stands beside itself, which is once or more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filled {
    pub(super) column: u32,
    pub(super) times: u32,
    pub(super) value: Value,
}

impl Filled {
    pub(super) fn write(&self, row: u32, text: &mut Text) -> Result<(), BadInput> {
        let cell = match &self.value {
            Value::Text(text) => Cell::Text(text),
            Value::Number(number) => Cell::Number(*number),
            Value::Bool(value) => Cell::Bool(*value),
            Value::Moment(text) => Cell::Moment(text),
            Value::Error(text) => Cell::Error(text),
            Value::None => Cell::NoValue,
        };
        for column in self.column..self.column.saturating_add(self.times) {
            text.add((row, column), &cell)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let one = match &self.value {
            Value::Text(text) | Value::Moment(text) | Value::Error(text) => text.len() + 8,
            Value::Number(_) | Value::Bool(_) | Value::None => 32,
        };
        one.saturating_mul(self.times as usize)
    }
}

/// The cells of the present row.
#[derive(Default)]
pub(super) struct Row {
    cells: Vec<Filled>,
    next: u32,
    bytes: usize,
}

impl Row {
    /// Adds a cell, or a gap where there is no value.
    pub(super) fn add(&mut self, times: u32, value: Option<Value>) -> Result<(), BadInput> {
        let (column, times) = (self.next, times.max(1));
        self.next = self.next.saturating_add(times);
        let Some(value) = value else { return Ok(()) };
        let cell = Filled { column, times, value };
        self.bytes = self.bytes.saturating_add(cell.bytes());
        if self.bytes > ROW_BYTES {
            let message = format!("a row of the sheet has more than {ROW_BYTES} bytes of values");
            return Err(BadInput::new(Reason::BlockTooLarge, message));
        }
        self.cells.push(cell);
        Ok(())
    }

    /// Whether nothing is held of it.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Takes the cells out, and begins another row.
    pub(super) fn take(&mut self) -> Vec<Filled> {
        std::mem::take(self).cells
    }
}

/// What a cell says about its value, in its attributes.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The kind of value: `float`, `date` and so on.
    pub(super) kind: Option<String>,
    /// The value as a number, a date, a time, a truth value or a text.
    pub(super) value: Option<String>,
    pub(super) is_error: bool,
    pub(super) is_formula: bool,
}

/// The value of a cell that says this about itself and shows `shown`, if it shows something.
pub(super) fn value(said: Said, shown: Option<String>) -> Result<Option<Value>, BadInput> {
    if said.is_error {
        return Ok(Some(Value::Error(error(shown.unwrap_or_default()))));
    }
    let Some(kind) = said.kind else {
        return Ok(match shown {
            Some(shown) => Some(Value::Text(shown)),
            None => said.is_formula.then_some(Value::None),
        });
    };
    let broken = |value: &str| {
        let value = shown_text(value);
        BadInput::new(
            Reason::DamagedFile,
            format!("a cell of the workbook says {value} for a value of kind {kind}"),
        )
    };
    Ok(Some(match (kind.as_str(), said.value) {
        ("string", value) => Value::Text(value.or(shown).unwrap_or_default()),
        ("float" | "percentage" | "currency", Some(value)) => {
            Value::Number(value.parse().map_err(|_| broken(&value))?)
        }
        ("boolean", Some(value)) => match value.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(broken(&value)),
        },
        ("date" | "time", Some(value)) => {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-+:.".contains(&byte);
            if value.is_empty() || !value.bytes().all(legal) {
                return Err(broken(&value));
            }
            Value::Moment(value)
        }
        ("void", _) => return Ok(said.is_formula.then_some(Value::None)),
        (_, value) => return Err(broken(&value.unwrap_or_default())),
    }))
}

/// An error as a field of text that cannot be taken for anything else.
fn error(mut shown: String) -> String {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"#/!?_:.".contains(&byte);
    if shown.is_empty() || shown.len() > 32 || !shown.bytes().all(legal) {
        return "#ERROR".to_owned();
    }
    if !shown.starts_with('#') {
        shown.insert(0, '#');
    }
    shown
}
