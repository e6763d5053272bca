//! What it means to a pooled worker that a job is not to be claimed.
//!
//! A message says "this attempt of this job", and it is the job that counts: a worker that records a loss goes on with the
//! next attempt under the message of the last one, and may be lost itself. So a message of an earlier attempt is no
//! duplicate while the job has not settled. At worst it makes an attempt begin before its wait is over.

use jiff::Timestamp;

use crate::job::{Job, JobState, Running};

/// Why a pooled worker was refused a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimDenied {
    /// The job has settled, or a task of its own has it and λ stops sees to that: the message is a duplicate.
    Settled,
    /// It has failed, and its failure was not mailed yet: the process that wrote this may have died before.
    NotNotified,
    /// Nothing holds it now: its present attempt may be claimed.
    Available,
    /// A worker holds it.
    Leased {
        /// At least until then.
        until: Timestamp,
    },
    /// A worker held it and was lost.
    LeaseExpired,
}

/// Says why, from the job that was found.
#[must_use]
pub fn claim_denied(job: &Job, now: Timestamp) -> ClaimDenied {
    match &job.state {
        JobState::Failed(failed) if failed.notified_at().is_none() => ClaimDenied::NotNotified,
        JobState::Failed(_) | JobState::Done(_) | JobState::Superseded(_) | JobState::SourceDeleted(_) => {
            ClaimDenied::Settled
        }
        JobState::Waiting(_) | JobState::Running(_) if job.task.is_some() => ClaimDenied::Settled,
        JobState::Running(Running { lease_until, .. }) if *lease_until >= now => {
            ClaimDenied::Leased { until: *lease_until }
        }
        JobState::Running(_) => ClaimDenied::LeaseExpired,
        JobState::Waiting(_) => ClaimDenied::Available,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Failed, Notification, State};

    fn job(state: State) -> Job {
        let now = Timestamp::UNIX_EPOCH;
        Job::sample("", now).in_state(JobState::sample(state, now))
    }

    #[test]
    fn a_settled_job_is_over_unless_its_failure_was_not_mailed() {
        let now = Timestamp::from_second(100).unwrap();
        for state in [State::Done, State::Superseded, State::SourceDeleted] {
            assert_eq!(claim_denied(&job(state), now), ClaimDenied::Settled);
        }
        let failed = |notification| {
            job(State::Failed).in_state(Failed { notification, ..Failed::sample("crashed", now) })
        };
        for untold in [Notification::Due, Notification::Leased { until: now }] {
            assert_eq!(claim_denied(&failed(untold), now), ClaimDenied::NotNotified);
        }
        assert_eq!(claim_denied(&failed(Notification::Sent { at: now }), now), ClaimDenied::Settled);
    }

    #[test]
    fn a_running_job_is_held_until_its_lease_has_run_out() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let running = job(State::Running).in_state(Running::sample("worker", at(100)));
        assert_eq!(claim_denied(&running, at(99)), ClaimDenied::Leased { until: at(100) });
        assert_eq!(
            claim_denied(&running, at(100)),
            ClaimDenied::Leased { until: at(100) },
            "as the ledger has it"
        );
        assert_eq!(claim_denied(&running, at(101)), ClaimDenied::LeaseExpired);
    }

    #[test]
    fn a_job_with_a_task_of_its_own_is_left_to_it() {
        let now = Timestamp::from_second(100).unwrap();
        for state in [State::Waiting, State::Running] {
            assert_eq!(
                claim_denied(&Job { task: Some("arn".into()), ..job(state) }, now),
                ClaimDenied::Settled
            );
        }
        assert_eq!(
            claim_denied(&job(State::Waiting), now),
            ClaimDenied::Available,
            "whatever attempt the message is of"
        );
    }

    #[test]
    fn a_pooled_workers_name_is_in_its_claim() {
        let held =
            |holder: &str| job(State::Running).in_state(Running::sample(holder, Timestamp::UNIX_EPOCH));
        assert_eq!(held("drain/3/7/0011aa").pooled_worker(), Some("drain/3/7"));
        assert_eq!(held("0011aa").pooled_worker(), None);
    }
}
