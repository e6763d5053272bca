//! What an object has turned out to hold: its layout and the type of each column.

use std::sync::Arc;

pub use domain::pipelines::ColumnType;

use super::format::Layout;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the header.
    pub name: Arc<str>,
    /// Its type, declared or settled by all of its values.
    pub kind: ColumnType,
}

/// A row that is a total of others and no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Its number, counted from 1.
    pub row: u64,
    /// What says so, in words.
    pub evidence: String,
}

/// What a check has settled about an object, for reading its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// How the text is laid out.
    pub layout: Layout,
    /// The columns in order; none for JSON, whose values bring their types.
    pub columns: Vec<Column>,
    /// The rows that are totals of others, in order.
    pub totals: Vec<Total>,
}
