//! What one run of the scaler remembers for the next: how fast messages come and go, and since when they wait.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::StoredDocument;

/// A snapshot older than this counts as none: what it says is not about now.
pub const STALE_AFTER: Duration = Duration::from_secs(180);

/// Rates are taken over at least this long: runs that follow each other more closely (an alarm, an upload) would
/// divide the coarseness of the counts by almost nothing.
const SHORTEST: Duration = Duration::from_secs(45);

/// The queue as a run of the scaler saw it, stored for the next run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueSnapshot {
    /// When the counts below were taken.
    pub at: Timestamp,
    /// Messages then in the queue, held ones included.
    pub queued: u64,
    /// Messages done by then, ever: a number that only grows.
    pub done: u64,
    /// Arrivals per second in the interval that ended then.
    pub arrivals_per_second: f64,
    /// Messages done per second in the interval that ended then.
    pub done_per_second: f64,
    /// Since when every snapshot has seen messages that nobody holds.
    pub waiting_since: Option<Timestamp>,
}

impl StoredDocument for QueueSnapshot {
    const NAME: &'static str = "queue_snapshot";
}

impl QueueSnapshot {
    /// Whether it remembers anything but an idle queue.
    fn is_idle(&self) -> bool {
        self.queued == 0
            && self.waiting_since.is_none()
            && self.arrivals_per_second == 0.0
            && self.done_per_second == 0.0
    }
}

/// The changes between two snapshots.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// How long messages wait by now. No longer than they have been seen waiting without a break, and no longer
    /// than it takes to work off those waiting at the pace of the last interval: a queue that is never empty and
    /// never long is not one that waits.
    pub waited: Duration,
    /// How many messages a second come, if that goes on: the lower rate of the last two intervals. A burst is work
    /// to do and no rate; so is what old counts make of work just done.
    pub arrivals_per_second: f64,
    /// Messages done since the snapshot before, or, when that was just now, since the one before it.
    pub done_lately: u64,
    /// What to store for the next run.
    pub snapshot: QueueSnapshot,
    /// Whether storing it changes anything: after an idle queue, an idle queue is no news.
    pub is_news: bool,
}

/// Looks at the queue now: `visible` and `in_flight` as it counts them, `done` as the slots have counted it over all
/// their generations.
///
/// A snapshot within 45 s of the one remembered is too short for a rate: it shows no arrivals, and the older one stays
/// the one to compare with.
#[must_use]
pub fn observe_queue(
    previous: Option<&QueueSnapshot>,
    now: Timestamp,
    visible: u64,
    in_flight: u64,
    done: u64,
) -> Trend {
    let previous = previous.filter(|snapshot| since(snapshot.at, now) <= STALE_AFTER);
    let queued = visible.saturating_add(in_flight);
    let waiting_since =
        (visible > 0).then(|| previous.and_then(|snapshot| snapshot.waiting_since).unwrap_or(now));
    let fresh = QueueSnapshot {
        at: now,
        queued,
        done,
        arrivals_per_second: 0.0,
        done_per_second: 0.0,
        waiting_since,
    };
    let Some(before) = previous else {
        let (waited, arrivals_per_second, done_lately) = (Duration::ZERO, 0.0, 0);
        // Nothing is remembered, or what no longer counts.
        let is_news = !fresh.is_idle();
        return Trend { waited, arrivals_per_second, done_lately, snapshot: fresh, is_news };
    };
    let finished = done.saturating_sub(before.done);
    let interval = since(before.at, now);
    let (snapshot, arrivals_per_second, done_lately) = if interval < SHORTEST {
        let of_the_minute_before = (before.done_per_second * 60.0) as u64;
        (
            QueueSnapshot { waiting_since, ..before.clone() },
            0.0,
            finished.saturating_add(of_the_minute_before),
        )
    } else {
        let seconds = interval.as_secs_f64();
        let came = (finished as f64 + queued as f64 - before.queued as f64).max(0.0) / seconds;
        let snapshot =
            QueueSnapshot { arrivals_per_second: came, done_per_second: finished as f64 / seconds, ..fresh };
        (snapshot, came.min(before.arrivals_per_second), finished)
    };
    let seen = waiting_since.map_or(Duration::ZERO, |first| since(first, now));
    // Nothing done is no pace: then only what was seen counts.
    let ahead =
        Duration::try_from_secs_f64(visible as f64 / snapshot.done_per_second).unwrap_or(Duration::MAX);
    let is_news = snapshot != *before && !(snapshot.is_idle() && before.is_idle());
    Trend { waited: seen.min(ahead), arrivals_per_second, done_lately, snapshot, is_news }
}

/// Zero where `earlier` is the later: the clocks of two machines differ.
fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(earlier).try_into().unwrap_or_default()
}
