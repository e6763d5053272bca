//! The breaker in the fleet table.

use super::{CallError, fleet::Fleet};
use domain::breaker::Breaker;

/// Its place in the fleet table.
pub(super) const BREAKER: &str = "breaker:1";

impl Fleet {
    /// The breaker as it stands; closed, if there was never reason to keep one.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn breaker(&self) -> Result<Breaker, CallError> {
        Ok(self.kept(BREAKER).await?.unwrap_or_default())
    }

    /// Changes the breaker, and returns what `change` does, as [`Fleet::change`] does with any document.
    ///
    /// # Errors
    /// [`CallError`]: it may be changed.
    pub async fn change_breaker<R>(
        &self,
        verb: &str,
        change: impl Fn(&mut Breaker) -> R,
    ) -> Result<R, CallError> {
        self.change(BREAKER, verb, change).await
    }
}
