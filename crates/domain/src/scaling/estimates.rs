//! Estimates from the fleet's own reports: how long one message takes, how long a start takes.

use std::time::Duration;

/// The service time assumed before any worker has reported. A small object costs a round trip to S3 (its first byte
/// takes 100 to 200 ms) and a few to DynamoDB, of which a worker overlaps several. Too low rather than too high: a
/// launch that was missing is made up for a minute later, one too many was paid.
pub const FIRST_SERVICE: Duration = Duration::from_millis(200);

/// The start-up time assumed before any task has reported: about 10 s for the network interface and 20 to 40 s for
/// the image.
pub const FIRST_STARTUP: Duration = Duration::from_secs(45);

/// How many messages' worth the first guess counts against what one worker saw: one odd message says little.
const GUESS_WEIGHT: u32 = 10;

/// Reports this much older than the newest one are of another day's work.
const SAME_WORK: Duration = Duration::from_secs(3600);

/// The report of the latest task of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// From its launch to its first poll; none when it has not polled.
    pub startup: Option<Duration>,
    /// Messages it has finished.
    pub done: u64,
    /// Wall time during which it held at least one message, the one in hand included.
    pub busy: Duration,
    /// The age of the report.
    pub age: Duration,
}

/// What is learned from the fleet. Neither is ever zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimates {
    /// One worker's wall time for one message.
    pub service: Duration,
    /// From launch to first poll.
    pub startup: Duration,
}

/// Learns from one report per slot: the medians over the slots heard within an hour of the newest, so that one odd
/// worker changes little.
///
/// For the service time, each worker's own mean is drawn towards [`FIRST_SERVICE`] as by ten messages, a message in
/// hand counting as one: a worker stuck on its first says so. For the start-up, [`FIRST_STARTUP`] is one more sample.
/// Of two middle values the lower counts.
#[must_use]
pub fn estimates(reports: &[Report]) -> Estimates {
    let newest = reports.iter().map(|report| report.age).min().unwrap_or_default();
    let recent = || reports.iter().filter(|report| report.age <= newest + SAME_WORK);
    let worked = recent().filter(|report| !report.busy.is_zero());
    let service = worked.map(|report| {
        let weight = f64::from(GUESS_WEIGHT);
        let total = report.busy + FIRST_SERVICE * GUESS_WEIGHT;
        total.div_f64(report.done.max(1) as f64 + weight)
    });
    let startup = recent().filter_map(|report| report.startup).chain([FIRST_STARTUP]);
    Estimates {
        service: median(service).unwrap_or(FIRST_SERVICE).max(Duration::from_millis(1)),
        startup: median(startup).unwrap_or(FIRST_STARTUP).max(Duration::from_secs(1)),
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}
