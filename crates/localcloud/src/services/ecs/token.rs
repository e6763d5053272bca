//! Client tokens, by which a repeated RunTask finds the tasks of the first.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// What a client token stands for.
#[derive(Debug)]
pub(super) struct Token {
    /// The call without its token, its definition resolved: a deploy makes it another call.
    pub(super) parameters: Value,
    pub(super) tasks: Vec<String>,
    pub(super) created: Timestamp,
}

impl Token {
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        now.duration_since(self.created) < SignedDuration::from_hours(24)
    }
}
