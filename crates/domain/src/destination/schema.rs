//! The keys of a table and their types.

use serde::{Deserialize, Serialize};

use crate::{
    record::{Value, number},
    text::count,
};

/// The type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// Text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

impl KeyType {
    /// The value as a key of this type. Equal numbers make equal keys, whatever they are spelled like.
    ///
    /// # Errors
    /// What is in the way, as the end of a sentence that begins with the key's name.
    pub fn key(self, value: Value) -> Result<Value, String> {
        let value = match (self, value) {
            (_, Value::Null) => return Err("has no value".to_owned()),
            (Self::S, Value::Text(text)) => Value::Text(text),
            (Self::S, Value::Number(text)) => Value::Text(number::canonical(&text).unwrap_or(text)),
            (Self::S, Value::Bool(value)) => Value::Text(value.to_string()),
            (Self::N, Value::Number(text) | Value::Text(text)) => {
                let canonical = number::canonical(&text);
                Value::Number(canonical.map_err(|error| format!("is a number (N) in the table: {error}"))?)
            }
            (Self::B, Value::Binary(bytes)) => Value::Binary(bytes),
            (wanted, _) => return Err(format!("is {} in the table", wanted.in_words())),
        };
        if matches!(&value, Value::Text(text) if text.is_empty())
            || matches!(&value, Value::Binary(bytes) if bytes.is_empty())
        {
            return Err("is empty".to_owned());
        }
        Ok(value)
    }

    /// Whether an attribute of this value may be a key of an index: DynamoDB refuses the whole item otherwise.
    fn is_of(self, value: &Value) -> bool {
        match (self, value) {
            (Self::S, Value::Text(text)) => !text.is_empty(),
            (Self::N, Value::Number(_)) => true,
            (Self::B, Value::Binary(bytes)) => !bytes.is_empty(),
            _ => false,
        }
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::S => "text (S)",
            Self::N => "a number (N)",
            Self::B => "binary (B)",
        }
    }
}

/// A key attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: KeyType,
}

/// What a table asks of the items in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// The partition key.
    pub partition_key: KeyAttribute,
    /// The sort key.
    pub sort_key: Option<KeyAttribute>,
    /// The keys of its indexes that are not keys of the table. An item may lack them.
    pub index_keys: Vec<KeyAttribute>,
}

/// The longest partition key and the longest sort key, in bytes.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const PARTITION_KEY_BYTES: usize = 2_048;
const SORT_KEY_BYTES: usize = 1_024;

impl TableSchema {
    /// The key attributes of the table, the partition key first.
    pub fn keys(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition_key).chain(&self.sort_key)
    }

    /// Whether this is a key attribute of the table.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.keys().any(|key| key.name == name)
    }

    /// The value of the key attribute `key`.
    ///
    /// # Errors
    /// What is in the way, as a sentence.
    pub(super) fn key(&self, key: &KeyAttribute, value: Value) -> Result<Value, String> {
        let value = key.kind.key(value).map_err(|why| format!("the key attribute {} {why}", key.name))?;
        let most = if *key == self.partition_key { PARTITION_KEY_BYTES } else { SORT_KEY_BYTES };
        let bytes = match &value {
            Value::Text(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        if bytes > most {
            let has = count(bytes, "byte");
            return Err(format!("the key attribute {} has {has}; at most {most} are allowed", key.name));
        }
        Ok(value)
    }

    /// Whether an attribute with this value can stand in an item of the table.
    ///
    /// # Errors
    /// What is in the way, as a sentence.
    pub(super) fn allows(&self, name: &str, value: &Value) -> Result<(), String> {
        match self.index_keys.iter().find(|key| key.name == name) {
            Some(key) if !key.kind.is_of(value) => Err(format!(
                "{name} is a key of an index of the table, so it must be {} that is not empty",
                key.kind.in_words()
            )),
            _ => Ok(()),
        }
    }
}

/// A table as the pipelines file defines it: the local cloud makes it, and `tidemill check` compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// Its name, without region and account.
    pub name: String,
    /// Its keys.
    pub schema: TableSchema,
}
