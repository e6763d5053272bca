//! What a check finds out about the columns of one object.

use std::sync::Arc;

use super::Kinds;

/// The columns of one object, or the names that its JSON records have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Each name once.
    pub columns: Vec<ObservedColumn>,
    /// Every value is of its column's one type, as in delimited text. So a column that was text is text here too, whatever
    /// its values would have been taken for.
    pub is_table: bool,
    /// There were more names than are kept, so that a name that is not here may have been there.
    pub is_partial: bool,
}

/// A column of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedColumn {
    /// Its name.
    pub name: Arc<str>,
    /// What its values were found to be: nothing if it has none, or if its type was given and not found.
    pub kinds: Kinds,
    /// Whether every record has it.
    pub in_every_record: bool,
}
