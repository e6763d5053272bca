//! An event that waits for its invocation, and what has become of it so far.

use serde_json::Value;

use super::{alias::Qualified, invocation::InvokeError};

/// An accepted event.
pub(super) struct Event {
    pub(super) function: Qualified,
    pub(super) request_id: String,
    pub(super) payload: Value,
}

/// What has become of an event's tries so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// Those in which the function failed.
    pub(super) failed: u32,
    /// Those that Lambda did not run.
    pub(super) refused: u32,
}

impl Tries {
    pub(super) fn count(&mut self, error: &InvokeError) {
        match error {
            InvokeError::Failed(_) => self.failed += 1,
            InvokeError::Refused(_) => self.refused += 1,
        }
    }
}

/// Why an event is not tried again, as its record calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    RetriesExhausted,
    EventAgeExceeded,
    /// The function has a reserved concurrency of 0.
    ZeroReservedConcurrency,
}
