//! The sweep: every hour it repairs what was lost or late and deletes what is left over. With a date range, it is the
//! backfill.
//!
//! | step | what |
//! | --- | --- |
//! | reconcile | object versions that the ledger does not know, and deletions that were not processed, are sent to the uploads queue |
//! | open jobs | those that nobody works on any more are brought back ([`job_repair()`]); overdue tasks are stopped |
//! | settled jobs | failures whose mail was lost are mailed; the hours that are over are counted |
//! | collect | rows that nobody can see or read any more are deleted |
//! | report | the hour's lines and summary are written ([`report`]), and the digest is mailed |
//!
//! Here is what it decides; the worker's `sweep` does it. What one sweep leaves to the next stands in two small
//! documents of the fleet table: how far it came ([`Progress`]), and the pipelines it routes by ([`KeptPipelines`]).

mod repair;
pub mod report;
mod request;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::StoredDocument;

pub use repair::{Facts, JobRepair, Overdue, Task, job_repair, lost};
pub use request::{Range, SweepRequest, SweepRequestError, TimeArg};

/// The span of a report.
pub const HOUR: Duration = Duration::from_hours(1);

/// How long an hour is over before it is reported. A publish that is tried again and again carries the time of its
/// first try, and the ledger's index is a moment behind.
pub const HOUR_SETTLES: Duration = Duration::from_secs(90);

/// How long rows stay after they were last visible: longer than anybody pages through them.
pub const KEPT: Duration = Duration::from_hours(24);

/// How many hours a sweep reports or collects at most. After a longer pause, the next ones go on.
pub const HOURS_AT_ONCE: usize = 24;

/// How far sweeps have come. The field names are the item's attribute names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The end of the last hour that was reported.
    pub reported_until: Timestamp,
    /// The end of the last hour whose jobs' rows were collected.
    pub collected_until: Timestamp,
}

impl StoredDocument for Progress {
    const NAME: &'static str = "sweep_progress";
}

impl Progress {
    /// Where the first sweep of all begins: the hour before is reported, and a day is enough to look back for rows.
    #[must_use]
    pub fn at_first(now: Timestamp) -> Self {
        let hour = hour_of(now);
        let back = |duration: Duration| hour.checked_sub(duration).unwrap_or(Timestamp::MIN);
        Self { reported_until: back(HOUR), collected_until: back(2 * KEPT) }
    }

    /// The hours to report at this time, by their beginnings, oldest first.
    #[must_use]
    pub fn to_report(&self, now: Timestamp) -> Vec<Timestamp> {
        hours(self.reported_until, now, HOUR + HOUR_SETTLES)
    }

    /// The hours on whose shards are jobs whose rows may be deleted. Never one that is not reported yet: who is
    /// collected leaves the shard.
    #[must_use]
    pub fn to_collect(&self, now: Timestamp) -> Vec<Timestamp> {
        let mut hours = hours(self.collected_until, now, HOUR + KEPT);
        hours.retain(|hour| *hour < self.reported_until);
        hours
    }
}

/// The hours from `first` on that began at least `age` ago, but not too many.
fn hours(first: Timestamp, now: Timestamp, age: Duration) -> Vec<Timestamp> {
    let next = |hour: &Timestamp| hour.checked_add(HOUR).ok();
    let over = |hour: &Timestamp| hour.checked_add(age).is_ok_and(|end| end <= now);
    std::iter::successors(Some(first), next).take_while(over).take(HOURS_AT_ONCE).collect()
}

/// The beginning of the hour that this time is in.
#[must_use]
pub fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(3_600) * 3_600).unwrap_or(at)
}

/// The pipelines file that λ schedule found in its layer: the sweep's container has no layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPipelines {
    /// The file's text.
    pub text: String,
    /// When it was kept.
    pub kept_at: Timestamp,
}

impl StoredDocument for KeptPipelines {
    const NAME: &'static str = "pipelines";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_is_reported_once_it_has_settled_and_those_that_were_missed_are_made_up_for() {
        let now = at("2026-11-21T13:01:29Z");
        let first = Progress::at_first(now);
        assert_eq!(first.to_report(now), [] as [Timestamp; 0], "it may not be settled yet");
        assert_eq!(first.to_report(at("2026-11-21T13:01:30Z")), [at("2026-11-21T12:00:00Z")]);
        let missed = first.to_report(at("2026-11-21T15:30:00Z"));
        assert_eq!(missed, ["12", "13", "14"].map(|hour| at(&format!("2026-11-21T{hour}:00:00Z"))));
        assert_eq!(first.to_report(at("2026-12-21T15:30:00Z")).len(), HOURS_AT_ONCE);
    }

    #[test]
    fn rows_are_collected_a_day_after_their_hour_and_after_its_report() {
        let progress = Progress {
            reported_until: at("2026-11-21T13:00:00Z"),
            collected_until: at("2026-11-20T12:00:00Z"),
        };
        assert_eq!(progress.to_collect(at("2026-11-21T12:59:59Z")), [] as [Timestamp; 0]);
        assert_eq!(progress.to_collect(at("2026-11-21T13:00:00Z")), [at("2026-11-20T12:00:00Z")]);
        let behind = Progress { reported_until: at("2026-11-20T12:00:00Z"), ..progress };
        assert_eq!(behind.to_collect(at("2026-11-21T13:00:00Z")), [] as [Timestamp; 0]);
    }
}
