//! The retry policy of a target, which rules and schedules have alike: how often and how long a failed delivery is
//! tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::wire::ApiError;

/// Retries begin about this far apart and double from there...
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// ...up to this, so that 185 of them fill about 24 hours.
const SLOWEST_RETRY: Duration = Duration::from_secs(600);

/// The retries of one delivery.
#[derive(Debug)]
pub(crate) struct Retries {
    most: u32,
    max_age: Duration,
    begun: Instant,
    count: u32,
}

/// Why a delivery is not tried again.
#[derive(Debug)]
pub(crate) struct Undelivered {
    /// The last attempt's error.
    pub(crate) error: ApiError,
    /// How often it was tried again.
    pub(crate) retries: u32,
    /// The limit of the retry policy that was reached; none where a retry could not have helped.
    pub(crate) exhausted: Option<&'static str>,
}

impl Retries {
    /// Those of a delivery that begins now: at most `most`, and none later than `max_age` from now.
    pub(crate) fn new(most: u32, max_age: Duration) -> Self {
        Self { most, max_age, begun: Instant::now(), count: 0 }
    }

    /// The number of the next attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.count + 1
    }

    /// Returns when the next attempt is due.
    ///
    /// # Errors
    /// When there is none, because the error is final or a limit of the policy is reached.
    pub(crate) async fn after(&mut self, error: ApiError) -> Result<(), Undelivered> {
        let wait = back_off(self.count);
        let exhausted = if !is_transient(&error) {
            None
        } else if self.count >= self.most {
            Some("MaximumRetryAttempts")
        } else if self.begun.elapsed() + wait > self.max_age {
            Some("MaximumEventAgeInSeconds")
        } else {
            sleep(wait).await;
            self.count += 1;
            return Ok(());
        };
        Err(Undelivered { error, retries: self.count, exhausted })
    }
}

/// Exponential with jitter: how long to wait after this many retries.
fn back_off(retries: u32) -> Duration {
    let full = FIRST_RETRY.saturating_mul(1 << retries.min(16)).min(SLOWEST_RETRY);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Whether a retry could help. EventBridge does not retry what lacks a permission or a target.
fn is_transient(error: &ApiError) -> bool {
    error.status >= 500 || error_code(error) == "THROTTLING"
}

/// The code by which EventBridge's dead letters call an error.
pub(super) fn error_code(error: &ApiError) -> &'static str {
    let has = |part: &str| error.code.contains(part);
    if has("Throttl") || has("TooManyRequests") || has("OverLimit") || error.status == 429 {
        "THROTTLING"
    } else if has("NotFound") || has("DoesNotExist") {
        "NO_RESOURCE"
    } else if has("AccessDenied") {
        "NO_PERMISSIONS"
    } else if error.status < 500 {
        "INVALID_PARAMETER"
    } else {
        "SDK_CLIENT_ERROR"
    }
}
