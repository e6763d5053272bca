//! What keeps a person from having a job run again.

use jiff::Timestamp;

use crate::job::{Job, JobState, Notification, State};

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
    #[error("its failure mail is just being sent: try again after {until:.0}")]
    Notifying {
        /// Until then at the latest.
        until: Timestamp,
    },
}

/// Why this job cannot be replayed now; the ledger's condition says the same.
#[must_use]
pub fn refusal(job: &Job, now: Timestamp) -> Option<NotReplayed> {
    let JobState::Failed(failed) = &job.state else { return Some(NotReplayed::NotFailed(job.state())) };
    if let Some(until) = failed.collecting_until.filter(|until| *until >= now) {
        return Some(NotReplayed::Collecting { until });
    }
    match failed.notification {
        Notification::Leased { until } if until >= now => Some(NotReplayed::Notifying { until }),
        Notification::Leased { .. } | Notification::Due | Notification::Sent { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Change, Failed, next};

    fn job(state: impl Into<JobState>) -> Job {
        Job::sample("", Timestamp::UNIX_EPOCH).in_state(state)
    }

    #[test]
    fn a_failed_job_is_replayed_and_no_other() {
        let now = Timestamp::UNIX_EPOCH;
        for state in State::ALL {
            let refused = refusal(&job(JobState::sample(state, now)), now);
            let legal = next(state, Change::Replay).is_ok();
            assert_eq!(refused, (!legal).then_some(NotReplayed::NotFailed(state)));
        }
    }

    #[test]
    fn no_replay_while_its_rows_are_deleted_or_its_failure_is_mailed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let until = at(10);
        let failed = Failed::sample("crashed", at(0));
        let collecting = job(Failed { collecting_until: Some(until), ..failed.clone() });
        assert_eq!(refusal(&collecting, at(10)), Some(NotReplayed::Collecting { until }));
        assert_eq!(refusal(&collecting, at(11)), None, "that sweep is no more");
        let notified = |notification| job(Failed { notification, ..failed.clone() });
        let telling = notified(Notification::Leased { until });
        assert_eq!(refusal(&telling, at(10)), Some(NotReplayed::Notifying { until }));
        assert_eq!(refusal(&telling, at(11)), None);
        assert_eq!(refusal(&notified(Notification::Sent { at: at(9) }), at(10)), None, "told");
    }
}
