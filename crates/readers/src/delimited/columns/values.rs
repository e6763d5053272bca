//! What a field of a column of some type is, and why it may be none.

use std::sync::Arc;

use domain::pipelines::Preset;
use domain::record::Value;
use domain::record::number::{self, NumberError};

use super::super::super::options::Options;
use super::super::super::reason::{BadInput, Reason, Reject, shown};
use super::super::super::schema::ColumnType;
use super::super::Table;
use super::super::typing::{Typing, boolean};

/// The declared type of each column, if it has one.
pub(in super::super::super) fn declared_types(
    names: &[Arc<str>],
    options: &Options,
) -> Result<Vec<Option<ColumnType>>, BadInput> {
    let declared = &options.columns;
    let preset = options.preset.and_then(Preset::table);
    let usual = |name: &str| preset.and_then(|table| table.type_of(name));
    if let Some(unknown) = declared.keys().find(|name| !names.iter().any(|known| **known == ***name)) {
        if names.is_empty() {
            return Err(BadInput::new(
                Reason::UnknownColumn,
                format!(
                    "the object is empty, but the pipeline declares the column {}; a table without rows still has a header",
                    shown(unknown)
                ),
            ));
        }
        return Err(unknown_column(unknown, names.iter().map(|name| &**name)));
    }
    Ok(names.iter().map(|name| declared.get(&**name).copied().or_else(|| usual(name))).collect())
}

pub(in super::super::super) fn unknown_column<'a>(
    unknown: &str,
    names: impl Iterator<Item = &'a str>,
) -> BadInput {
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
pub(in super::super::super) enum Refused {
    Wrong(ColumnType),
    Beyond(NumberError),
}

impl Refused {
    /// The reject of the present row of `table`, which has `field` in this column.
    pub(in super::super::super) fn of(self, table: &Table, column: usize, field: &str) -> Reject {
        let name = shown(&table.names()[column]);
        let (reason, mut message) = self.told(&name);
        if let Self::Wrong(kind) = self {
            let hint = if kind == ColumnType::Number { comma_hint(field) } else { "" };
            message = format!("the value {} of column {name} is no {kind}{hint}", shown(field));
        }
        let reject = table.reject(reason, format!("{message}; the header is {}", table.header_shown()));
        Reject { column: Some(Arc::clone(&table.names()[column])), ..reject }
    }

    /// The reason and a message that calls the column `name`.
    pub(in super::super::super) fn told(self, name: &str) -> (Reason, String) {
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

/// What a comma in a number may be, and the line that says so.
fn comma_hint(field: &str) -> &'static str {
    let Some((whole, rest)) = field.split_once(',') else { return "" };
    match (number::is_plain(&format!("{whole}.{rest}")), rest.len()) {
        (true, 3) => {
            " unless decimal = \",\" or thousands = \",\" in the pipelines file says what the comma is"
        }
        (true, _) => " unless decimal = \",\" in the pipelines file says so",
        (false, _) => "",
    }
}

pub(super) fn fits(field: &str, kind: ColumnType, typing: &Typing) -> Result<(), Refused> {
    let fits = match kind {
        ColumnType::Text => true,
        _ if field.is_empty() || typing.is_null(field) => true,
        ColumnType::Number => match typing.number(field) {
            Err(NumberError::NotDecimal) => false,
            other => return other.map(|_| ()).map_err(Refused::Beyond),
        },
        ColumnType::Boolean => boolean(field).is_some(),
    };
    if fits || typing.is_usual_null(field) { Ok(()) } else { Err(Refused::Wrong(kind)) }
}

/// The value of a field in a column of type `kind`.
pub(in super::super::super) fn value(
    field: &str,
    kind: ColumnType,
    typing: &Typing,
) -> Result<Value, Refused> {
    if typing.is_null(field) {
        return Ok(Value::Null);
    }
    let value = match kind {
        ColumnType::Text => return Ok(Value::Text(field.to_owned())),
        _ if field.is_empty() => return Ok(Value::Null),
        ColumnType::Number => typing.number(field).map(|number| Value::Number(number.into_owned())),
        ColumnType::Boolean => boolean(field).map(Value::Bool).ok_or(NumberError::NotDecimal),
    };
    match value {
        Err(NumberError::NotDecimal) if typing.is_usual_null(field) => Ok(Value::Null),
        Err(NumberError::NotDecimal) => Err(Refused::Wrong(kind)),
        other => other.map_err(Refused::Beyond),
    }
}

/// How many write units an item of `bytes` costs: one for each KB begun.
pub fn write_units(bytes: usize) -> u64 {
    bytes.div_ceil(1024).max(1) as u64
}
