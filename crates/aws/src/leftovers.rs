//! Patience with what DynamoDB leaves undone of a batch, inside an answer of 200.

use std::time::Duration;

use super::CallError;
use domain::backoff;

/// How often in a row a batch may leave something undone: with the back-off, some eight seconds.
const TRIES: u32 = 8;

/// The batches in a row that left something undone.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    tries: u32,
}

impl Leftovers {
    /// After each batch: waits if it left something, and longer the more often in a row.
    ///
    /// # Errors
    /// [`CallError`], to be tried again later, when it has been too often.
    pub(super) async fn after(&mut self, left: bool, attempt: impl Fn() -> String) -> Result<(), CallError> {
        if !left {
            self.tries = 0;
            return Ok(());
        }
        self.tries += 1;
        if self.tries == TRIES {
            return Err(CallError::exhausted(attempt(), "DynamoDB keeps leaving items unprocessed"));
        }
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        tokio::time::sleep(backoff::delay(self.tries, first, longest, fastrand::f64())).await;
        Ok(())
    }
}
