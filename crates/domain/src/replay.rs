//! What keeps a person from having a job run again.

use jiff::Timestamp;

use crate::job::{Change, Job, State, next};

/// Why a job is not replayed, for the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayed {
    /// Only failed jobs are.
    #[error("it is {}: only failed jobs are replayed", .0.as_str())]
    NotFailed(State),
    /// What an earlier attempt wrote is being deleted, and rows that a replay writes would be deleted with it.
    #[error("the sweep is deleting what its last attempt wrote: try again after {until:.0}")]
    Collecting {
        /// Until then at the latest.
        until: Timestamp,
    },
    /// λ stops is telling people that it failed, and would note that of the replayed job.
    #[error("people are just being told that it failed: try again after {until:.0}")]
    Notifying {
        /// Until then at the latest.
        until: Timestamp,
    },
}

/// Why this job cannot be replayed now; the ledger's condition says the same.
#[must_use]
pub fn refusal(job: &Job, now: Timestamp) -> Option<NotReplayed> {
    if next(job.state, Change::Replay).is_err() {
        return Some(NotReplayed::NotFailed(job.state));
    }
    if let Some(until) = job.collecting_until.filter(|until| *until >= now) {
        return Some(NotReplayed::Collecting { until });
    }
    let telling = job.notify_lease_until.filter(|until| job.notified_at.is_none() && *until >= now);
    telling.map(|until| NotReplayed::Notifying { until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Job {
        let job = Job::sample("", Timestamp::UNIX_EPOCH);
        Job { state: State::Failed, ..job }
    }

    #[test]
    fn a_failed_job_is_replayed_and_no_other() {
        let now = Timestamp::UNIX_EPOCH;
        for state in State::ALL {
            let refused = refusal(&Job { state, ..failed() }, now);
            assert_eq!(refused, (state != State::Failed).then_some(NotReplayed::NotFailed(state)));
        }
    }

    #[test]
    fn not_while_its_rows_are_deleted_or_people_are_told() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let until = at(10);
        let collecting = Job { collecting_until: Some(until), ..failed() };
        assert_eq!(refusal(&collecting, at(10)), Some(NotReplayed::Collecting { until }));
        assert_eq!(refusal(&collecting, at(11)), None, "that sweep is no more");
        let telling = Job { notify_lease_until: Some(until), ..failed() };
        assert_eq!(refusal(&telling, at(10)), Some(NotReplayed::Notifying { until }));
        assert_eq!(refusal(&telling, at(11)), None);
        assert_eq!(refusal(&Job { notified_at: Some(at(9)), ..telling }, at(10)), None, "told");
    }
}
