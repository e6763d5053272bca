//! What an object is made of: records, and the rules a table sets for them.
//!
//! Plain values and plain functions. A number is kept as the exact decimal text that stood in the object,
//! from the reader to the table: it never passes through a float.

use std::borrow::Borrow;
use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub mod number;

/// The largest item the table takes, names and values together: 400 KB.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub const ITEM_BYTES: usize = 400 * 1024;

/// The largest single field that is accepted: 380 KB. Ours, not the table's: it leaves an item room for its
/// keys and its other fields, and bounds what a reader holds.
pub const FIELD_BYTES: usize = 380 * 1024;

/// The longest name of an attribute, in bytes of UTF-8.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub const NAME_BYTES: usize = 65_535;

/// How deep lists and maps may nest in an item.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
pub const LEVELS: usize = 32;

/// One value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: JSON's null, or an empty field of a column of numbers or booleans.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as the exact decimal text that was read. [`number::check`] holds for it.
    Number(String),
    /// Text, which may be empty.
    Text(String),
    /// Bytes that are no text.
    Binary(Vec<u8>),
    /// A set of the table: values of one type, of which no two are equal. There is no empty set.
    Set(Set),
    /// Values in order.
    List(Vec<Value>),
    /// Named values, in the order they were read. No name occurs twice.
    Map(Vec<(String, Value)>),
}

/// The members of a set, in the order they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// Texts.
    Text(Vec<String>),
    /// Numbers, each as [`Value::Number`] has it.
    Number(Vec<String>),
    /// Bytes.
    Binary(Vec<Vec<u8>>),
}

impl Set {
    /// The members as values.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        let (texts, numbers, binaries): (&[String], &[String], &[Vec<u8>]) = match self {
            Self::Text(texts) => (texts, &[], &[]),
            Self::Number(numbers) => (&[], numbers, &[]),
            Self::Binary(binaries) => (&[], &[], binaries),
        };
        let texts = texts.iter().cloned().map(Value::Text);
        let numbers = numbers.iter().cloned().map(Value::Number);
        texts.chain(numbers).chain(binaries.iter().cloned().map(Value::Binary))
    }
}

/// A record: its named values, in the order they were read. No name occurs twice.
pub type Record = Vec<(Arc<str>, Value)>;

/// How many bytes `record` takes as an item of the table.
///
/// The sizes are those of
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>: names
/// and text by their UTF-8 bytes, a number by its significant digits, null and booleans one byte, a list or
/// map three bytes and one more for each thing in it.
#[must_use]
pub fn size_bytes(record: &Record) -> usize {
    record.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

impl Value {
    /// How many bytes the value takes in an item; see [`size_bytes`].
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Number(text) => number::size_bytes(text),
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Set(Set::Text(texts)) => texts.iter().map(String::len).sum(),
            Self::Set(Set::Number(numbers)) => numbers.iter().map(|text| number::size_bytes(text)).sum(),
            Self::Set(Set::Binary(members)) => members.iter().map(Vec::len).sum(),
            Self::List(values) => 3 + values.iter().map(|value| 1 + value.size_bytes()).sum::<usize>(),
            Self::Map(entries) => {
                3 + entries.iter().map(|(name, value)| 1 + name.len() + value.size_bytes()).sum::<usize>()
            }
        }
    }
}

/// Writes `value` as JSON text on one line.
///
/// Numbers keep every digit. Those that JSON spells otherwise are respelt without changing their value:
/// `.5` is written `0.5`. Bytes become base64, and a set a list of its members.
///
/// # Errors
/// Only those of `out`.
pub fn write_json(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(true) => out.write_all(b"true"),
        Value::Bool(false) => out.write_all(b"false"),
        Value::Number(text) => out.write_all(number::json_text(text).as_bytes()),
        Value::Text(text) => write_text(text, out),
        Value::Binary(bytes) => write_text(&BASE64_STANDARD.encode(bytes), out),
        Value::Set(set) => write_list(set.values(), out),
        Value::List(values) => write_list(values, out),
        Value::Map(entries) => write_fields(entries.iter().map(|(name, value)| (name.as_str(), value)), out),
    }
}

/// Writes `record` as a JSON object on one line, without a line break after it; see [`write_json`].
///
/// # Errors
/// Only those of `out`.
pub fn write_record_json(record: &Record, out: &mut impl Write) -> io::Result<()> {
    write_fields(record.iter().map(|(name, value)| (&**name, value)), out)
}

fn write_list(values: impl IntoIterator<Item: Borrow<Value>>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write_json(value.borrow(), out)?;
    }
    out.write_all(b"]")
}

fn write_fields<'a>(
    fields: impl Iterator<Item = (&'a str, &'a Value)>,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(b"{")?;
    for (at, (name, value)) in fields.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        write_text(name, out)?;
        out.write_all(b":")?;
        write_json(value, out)?;
    }
    out.write_all(b"}")
}

fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(text.to_owned())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn an_item_is_measured_as_the_table_measures_it() {
        let cases = [
            (Value::Null, 1),
            (Value::Bool(true), 1),
            (text(""), 0),
            (text("h\u{e9}"), 3),
            (number("0"), 1),
            (number("27"), 2),
            (number("-27"), 3),
            (number("461"), 3),
            (number("100"), 2),
            (number("0.0010"), 2),
            (number("1.23e10"), 3),
            (Value::Binary(vec![0; 5]), 5),
            (Value::Set(Set::Text(vec!["ab".to_owned(), "c".to_owned()])), 3),
            (Value::Set(Set::Number(vec!["27".to_owned()])), 2),
            (Value::List(vec![]), 3),
            (Value::List(vec![text("ab"), Value::Null]), 3 + 3 + 2),
            (Value::Map(vec![("k".to_owned(), text("ab"))]), 3 + 1 + 1 + 2),
        ];
        for (value, bytes) in cases {
            assert_eq!(value.size_bytes(), bytes, "{value:?}");
        }
        let record: Record = vec![("name".into(), text("x")), ("n".into(), number("12"))];
        assert_eq!(size_bytes(&record), 4 + 1 + 1 + 2);
    }

    #[test]
    fn json_keeps_every_digit_and_stays_on_one_line() {
        let record: Record = vec![
            ("id".into(), number("12345678901234567890.10")),
            ("rate".into(), number("-.097")),
            ("note".into(), text("two\nlines \"quoted\"")),
            ("list".into(), Value::List(vec![Value::Null, Value::Bool(false), number("1E-7")])),
            ("map".into(), Value::Map(vec![("k".to_owned(), text("")), ("l".to_owned(), number("0.0"))])),
            ("b".into(), Value::Binary(b"\0\xff".to_vec())),
            ("s".into(), Value::Set(Set::Number(vec!["1.10".to_owned(), ".5".to_owned()]))),
        ];
        let mut out = Vec::new();
        write_record_json(&record, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":12345678901234567890.10,"rate":-0.097,"note":"two\nlines \"quoted\"","list":[null,false,1E-7],"map":{"k":"","l":0.0},"b":"AP8=","s":[1.10,0.5]}"#
        );
    }
}
