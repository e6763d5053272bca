//! The messages in flight in this worker, and its statistics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws::fleet::WorkerStats;
use tokio::time::Instant;

/// The messages in flight. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct InFlight(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Receipt handles, in the order of arrival.
    receipts: BTreeMap<u64, String>,
    next: u64,
    /// Since when any message is in flight, or none is.
    since: Instant,
    /// How long messages were in flight before that.
    busy: Duration,
    settled: u64,
    records: u64,
}

/// Keeps a message in flight until it is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    in_flight: InFlight,
    number: u64,
}

impl InFlight {
    pub(super) fn new() -> Self {
        let (busy, since) = (Duration::ZERO, Instant::now());
        Self(Arc::new(Mutex::new(State {
            receipts: BTreeMap::new(),
            next: 0,
            since,
            busy,
            settled: 0,
            records: 0,
        })))
    }

    /// Counts a message as in flight from now on.
    pub(super) fn start(&self, receipt: &str) -> InFlightGuard {
        let mut state = self.state();
        if state.receipts.is_empty() {
            state.since = Instant::now();
        }
        let number = state.next;
        state.next += 1;
        state.receipts.insert(number, receipt.to_owned());
        InFlightGuard { in_flight: self.clone(), number }
    }

    pub(super) fn len(&self) -> usize {
        self.state().receipts.len()
    }

    /// The receipt handles of all messages in flight.
    pub(super) fn receipts(&self) -> Vec<String> {
        self.state().receipts.values().cloned().collect()
    }

    /// Since when no message is in flight; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.receipts.is_empty().then_some(state.since)
    }

    /// Counts a message as done, and the records that its job made visible.
    pub(super) fn settled(&self, records: u64) {
        let mut state = self.state();
        state.settled += 1;
        state.records += records;
    }

    /// What each check-in at the fleet reports: messages done, and how long messages were in flight, up to now.
    pub(super) fn stats(&self) -> WorkerStats {
        let state = self.state();
        let now = if state.receipts.is_empty() { Duration::ZERO } else { state.since.elapsed() };
        WorkerStats { done: state.settled, busy: state.busy + now }
    }

    /// How many records became visible so far.
    pub(super) fn records(&self) -> u64 {
        self.state().records
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can happen while the lock is held, so the state is consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut state = self.in_flight.state();
        state.receipts.remove(&self.number);
        if state.receipts.is_empty() {
            let busy = state.since.elapsed();
            state.busy += busy;
            state.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_counts_as_busy_while_any_message_is_in_flight() {
        let in_flight = InFlight::new();
        let second = Duration::from_secs(1);
        tokio::time::advance(second * 5).await;
        let first = in_flight.start("a");
        tokio::time::advance(second * 2).await;
        let other = in_flight.start("b");
        drop(first);
        tokio::time::advance(second * 3).await;
        assert_eq!(
            (in_flight.stats().busy, in_flight.idle_since()),
            (second * 5, None),
            "the message in flight counts"
        );
        drop(other);
        let idle_since = Instant::now();
        tokio::time::advance(second * 9).await;
        in_flight.settled(7);
        assert_eq!((in_flight.stats(), in_flight.records()), (WorkerStats { done: 1, busy: second * 5 }, 7));
        assert_eq!(in_flight.idle_since(), Some(idle_since));
    }
}
