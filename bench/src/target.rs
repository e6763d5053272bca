//! Where the records go.

use std::fmt;

use clap::ValueEnum;

/// The name of the table of one's own.
pub(crate) const OWN_TABLE: &str = "orders";

/// Where the records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The stack's records table, in batches of 25.
    Records,
    /// A table of one's own, each on a condition and in a call of its own.
    OwnTable,
}

impl Target {
    /// The keys of the pipeline that say so.
    pub(crate) fn keys(self) -> String {
        match self {
            Self::Records => String::new(),
            Self::OwnTable => format!("table = \"{OWN_TABLE}\"\n"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records => "records",
            Self::OwnTable => "own-table",
        })
    }
}
