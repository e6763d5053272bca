//! What can go wrong with one call.

use std::time::Duration;

use crate::wire::{ApiError, Partial};

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// The service answers this error and does nothing.
    Refuse(ApiError),
    /// The service says, in its own words, that it is called too often: `SlowDown` from S3.
    Throttle,
    /// `TransactWriteItems` is cancelled, with this code (`TransactionConflict`, `ThrottlingError`) as the reason
    /// of its first action.
    CancelTransaction {
        /// The cancellation reason's code.
        code: String,
    },
    /// The connection breaks before the service sees the call.
    LoseRequest,
    /// The service does its work and the connection breaks before the answer.
    LoseAnswer,
    /// The connection stays open and no answer comes; the service does not see the call.
    Hang,
    /// The service does its work, the connection stays open and no answer comes.
    HangAnswer,
    /// The call takes this much longer; further rules may still apply to it.
    Delay(Duration),
    /// The answer is good but breaks off after this many bytes of its body.
    CutBody {
        /// How many bytes arrive.
        after: u64,
    },
    /// The answer is good, but after this many bytes of its body no more come and the connection stays open.
    StallBody {
        /// How many bytes arrive.
        after: u64,
    },
    /// The answer is good but reports a part of the work as not done.
    Part(Partial),
}
