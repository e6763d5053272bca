//! What the slots say of the fleet.

use std::time::Duration;

use jiff::Timestamp;

use super::{Estimates, Report, Signals, Trend, estimates, overdue_after};
use crate::fleet::{Phase, Slot, free_for_drain};

/// The fleet of pooled workers, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetCounts {
    /// Workers that poll.
    pub running: u32,
    /// Tasks launched, not polling yet, and not [overdue](overdue_after).
    pub launching: u32,
    /// Tasks launched longer ago than that and still not polling.
    pub overdue: u32,
    /// How many pooled workers there may be: those above, and one for each free slot that they may take. Slots held
    /// by objects' own tasks or by workers that leave are nobody's for now.
    pub maximum: u32,
    /// Messages done by all workers ever.
    pub done: u64,
    /// What the workers have taught.
    pub estimates: Estimates,
}

/// Counts the fleet from all its slots, in order.
#[must_use]
pub fn fleet_counts(slots: &[Slot], now: Timestamp) -> FleetCounts {
    let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    // A worker that has not polled has reported nothing, and must not make the reports of others look old.
    let reported = slots.iter().filter(|slot| slot.polling_at.is_some());
    let reports = reported.map(|slot| Report {
        startup: slot.startup(),
        done: slot.done,
        busy: Duration::from_millis(slot.busy_ms),
        age: age(slot.last_heartbeat_at.unwrap_or(slot.launched_at)),
    });
    let estimates = estimates(&reports.collect::<Vec<_>>());
    let overdue_after = overdue_after(estimates.startup);
    let count = |is: &dyn Fn(&Slot) -> bool| {
        let found = slots.iter().filter(|slot| slot.is_drain() && is(slot)).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    };
    let is_overdue = |slot: &Slot| age(slot.launched_at) > overdue_after;
    let running = count(&|slot| slot.phase == Phase::Polling);
    let launching = count(&|slot| slot.phase == Phase::Launching && !is_overdue(slot));
    let overdue = count(&|slot| slot.phase == Phase::Launching && is_overdue(slot));
    let free = u32::try_from(free_for_drain(slots).count()).unwrap_or(u32::MAX);
    FleetCounts {
        running,
        launching,
        overdue,
        maximum: [running, launching, overdue].into_iter().fold(free, u32::saturating_add),
        done: slots.iter().map(Slot::done_ever).fold(0, u64::saturating_add),
        estimates,
    }
}

impl FleetCounts {
    /// Whether a worker is there, or on its way, to take what is queued now.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        self.running > 0 || self.launching > 0
    }

    /// With the queue's counts and what they have become since the last snapshot, all that [`launches`](super::launches)
    /// asks for.
    #[must_use]
    pub fn signals(&self, visible: u64, in_flight: u64, trend: &Trend) -> Signals {
        Signals {
            visible,
            in_flight,
            done_lately: trend.done_lately,
            waited: trend.waited,
            arrivals_per_second: trend.arrivals_per_second,
            service: self.estimates.service,
            startup: self.estimates.startup,
            running: self.running,
            launching: self.launching,
            overdue: self.overdue,
            maximum: self.maximum,
        }
    }
}
