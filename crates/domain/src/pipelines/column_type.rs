//! The types that a column can have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a column, declared by a pipeline or settled by all of the column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text, as it stands: `01001` keeps its zero. An empty field is an empty text.
    Text,
    /// A number with all its digits. An empty field is null.
    Number,
    /// `true` or `false`, in any case. An empty field is null.
    Boolean,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
        })
    }
}
