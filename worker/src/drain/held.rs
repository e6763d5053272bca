//! The messages this worker holds, and what it tells of itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws::fleet::Tally;
use tokio::time::Instant;

/// The messages held. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Held(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Receipts, by the order of their arrival.
    receipts: BTreeMap<u64, String>,
    next: u64,
    /// Since when there is something to do, or nothing.
    since: Instant,
    /// For how long there was something to do before that.
    busy: Duration,
    settled: u64,
    records: u64,
}

/// A message held, until this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    held: Held,
    number: u64,
}

impl Held {
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

    /// Holds a message from now on.
    pub(super) fn take(&self, receipt: &str) -> Hold {
        let mut state = self.state();
        if state.receipts.is_empty() {
            state.since = Instant::now();
        }
        let number = state.next;
        state.next += 1;
        state.receipts.insert(number, receipt.to_owned());
        Hold { held: self.clone(), number }
    }

    pub(super) fn len(&self) -> usize {
        self.state().receipts.len()
    }

    /// The receipts of all messages held.
    pub(super) fn receipts(&self) -> Vec<String> {
        self.state().receipts.values().cloned().collect()
    }

    /// Since when nothing is held; `None` while something is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.receipts.is_empty().then_some(state.since)
    }

    /// A message is settled; of an object that became so many records.
    pub(super) fn settled(&self, records: u64) {
        let mut state = self.state();
        state.settled += 1;
        state.records += records;
    }

    /// What the fleet is told: messages settled, and for how long there was something to do, up to now.
    pub(super) fn tally(&self) -> Tally {
        let state = self.state();
        let now = if state.receipts.is_empty() { Duration::ZERO } else { state.since.elapsed() };
        Tally { done: state.settled, busy: state.busy + now }
    }

    /// Records made visible so far.
    pub(super) fn records(&self) -> u64 {
        self.state().records
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts and receipts are whole between any two lines that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.held.state();
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
    async fn time_is_busy_while_anything_is_held() {
        let held = Held::new();
        let second = Duration::from_secs(1);
        tokio::time::advance(second * 5).await;
        let first = held.take("a");
        tokio::time::advance(second * 2).await;
        let other = held.take("b");
        drop(first);
        tokio::time::advance(second * 3).await;
        assert_eq!((held.tally().busy, held.idle_since()), (second * 5, None), "the message in hand counts");
        drop(other);
        let idle_since = Instant::now();
        tokio::time::advance(second * 9).await;
        held.settled(7);
        assert_eq!((held.tally(), held.records()), (Tally { done: 1, busy: second * 5 }, 7));
        assert_eq!(held.idle_since(), Some(idle_since));
    }
}
