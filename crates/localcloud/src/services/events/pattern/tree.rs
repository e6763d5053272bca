//! A pattern as it was read: trees of matchers, or what is wrong with it.

use std::collections::BTreeMap;

use super::matcher::Matcher;

/// What an alternative asks of the members of one object.
pub(super) type Tree = BTreeMap<String, Node>;

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    /// Lists of matchers, of each of which one must match. Several lists come from a field that is named both
    /// beside a `$or` and in it.
    pub(super) leaves: Vec<Vec<Matcher>>,
    /// What is asked of the object below.
    pub(super) below: Option<Tree>,
}

/// Why a pattern is not one, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event pattern is not valid at {path}: {reason}")]
pub struct PatternError {
    /// The place, such as `detail.state[0]`; `$` is the pattern as a whole.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}
