//! How many pooled workers to launch, and what that decision knows.
//!
//! The fleet drains the backlog queue and then ends: a worker that finds nothing to do ends, once the minute
//! that is paid anyway is over. So nobody who is busy is ever stopped, and all there is to decide is how many to
//! launch now. [`launches`] decides it from [`Signals`]; [`estimates`] learns from the fleet how long messages and
//! starts take; [`observe_queue`] remembers the queue from one run of the scaler to the next; [`fleet_counts`] counts the fleet
//! from its slots.
//!
//! Runs may overlap (the schedule, an alarm, an upload to an empty fleet). They need no lock: the fleet has numbered
//! slots, a launch first takes its slot by a conditional write on the state it saw, and a run goes for the
//! lowest-numbered free ones. Runs that saw the same thing want the same slots, and each slot is won once.

mod estimates;
mod fleet_counts;
mod queue_snapshot;
#[cfg(test)]
mod tests;

use std::time::Duration;

use pricing::LEAST_TASK_SECONDS;

pub use estimates::{Estimates, FIRST_SERVICE, FIRST_STARTUP, Report, estimates};
pub use fleet_counts::{FleetCounts, fleet_counts};
pub use queue_snapshot::{QueueSnapshot, STALE_AFTER, Trend, observe_queue};

/// The time a launched task is paid for at least: Fargate bills by the second from the image pull, for no less than
/// a minute (<https://aws.amazon.com/fargate/pricing/>).
pub const PAID: Duration = Duration::from_secs(LEAST_TASK_SECONDS);

/// How long messages may wait, beyond a start-up, before what was learned is no longer believed. Work that is
/// launched for is done a start-up and a paid minute later, give or take a minute's age of the counts.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The age at which a launched task that does not poll yet is no longer expected to: about 1 % of tasks never start.
///
/// Twice the usual, and never less than 90 s, since image pulls vary by that much; never more than 4 minutes, since
/// after 5 its slot is taken from it.
#[must_use]
pub fn overdue_after(startup: Duration) -> Duration {
    startup.saturating_mul(2).clamp(Duration::from_secs(90), Duration::from_secs(240))
}

/// What is known when the scaler runs. Counts are those of SQS and of the fleet's slots; they may be a minute old.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    /// Messages nobody holds. A caller that has just sent some counts at least those: the queue's own count may not
    /// show them yet.
    pub visible: u64,
    /// Messages that workers hold, or held when they died less than the visibility timeout ago.
    pub in_flight: u64,
    /// Messages done in the last minute or so: [`Trend::done_lately`]. Counts that old still show them.
    pub done_lately: u64,
    /// For how long messages wait by now: [`Trend::waited`].
    pub waited: Duration,
    /// Messages that arrive per second, when that goes on: [`Trend::arrivals_per_second`].
    pub arrivals_per_second: f64,
    /// One worker's time for one message, its concurrency already in it: [`Estimates::service`].
    pub service: Duration,
    /// From launch to first poll: [`Estimates::startup`].
    pub startup: Duration,
    /// Workers that poll.
    pub running: u32,
    /// Tasks launched, not polling yet, and not [overdue](overdue_after).
    pub launching: u32,
    /// Tasks launched longer ago than [`overdue_after`] and still not polling. They hold slots; nothing more is
    /// expected of them.
    pub overdue: u32,
    /// How many tasks the fleet may have.
    pub maximum: u32,
}

/// How many workers to launch now.
///
/// A task launched now polls after `startup` and is paid for a minute. What there will be to do by the end of that
/// minute is set against what the fleet can do by then, in worker-seconds:
/// ```text
/// needed = (visible + in flight + arrivals in a paid minute) × service
/// there  = running × (startup + paid) + launching × paid
/// launch   ⌈(needed − there) ÷ paid⌉
/// ```
/// - Never more than the messages that nobody holds and no launched task will take: each takes at least one.
/// - While messages wait and nobody runs or starts: at least one. Nobody running also means that the counts may show
///   what a fleet did before it left: what was done lately is then no reason for more than that one.
/// - Nobody running and launches overdue: tasks cannot start, so one at a time until one polls.
/// - Messages that wait longer than `startup` + [`PATIENCE`] while nobody starts: workers are stuck, or dead, or the
///   estimates wrong. Then at least half as many as run, on top, each time.
/// - Never above the maximum, overdue tasks included.
///
/// Launching what it says makes `there` as large as `needed`: run again on the same counts, it says 0.
///
/// ```
/// use std::time::Duration;
///
/// use domain::scaling::{Signals, launches};
///
/// let idle = Signals {
///     visible: 0,
///     in_flight: 0,
///     done_lately: 0,
///     waited: Duration::ZERO,
///     arrivals_per_second: 0.0,
///     service: Duration::from_millis(200),
///     startup: Duration::from_secs(30),
///     running: 0,
///     launching: 0,
///     overdue: 0,
///     maximum: 10,
/// };
/// assert_eq!(launches(&idle), 0);
/// // A single message is enough for the first worker.
/// assert_eq!(launches(&Signals { visible: 1, ..idle.clone() }), 1);
/// // 1,500 messages of 200 ms are 300 worker-seconds: five workers for their paid minute.
/// let flood = Signals { visible: 1_500, ..idle };
/// assert_eq!(launches(&flood), 5);
/// // Workers that are starting count, and there are never more than the maximum.
/// assert_eq!(launches(&Signals { launching: 5, ..flood.clone() }), 0);
/// assert_eq!(launches(&Signals { visible: 1_000_000, ..flood }), 10);
/// ```
#[must_use]
pub fn launches(signals: &Signals) -> u32 {
    let Signals { visible, done_lately, running, launching, overdue, maximum, .. } = *signals;
    let wanted = if running == 0 && overdue > 0 { 0 } else { by_deficit(signals).max(by_patience(signals)) };
    let waiting = if running == 0 { visible.saturating_sub(done_lately) } else { visible };
    let unclaimed = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_sub(launching);
    let first = u32::from(visible > 0 && running == 0 && launching == 0);
    let live = running.saturating_add(launching).saturating_add(overdue);
    wanted.min(unclaimed).max(first).min(maximum.saturating_sub(live))
}

/// Why [`launches`] says 0, in words.
#[must_use]
pub fn why_none(signals: &Signals) -> &'static str {
    let Signals { visible, running, launching, overdue, maximum, .. } = *signals;
    if visible == 0 && signals.in_flight == 0 {
        "nothing waits"
    } else if visible == 0 {
        "workers have all there is in hand"
    } else if running.saturating_add(launching).saturating_add(overdue) >= maximum {
        "every place for pooled workers is taken"
    } else {
        "those that run and start are enough"
    }
}

/// What is missing by the end of the paid minute of a task launched now.
fn by_deficit(signals: &Signals) -> u32 {
    let paid = PAID.as_secs_f64();
    let arrivals = signals.arrivals_per_second * paid;
    let needed =
        (signals.visible as f64 + signals.in_flight as f64 + arrivals) * signals.service.as_secs_f64();
    let running = f64::from(signals.running) * (signals.startup.as_secs_f64() + paid);
    let there = running + f64::from(signals.launching) * paid;
    // The cast makes a negative number 0 and one too large the largest.
    ((needed - there) / paid).ceil() as u32
}

/// What is missing when the numbers say that nothing is, and yet messages wait.
fn by_patience(signals: &Signals) -> u32 {
    let exhausted = signals.launching == 0 && signals.waited > signals.startup + PATIENCE;
    if exhausted { signals.running.div_ceil(2).max(1) } else { 0 }
}
