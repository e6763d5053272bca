//! A rate limit for calls that AWS throttles.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

/// Bounds the calls of one process within a time. Clones share the bound.
#[derive(Debug, Clone)]
pub(super) struct RateLimit {
    turns: Arc<Semaphore>,
    within: Duration,
}

impl RateLimit {
    /// At most `calls` within this time.
    pub(super) fn new(calls: usize, within: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(calls)), within }
    }

    /// Runs a call when its turn has come.
    pub(super) async fn run<T>(&self, call: impl Future<Output = T>) -> T {
        // Never closed, so never an error.
        let turn = self.turns.clone().acquire_owned().await.ok();
        let answer = call.await;
        // Counted from the answer: AWS may have got it as late as that.
        let within = self.within;
        tokio::spawn(async move {
            tokio::time::sleep(within).await;
            drop(turn);
        });
        answer
    }
}
