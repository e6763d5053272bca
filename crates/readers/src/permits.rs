//! Permits to hold buffers of full size, which bound the memory of many readers at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reason::ReadError;

/// Limits how many readers may be beyond the first 128 KiB of their text at once. Up to there a reader holds little; beyond
/// it may hold buffers of full size. Clones share the permits.
#[derive(Debug, Clone)]
pub struct BufferPermits {
    permits: Arc<Semaphore>,
    all: usize,
}

impl BufferPermits {
    /// What the holder of one permit may hold in memory: 24 MiB.
    pub(super) const BYTES: u64 = 24 << 20;

    /// How many permits one reader can have.
    const MOST: usize = 4;

    /// Permits for this many readers.
    #[must_use]
    pub fn new(readers: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(readers)), all: readers }
    }

    /// Waits for a permit, which is given back when it is dropped.
    pub(super) async fn acquire(&self) -> Result<Permit, ReadError> {
        self.acquire_many(1).await.map(|(permit, _)| permit)
    }

    /// Waits for `wanted` permits, or for all that one reader can have, and says how many it has got. They come all
    /// together, so nobody who waits here holds some of them.
    pub(super) async fn acquire_many(&self, wanted: usize) -> Result<(Permit, usize), ReadError> {
        let granted = wanted.clamp(1, Self::MOST.min(self.all));
        // At most four.
        let permits = self.permits.clone().acquire_many_owned(granted as u32).await;
        let permit = permits.map_err(|closed| ReadError::Source(std::io::Error::other(closed)))?;
        Ok((Permit(permit), granted))
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
