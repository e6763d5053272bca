//! Permits to hold buffers of full size, which bound the memory of many readers at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reason::ReadError;

/// Limits how many readers may be beyond the first 128 KiB of their text at once. Up to there a reader holds little; beyond
/// it may hold buffers of full size. Clones share the permits.
#[derive(Debug, Clone)]
pub struct BufferPermits(Arc<Semaphore>);

impl BufferPermits {
    /// Permits for this many readers.
    #[must_use]
    pub fn new(readers: usize) -> Self {
        Self(Arc::new(Semaphore::new(readers)))
    }

    /// Waits for a permit, which is given back when it is dropped.
    pub(super) async fn acquire(&self) -> Result<Permit, ReadError> {
        let permit = self.0.clone().acquire_owned().await;
        permit.map(Permit).map_err(|closed| ReadError::Source(std::io::Error::other(closed)))
    }
}

impl Default for BufferPermits {
    /// Permits for any number of readers.
    fn default() -> Self {
        Self::new(Semaphore::MAX_PERMITS)
    }
}

/// A permit in use.
pub(super) struct Permit(#[expect(dead_code, reason = "held, and given back on drop")] OwnedSemaphorePermit);
