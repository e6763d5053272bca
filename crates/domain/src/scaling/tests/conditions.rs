//! The conditions of a simulation, and the history that it returns.

use std::{ops::Range, time::Duration};

use super::super::*;

/// Milliseconds since the start.
pub(super) type Ms = u64;
pub(super) const SECOND: Ms = 1000;
pub(super) const MINUTE: Ms = 60 * SECOND;

/// How tasks, queue and scaler behave in a simulation.
#[derive(Clone)]
pub(super) struct Conditions {
    pub(super) maximum: u32,
    /// Launch to first poll.
    pub(super) startup: Range<Ms>,
    /// Before this, no launched task ever polls.
    pub(super) starts_work_from: Ms,
    /// The share of tasks that never poll.
    pub(super) never_start: f64,
    /// How long a worker lives after its first poll, if it does not leave before.
    pub(super) lifetime: Option<Range<Ms>>,
    /// How old the queue's counts are.
    pub(super) counts_age: Range<Ms>,
    /// Messages a worker takes at a time.
    pub(super) batch: usize,
    /// The service time that the law gets in place of the learned one.
    pub(super) known_service: Option<Duration>,
    /// How many runs of the scaler overlap each time.
    pub(super) scalers: u32,
    /// Replaces the law.
    pub(super) law: fn(&Signals) -> u32,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            maximum: 100,
            startup: 30 * SECOND..60 * SECOND,
            starts_work_from: 0,
            never_start: 0.0,
            lifetime: None,
            counts_age: 0..1,
            batch: 1,
            known_service: None,
            scalers: 1,
            law: launches,
        }
    }
}

/// Work to come: when, how many messages, and how long each takes.
pub(super) type Arrivals = Vec<(Ms, usize, Ms)>;

/// What became of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct History {
    /// When, how many.
    pub(super) launches: Vec<(Ms, u32)>,
    pub(super) launched: u32,
    /// The most slots held at once.
    pub(super) peak: u32,
    pub(super) done: usize,
    /// When the last message was done.
    pub(super) finished: Ms,
    /// Tasks that hold slots at the end.
    pub(super) left: usize,
    /// The longest that a message took from arrival to done, and the sum of all.
    pub(super) longest: Ms,
    pub(super) total_wait: Ms,
    /// Time paid, a minute at least for each task.
    pub(super) paid: Ms,
}
