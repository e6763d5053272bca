//! Retries of what DynamoDB leaves unprocessed of a batch, which it reports inside an answer of 200.

use std::time::Duration;

use super::CallError;
use domain::backoff;

/// How often in a row a batch may leave something unprocessed: with the back-off, some eight seconds.
const TRIES: u32 = 8;

/// The batches in a row that left something unprocessed.
#[derive(Debug, Default)]
pub(super) struct Unprocessed {
    tries: u32,
}

impl Unprocessed {
    /// To be called after each batch: waits if the batch left something, and longer the more often in a row.
    ///
    /// # Errors
    /// A retryable [`CallError`] when it has been too often.
    pub(super) async fn after(&mut self, left: bool, attempt: impl Fn() -> String) -> Result<(), CallError> {
        if !left {
            self.tries = 0;
            return Ok(());
        }
        self.tries += 1;
        if self.tries == TRIES {
            return Err(CallError::retries_exhausted(attempt(), "DynamoDB keeps leaving items unprocessed"));
        }
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        tokio::time::sleep(backoff::delay(self.tries, first, longest, fastrand::f64())).await;
        Ok(())
    }
}
