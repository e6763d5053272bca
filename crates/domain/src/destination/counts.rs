//! What became of the rows of an object in a table of the user's own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::guard::WriteOutcome;
use crate::text::{count, grouped};

/// How many rows came to which end, and how many items were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableCounts {
    /// Rows that are in the table.
    pub written: u64,
    /// Rows whose items were there already, with `write = "insert"`.
    pub kept: u64,
    /// Rows that a newer version of the object, or a later object, has written over or kept out.
    pub superseded: u64,
    /// Rows left out because a later row of the object has the same key.
    pub duplicates: u64,
    /// Items of older versions that were deleted, with `write = "replace"`.
    pub deleted: u64,
}

impl TableCounts {
    /// Counts the outcome of a row.
    pub fn add(&mut self, outcome: WriteOutcome) {
        match outcome {
            WriteOutcome::Written => self.written += 1,
            WriteOutcome::Kept => self.kept += 1,
            WriteOutcome::Superseded => self.superseded += 1,
            WriteOutcome::Duplicate => self.duplicates += 1,
        }
    }
}

/// `1,000 records written, 2 kept`: what is zero is left out.
impl fmt::Display for TableCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} written", count(self.written, "record"))?;
        let rest = [
            (self.kept, "kept as they were"),
            (self.superseded, "superseded by later objects"),
            (self.duplicates, "left out for a later row of the same key"),
            (self.deleted, "deleted"),
        ];
        rest.iter().filter(|(n, _)| *n > 0).try_for_each(|(n, what)| write!(f, ", {} {what}", grouped(*n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_left_out() {
        let counts = TableCounts { written: 1, deleted: 1_200, ..TableCounts::default() };
        assert_eq!(counts.to_string(), "1 record written, 1,200 deleted");
    }
}
