//! DynamoDB's own JSON, as its export to S3 writes it: an item on each line, each value with its type.
//!
//! `{"Item":{"pk":{"S":"u#1"},"n":{"N":"5"}}}` is a record of a text and a number. Numbers, sets and bytes arrive in
//! the table as what they were.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::record::{FIELD_BYTES, LEVELS, Record, Set, Value, number};

use super::super::reason::{Reason, shown};
use super::refused::{Refused, too_deep};

/// The one name of an exported line.
const ITEM: &str = "Item";

/// How deep an item of [`LEVELS`] is nested with its types: each level has an object for its type, and `Item` is one.
pub(super) const TYPED_LEVELS: usize = 2 * LEVELS + 2;

/// The text of the largest field in base64.
pub(super) const TYPED_FIELD_BYTES: usize = FIELD_BYTES.div_ceil(3) * 4;

/// The record that a line is with its types.
pub(super) fn untyped(line: Record) -> Result<Record, Refused> {
    let names = || line.iter().map(|(name, _)| shown(name)).take(5).collect::<Vec<_>>().join(", ");
    match &line[..] {
        [(name, Value::Map(_))] if **name == *ITEM => {}
        _ if line.iter().any(|(name, _)| matches!(&**name, "NewImage" | "OldImage" | "Keys")) => {
            return Err(wrong(
                "the line is one of an incremental export, whose changes and deletions are not read; export the whole \
                 table"
                    .to_owned(),
            ));
        }
        _ => return Err(wrong(format!("the line has {} where one \"Item\" is expected", names()))),
    }
    let Some((_, Value::Map(attributes))) = line.into_iter().next() else { return Ok(Record::new()) };
    attributes
        .into_iter()
        .map(|(name, typed)| match value(typed, 1) {
            Ok(value) => Ok((Arc::from(name), value)),
            Err((reason, message)) => Err((reason, format!("in the field {}: {message}", shown(&name)))),
        })
        .collect()
}

/// The value that is wrapped in its type, inside `level` lists and maps, itself counted if it is one.
fn value(typed: Value, level: usize) -> Result<Value, Refused> {
    let Value::Map(mut entries) = typed else { return Err(wrong("a value has no type".to_owned())) };
    let (Some((kind, inner)), true) = (entries.pop(), entries.is_empty()) else {
        return Err(wrong("a value has not exactly one type".to_owned()));
    };
    if matches!(&*kind, "L" | "M") && level > LEVELS {
        return Err(too_deep());
    }
    Ok(match (&*kind, inner) {
        ("S", Value::Text(text)) if text.len() > FIELD_BYTES => return Err(too_large(text.len())),
        ("S", Value::Text(text)) => Value::Text(text),
        ("N", Value::Text(digits)) => Value::Number(figures(digits)?),
        ("BOOL", Value::Bool(it)) => Value::Bool(it),
        ("NULL", Value::Bool(true)) => Value::Null,
        ("B", Value::Text(base64)) => Value::Binary(bytes(&base64)?),
        ("SS", Value::List(values)) => Value::Set(Set::Text(members(values, Ok, Clone::clone)?)),
        ("NS", Value::List(values)) => {
            Value::Set(Set::Number(members(values, figures, |it| number::canonical(it).unwrap_or_default())?))
        }
        ("BS", Value::List(values)) => {
            Value::Set(Set::Binary(members(values, |it| bytes(&it), Clone::clone)?))
        }
        ("L", Value::List(values)) => {
            Value::List(values.into_iter().map(|typed| value(typed, level + 1)).collect::<Result<_, _>>()?)
        }
        ("M", Value::Map(entries)) => Value::Map(
            entries
                .into_iter()
                .map(|(name, typed)| Ok((name, value(typed, level + 1)?)))
                .collect::<Result<_, Refused>>()?,
        ),
        (kind, _) => {
            return Err(wrong(format!("a value has the type {}, or not the form of one", shown(kind))));
        }
    })
}

/// The members of a set; `unlike` gives what two members differ in.
fn members<T, K: Ord>(
    values: Vec<Value>,
    member: impl Fn(String) -> Result<T, Refused>,
    unlike: impl Fn(&T) -> K,
) -> Result<Vec<T>, Refused> {
    let mut seen = BTreeSet::new();
    let members = values
        .into_iter()
        .map(|value| match value {
            Value::Text(text) => {
                let member = member(text)?;
                if seen.insert(unlike(&member)) {
                    Ok(member)
                } else {
                    Err(wrong("a set has a member twice".to_owned()))
                }
            }
            _ => Err(wrong("a member of a set is no text".to_owned())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if members.is_empty() { Err(wrong("a set has no members".to_owned())) } else { Ok(members) }
}

fn figures(digits: String) -> Result<String, Refused> {
    match number::check(&digits) {
        Ok(()) => Ok(digits),
        Err(error) => Err((Reason::NumberOutOfRange, format!("the number {} has {error}", shown(&digits)))),
    }
}

fn bytes(base64: &str) -> Result<Vec<u8>, Refused> {
    let bytes =
        BASE64_STANDARD.decode(base64).map_err(|error| wrong(format!("bytes are no base64: {error}")))?;
    if bytes.len() > FIELD_BYTES { Err(too_large(bytes.len())) } else { Ok(bytes) }
}

fn too_large(bytes: usize) -> Refused {
    (Reason::FieldTooLarge, format!("it takes {bytes} bytes of {FIELD_BYTES}"))
}

fn wrong(message: String) -> Refused {
    (Reason::NotDynamodbJson, message)
}
