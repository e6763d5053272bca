//! Calls that no job waits for, with a time limit.

use std::time::Duration;

use aws::CallError;
use tokio::time::timeout;

/// How long such a call may take.
pub(super) const CALL: Duration = Duration::from_secs(15);

/// The result of a call that may take this long.
///
/// # Errors
/// [`CallError`] of the call; one that may be retried when the time is over.
pub(super) async fn within<T>(
    time: Duration,
    attempt: &str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout(time, call).await.unwrap_or_else(|elapsed| Err(CallError::retries_exhausted(attempt, elapsed)))
}
