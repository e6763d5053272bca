//! The differences of one object, as its job carries them.

use serde::{Deserialize, Serialize};

use super::Kinds;
use crate::text::{count, grouped, shortened};

/// How many drifts of an object are listed. A table has up to 4,096 columns.
const LISTED: usize = 20;

/// The most characters of a column's name that are kept of it. A name may have 65,535 bytes.
const NAME_CHARS: usize = 100;

/// How an object differs from earlier objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drifts {
    /// The first of them.
    pub listed: Vec<Drift>,
    /// How many columns differ.
    pub total: u64,
    /// The object has no record, and its older version has this many, which become invisible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptied: Option<u64>,
}

/// One column that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Its name, shortened if it is very long.
    pub column: String,
    /// How it differs.
    #[serde(flatten)]
    pub change: Change,
}

/// How a column differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// No earlier object had it.
    New,
    /// Earlier objects had it in every record since one first had it, and this object has it in none.
    Missing,
    /// Its values are of another kind.
    Type {
        /// What they were in earlier objects.
        before: Kinds,
        /// What they are in this one.
        found: Kinds,
    },
}

impl Drifts {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many differences there are, for the metric.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total + u64::from(self.emptied.is_some())
    }

    pub(super) fn push(&mut self, column: &str, change: Change) {
        self.total += 1;
        if self.listed.len() < LISTED {
            self.listed.push(Drift { column: shortened(column, NAME_CHARS), change });
        }
    }

    /// What differs, as a sentence without its full stop: `new: "tip"; missing: "note"; changed: "zip" from number to
    /// text`. Names are quoted as they stand, so what prints the sentence has to escape it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (mut new, mut missing, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for Drift { column, change } in &self.listed {
            match change {
                Change::New => new.push(format!("\"{column}\"")),
                Change::Missing => missing.push(format!("\"{column}\"")),
                Change::Type { before, found } => {
                    changed.push(format!("\"{column}\" from {} to {}", before.in_words(), found.in_words()));
                }
            }
        }
        let parts = [("new", new), ("missing", missing), ("changed", changed)];
        let parts = parts.into_iter().filter(|(_, named)| !named.is_empty());
        let mut parts: Vec<String> =
            parts.map(|(word, named)| format!("{word}: {}", named.join(", "))).collect();
        let emptied = self
            .emptied
            .map(|records| format!("no records, where its older version has {}", grouped(records)));
        parts.extend(emptied);
        let more = self.total.saturating_sub(self.listed.len() as u64);
        if more > 0 {
            parts.push(format!("and {}", count(more, "more column")));
        }
        parts.join("; ")
    }
}
