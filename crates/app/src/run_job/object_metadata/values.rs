//! Values of the record about an object.

use domain::record::Value;

/// A number, as it is printed.
pub(super) fn number(value: impl ToString) -> Value {
    Value::Number(value.to_string())
}

/// A text of its own.
pub(super) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}
