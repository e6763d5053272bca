//! An invocation, and how it may fail.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use crate::wire::ApiError;

/// The largest payload and the largest response of an invocation, as AWS's error names it.
pub(crate) const PAYLOAD_BYTES: usize = 6_291_556;

/// One invocation, as a direct function gets it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function's name.
    pub function: String,
    /// Its environment, as a process would have it.
    pub environment: BTreeMap<String, String>,
    /// The event.
    pub payload: Value,
    /// The invocation's id.
    pub request_id: String,
    /// When it will have timed out.
    pub deadline: Timestamp,
}

/// How an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct FunctionError {
    /// The kind, such as `Sandbox.Timedout`, or the function's own.
    pub error_type: String,
    /// The sentence.
    pub message: String,
}

impl FunctionError {
    /// An error of this kind.
    #[must_use]
    pub fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), message: message.into() }
    }

    pub(super) fn timed_out(request_id: &str, after: Duration) -> Self {
        let message =
            format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", after.as_secs_f64());
        Self::new("Sandbox.Timedout", message)
    }

    /// Its process ended in the middle of it: `how` is `exit status 1` or `signal: killed`.
    pub(super) fn exited(request_id: &str, how: &str) -> Self {
        let message = format!("RequestId: {request_id} Error: Runtime exited with error: {how}");
        Self::new("Runtime.ExitError", message)
    }

    /// Its answer is larger than [`PAYLOAD_BYTES`].
    pub(super) fn too_large() -> Self {
        let message =
            format!("Response payload size exceeded maximum allowed payload size ({PAYLOAD_BYTES} bytes).");
        Self::new("Function.ResponseSizeTooLarge", message)
    }
}

/// Why an invocation has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvokeError {
    /// Lambda did not run the function: there is none, it may not run now, or the payload is too large.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The function ran and failed.
    #[error(transparent)]
    Failed(#[from] FunctionError),
}

/// A new id for an invocation.
pub(super) fn request_id() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}
