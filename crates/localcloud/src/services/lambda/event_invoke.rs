//! How the asynchronous invocations of a function or an alias are retried.

use std::time::Duration;

/// How a function's asynchronous invocations are retried, and where their records go
/// (`AWS::Lambda::EventInvokeConfig`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventInvokeConfig {
    /// How often a failed one is tried again: 0 to 2.
    pub max_retries: u32,
    /// How long it is tried: 60 s to 6 h.
    pub max_age: Duration,
    /// The queue that gets a record of each that succeeded.
    pub on_success: Option<String>,
    /// The queue that gets a record of each that failed for good.
    pub on_failure: Option<String>,
}

impl Default for EventInvokeConfig {
    /// Lambda's: two more tries, six hours, and no destinations.
    fn default() -> Self {
        Self { max_retries: 2, max_age: Duration::from_secs(21_600), on_success: None, on_failure: None }
    }
}
