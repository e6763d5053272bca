//! What is in flight, counted: deliveries, firings, invocations.

use tokio::sync::watch;

/// How many are in flight. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct InFlight(watch::Sender<usize>);

/// One that is in flight for as long as this lives, however it ends.
#[derive(Debug)]
pub(crate) struct InFlightGuard(watch::Sender<usize>);

impl InFlight {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Begins one.
    pub(crate) fn begin(&self) -> InFlightGuard {
        self.0.send_modify(|count| *count += 1);
        InFlightGuard(self.0.clone())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there are none.
    pub(crate) async fn none(&self) {
        // The sender is ours: the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
