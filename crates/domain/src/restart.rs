//! A system whose tasks and queues ended while its ledger stayed, as the local cloud's do when it stops: what becomes of
//! each job that was open.

use jiff::Timestamp;

use crate::{
    job::{Attempt, Job, Reason, State},
    verdict::{Kind, Verdict},
};

/// What becomes of a job after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// Nothing: the job has settled.
    Leave,
    /// Nobody had begun its attempt. Only its message was lost, and a new one is sent.
    Queue,
    /// Its worker ended with the system: the attempt has ended, as if the worker had been asked to stop.
    EndAttempt(Verdict, Attempt),
}

/// What becomes of a job after a restart.
#[must_use]
pub fn restart(job: &Job, now: Timestamp) -> Restart {
    match job.state() {
        State::Waiting if job.task.is_none() => Restart::Queue,
        State::Waiting | State::Running => {
            let verdict = Verdict::from(Kind::Terminated);
            let ended = Attempt {
                number: job.attempt,
                task: job.runner().unwrap_or_default().to_owned(),
                verdict: Reason::new(verdict.kind, "the local cloud was stopped while the job was running"),
                stopped_at: now,
                paused: false,
            };
            Restart::EndAttempt(verdict, ended)
        }
        State::Done | State::Failed | State::Superseded | State::SourceDeleted => Restart::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobState, Running};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_job_that_nobody_had_begun_is_queued_again() {
        assert_eq!(restart(&Job::sample("", NOW), NOW), Restart::Queue);
    }

    #[test]
    fn an_attempt_that_was_launched_or_claimed_has_ended_and_counts_towards_no_limit() {
        let launched = Job { task: Some("arn:task".into()), ..Job::sample("", NOW) };
        let claimed = Job::sample("", NOW).in_state(Running::sample("drain/1/7/3", NOW));
        for (job, task) in [(launched, "arn:task"), (claimed, "drain/1/7")] {
            let Restart::EndAttempt(verdict, ended) = restart(&job, NOW) else { panic!("{job:?}") };
            assert_eq!((verdict.kind, ended.number, &*ended.task), (Kind::Terminated, 1, task));
            assert!(!verdict.counts_against_object());
        }
    }

    #[test]
    fn a_settled_job_is_left() {
        for state in [State::Done, State::Failed, State::Superseded, State::SourceDeleted] {
            let job = Job::sample("", NOW).in_state(JobState::sample(state, NOW));
            assert_eq!(restart(&job, NOW), Restart::Leave);
        }
    }
}
