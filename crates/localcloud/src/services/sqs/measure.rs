//! Measuring queues: their counts, now or late, and how many messages have passed through them.

use std::time::Duration;

use super::{
    Sqs,
    counts::{Counts, Totals},
    queue::Queue,
};

/// A queue measured once, as CloudWatch does each minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    pub(crate) counts: Counts,
    pub(crate) totals: Totals,
}

impl Sqs {
    /// Lets `GetQueueAttributes` answer the counts of `delay` ago instead of the present ones, for every queue.
    /// AWS's counts are approximate: they agree with the queue "about one minute after the producers stop sending
    /// messages". The default is none. What a queue held before this call is not known afterwards: until `delay`
    /// has passed, the counts are those of this moment.
    ///
    /// [`Sqs::counts`], the alarms' metrics and what a receive finds stay exact.
    pub fn set_counts_delay(&self, delay: Duration) {
        let now = self.clock.now();
        let mut state = self.state();
        state.counts_delay = delay;
        for queue in state.queues.values_mut() {
            queue.delay_counts(delay, now);
        }
    }

    /// Measures the queue of this name; none if there is none.
    pub(crate) fn reading(&self, name: &str) -> Option<Reading> {
        let now = self.clock.now();
        let mut state = self.state();
        let queue: &mut Queue = state.queues.get_mut(name)?;
        Some(Reading { counts: queue.counts(now), totals: queue.totals })
    }
}
