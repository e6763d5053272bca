//! Where a pooled worker is on its way from its first poll to its end: one value that every task of it can read.

use tokio::sync::watch;

/// What a pooled worker does. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It receives messages and processes them.
    Polling,
    /// Its slot belongs to another worker. It receives no more messages and finishes those in flight.
    Replaced,
    /// It was idle, or the queue cannot be received from. It has reported to the fleet that it leaves, and finishes what is in
    /// flight.
    Leaving,
    /// It was asked to stop. It receives no more messages; those in flight have a while to finish.
    Stopping,
    /// That time is over: jobs in flight are returned to the ledger.
    ForceStop,
}

/// The present phase. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct PhaseWatch(watch::Sender<Phase>);

impl PhaseWatch {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Polling))
    }

    pub(super) fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Moves on to this phase; does nothing if the worker is there or further already.
    pub(super) fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let is_later = to > *phase;
            *phase = to.max(*phase);
            is_later
        });
    }

    /// Waits until the worker is in this phase or a later one.
    pub(super) async fn reached(&self, phase: Phase) {
        // It fails only when all senders are gone, and `self` is one.
        drop(self.0.subscribe().wait_for(|now| *now >= phase).await);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_phase_is_reached_once_and_never_left_backwards() {
        let phase = PhaseWatch::new();
        let mut stopping = Box::pin(phase.reached(Phase::Stopping));
        assert!((&mut stopping).now_or_never().is_none());
        phase.advance(Phase::Replaced);
        assert!((&mut stopping).now_or_never().is_none());
        phase.advance(Phase::ForceStop);
        assert!(stopping.now_or_never().is_some(), "a later phase includes the earlier ones");
        phase.advance(Phase::Leaving);
        assert_eq!(phase.now(), Phase::ForceStop);
    }
}
