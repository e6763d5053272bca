//! A pipeline's command: what is run on each object, and in what surroundings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A program of the worker's image that makes records of an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    /// Variables it gets beside those that describe its object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether it gets the worker's own `AWS_` variables, and so its permissions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub aws: bool,
    /// How many bytes it may print.
    #[serde(default = "default_output_bytes")]
    pub output_bytes: u64,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// 1 GiB: some millions of records. More is a program that does not end.
pub(super) fn default_output_bytes() -> u64 {
    1 << 30
}
