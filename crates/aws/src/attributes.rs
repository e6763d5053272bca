//! Attributes of DynamoDB items, from our values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

/// A DynamoDB item, as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Microseconds, always six digits: conditions compare times as text.
pub(crate) fn time(at: Timestamp) -> AttributeValue {
    text(format!("{at:.6}"))
}
