//! Retries of what DynamoDB leaves unprocessed of a batch, which it reports inside an answer of 200.

use super::CallError;
use domain::retry::UNPROCESSED_ITEMS;

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
        if self.tries == UNPROCESSED_ITEMS.attempts {
            return Err(CallError::retries_exhausted(attempt(), "DynamoDB keeps leaving items unprocessed"));
        }
        tokio::time::sleep(UNPROCESSED_ITEMS.delay(self.tries - 1, fastrand::f64())).await;
        Ok(())
    }
}
