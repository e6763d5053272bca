//! What it means to a pooled worker that a job is not to be claimed.
//!
//! A message says "this attempt of this job", and it is the job that counts: whoever writes a loss down goes on with the
//! next attempt under the message of the last one, and may be lost himself. So a message of an earlier attempt is no
//! duplicate while the job has not settled. At worst it makes an attempt begin before its wait is over.

use jiff::Timestamp;

use crate::job::{Job, State};

/// Why a pooled worker was refused a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The job has settled, or a task of its own has it and λ stops sees to that: the message is a duplicate.
    Past,
    /// It has failed, and nobody was told yet: whoever wrote that down may have died before telling.
    Untold,
    /// Nothing holds it now: its present attempt may be claimed.
    Free,
    /// A worker holds it.
    Held {
        /// At least until then.
        until: Timestamp,
    },
    /// A worker held it and was lost.
    Lost,
}

/// Says why, from the job that was found.
#[must_use]
pub fn refusal(job: &Job, now: Timestamp) -> Refusal {
    match (job.state, job.lease_until) {
        (State::Failed, _) if job.notified_at.is_none() => Refusal::Untold,
        (state, _) if state.is_settled() => Refusal::Past,
        _ if job.task.is_some() => Refusal::Past,
        (State::Running, Some(until)) if until >= now => Refusal::Held { until },
        (State::Running, _) => Refusal::Lost,
        _ => Refusal::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: State) -> Job {
        let job = Job::sample("", Timestamp::UNIX_EPOCH);
        Job { state, ..job }
    }

    #[test]
    fn a_settled_job_is_past_unless_nobody_was_told_that_it_failed() {
        let now = Timestamp::from_second(100).unwrap();
        for state in [State::Done, State::Superseded, State::Gone] {
            assert_eq!(refusal(&job(state), now), Refusal::Past);
        }
        let failed = job(State::Failed);
        assert_eq!(refusal(&failed, now), Refusal::Untold);
        assert_eq!(refusal(&Job { notified_at: Some(now), ..failed }, now), Refusal::Past);
    }

    #[test]
    fn a_running_job_is_held_until_its_lease_has_run_out() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let running = Job { lease_until: Some(at(100)), ..job(State::Running) };
        assert_eq!(refusal(&running, at(99)), Refusal::Held { until: at(100) });
        assert_eq!(refusal(&running, at(100)), Refusal::Held { until: at(100) }, "as the ledger has it");
        assert_eq!(refusal(&running, at(101)), Refusal::Lost);
    }

    #[test]
    fn a_job_with_a_task_of_its_own_is_left_to_it() {
        let now = Timestamp::from_second(100).unwrap();
        for state in [State::Waiting, State::Running] {
            assert_eq!(refusal(&Job { task: Some("arn".into()), ..job(state) }, now), Refusal::Past);
        }
        assert_eq!(refusal(&job(State::Waiting), now), Refusal::Free, "whatever attempt the message is of");
    }

    #[test]
    fn a_pooled_workers_name_is_in_its_claim() {
        let held = |holder: &str| Job { holder: Some(holder.into()), ..job(State::Running) };
        assert_eq!(held("drain/3/7/0011aa").pooled_worker(), Some("drain/3/7"));
        assert_eq!(held("0011aa").pooled_worker(), None);
    }
}
