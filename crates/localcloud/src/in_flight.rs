//! What is in flight, counted: deliveries, firings, invocations.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many are in flight. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct InFlight(watch::Sender<usize>);

/// One that is in flight for as long as this lives, however it ends.
struct InFlightGuard(watch::Sender<usize>);

impl InFlight {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// `work`, counted from now until it ends, is dropped, or `end` is cancelled.
    pub(crate) fn count_until<F>(
        &self,
        end: &CancellationToken,
        work: F,
    ) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send,
    {
        self.0.send_modify(|count| *count += 1);
        let (guard, end) = (InFlightGuard(self.0.clone()), end.clone());
        async move {
            let _guard = guard;
            // Cancelled or not, it is over.
            let _ = end.run_until_cancelled(work).await;
        }
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
