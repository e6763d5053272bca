//! What is counted at a queue: what it holds, now or a while ago, and what has passed through it.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

/// What a queue holds now. AWS calls these numbers approximate; here they are exact, unless a test wants them late
/// ([`set_counts_delay`](super::Sqs::set_counts_delay)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages a receive can get.
    pub visible: usize,
    /// Messages received and neither deleted nor visible again.
    pub in_flight: usize,
    /// Messages not yet visible for the first time.
    pub delayed: usize,
    /// How long the oldest message has been in this queue; zero for an empty one.
    pub oldest_age: Duration,
}

/// Messages that have passed through a queue since it was created. They only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    /// Sent by a client. What arrives as a dead letter or by a move is not counted, as on AWS.
    pub(crate) sent: u64,
    /// Handed to a receiver, each time anew.
    pub(crate) received: u64,
    /// Successful deletes, also of what was deleted already, as AWS counts them.
    pub(crate) deleted: u64,
}

/// The counts of a queue over the latest `delay`.
#[derive(Debug)]
pub(super) struct History {
    delay: Duration,
    /// Each with the time from which it held.
    past: VecDeque<(Timestamp, Counts)>,
}

impl History {
    pub(super) fn new(delay: Duration) -> Self {
        Self { delay, past: VecDeque::new() }
    }

    /// Notes that `counts` held from `at`, which is not before any noted earlier.
    pub(super) fn note(&mut self, at: Timestamp, counts: Counts) {
        match self.past.back_mut() {
            Some((last, noted)) if *last == at => *noted = counts,
            Some((_, noted)) if *noted == counts => {}
            _ => self.past.push_back((at, counts)),
        }
        // Of those that held before the time that can be asked for, only the last one counts.
        while self.past.get(1).is_some_and(|(next, _)| *next + self.delay <= at) {
            self.past.pop_front();
        }
    }

    /// What held `delay` before `now`; of a queue that was `created` later, nothing.
    pub(super) fn counts(&self, now: Timestamp, created: Timestamp) -> Counts {
        if now < created + self.delay {
            return Counts::default();
        }
        let held = self.past.iter().rev().find(|(from, _)| *from + self.delay <= now);
        held.or(self.past.front()).map(|(_, counts)| *counts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn visible(visible: usize) -> Counts {
        Counts { visible, ..Counts::default() }
    }

    #[test]
    fn what_held_then_is_found_and_the_rest_is_forgotten() {
        let mut history = History::new(Duration::from_secs(60));
        for second in 0..1_000 {
            history.note(at(second), visible(second as usize / 10));
        }
        assert_eq!(history.past.len(), 7);
        assert_eq!(history.counts(at(999), at(0)), visible(93));
        assert_eq!(history.counts(at(1_049), at(0)), visible(98));
        assert_eq!(history.counts(at(9_999), at(0)), visible(99));
        assert_eq!(history.counts(at(999), at(940)), visible(0));
    }
}
