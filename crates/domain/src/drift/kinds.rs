//! What the values of a column are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{pipelines::ColumnType, record::Value};

/// What a value is. Null is nothing of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Bytes.
    Binary,
    /// A set of DynamoDB's.
    Set,
    /// A list.
    List,
    /// A map.
    Map,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Text, Self::Number, Self::Boolean, Self::Binary, Self::Set, Self::List, Self::Map];

    /// The kind of a value; none of null.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Text(_) => Self::Text,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Boolean,
            Value::Binary(_) => Self::Binary,
            Value::Set(_) => Self::Set,
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Map,
        })
    }

    /// The word that is stored and shown; for a column of delimited text also the one of `columns` in a pipeline.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Binary => "binary",
            Self::Set => "set",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

impl From<ColumnType> for Kind {
    fn from(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text,
            ColumnType::Number => Self::Number,
            ColumnType::Boolean => Self::Boolean,
        }
    }
}

/// A set of kinds: stored and shown as `text, number`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kinds(u8);

impl Kinds {
    /// No kind: nothing is known, or all values were null.
    pub const NONE: Self = Self(0);

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    /// Those of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    fn words(self) -> Vec<&'static str> {
        Kind::ALL.into_iter().filter(|kind| self.has(*kind)).map(Kind::as_str).collect()
    }

    /// For a sentence: `text and number`.
    #[must_use]
    pub fn in_words(self) -> String {
        self.words().join(" and ")
    }

    /// How a column of delimited text is read whose values were of these kinds in some object: as text unless all were
    /// numbers or all were true and false. None where nothing is known.
    #[must_use]
    pub fn column_type(self) -> Option<ColumnType> {
        match self {
            Self::NONE => None,
            one if one == Kind::Number.into() => Some(ColumnType::Number),
            one if one == Kind::Boolean.into() => Some(ColumnType::Boolean),
            _ => Some(ColumnType::Text),
        }
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        Self(1 << kind as u8)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(", "))
    }
}

impl From<Kinds> for String {
    fn from(kinds: Kinds) -> Self {
        kinds.to_string()
    }
}

impl TryFrom<String> for Kinds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut kinds = Self::NONE;
        for word in text.split(", ").filter(|word| !word.is_empty()) {
            let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
            kinds.insert(kind.ok_or_else(|| format!("{word:?} is no kind of value that is known here"))?);
        }
        Ok(kinds)
    }
}
