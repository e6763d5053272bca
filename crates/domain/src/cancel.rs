//! A person cancels a job: what this means in the state that the job is in.

use jiff::Timestamp;

use crate::{
    audit::{AuditEntry, AuditKind},
    job::{Attempt, Job, JobId, Reason, State},
    text::shortened,
    verdict::Kind,
};

/// The longest reason that ECS accepts (StopTask, `reason`).
const REASON_CHARS: usize = 255;

/// How a job is cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// A task of its own runs the job: ECS is asked to stop that task. λ stops then settles the job and sends the mail.
    StopTask {
        /// The task's ARN.
        task: String,
        /// For ECS, which shows it with the stopped task: at most 255 characters.
        reason: String,
    },
    /// The job fails now, by a write to the ledger. A pooled worker that has it loses its claim.
    Fail {
        /// The reason, which the failure mail has.
        reason: Reason,
        /// The attempt that was under way, if one was.
        ended: Option<Attempt>,
    },
}

/// The job has settled, so there is nothing to cancel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the job {id} is already {}{}{}; there is nothing to stop",
    state.as_str(),
    reason.as_ref().map(|reason| format!(": {}", reason.code)).unwrap_or_default(),
    settled_at.map(|at| format!(" (since {at:.0})")).unwrap_or_default()
)]
pub struct AlreadySettled {
    id: JobId,
    state: State,
    reason: Option<Reason>,
    settled_at: Option<Timestamp>,
}

/// The entry of the job's audit that `who` cancelled it.
#[must_use]
pub fn cancelled_by(who: &str, now: Timestamp) -> AuditEntry {
    AuditEntry::new(now, AuditKind::Cancelled, format!("by {who}"))
}

/// How `who` cancels a job. `task_is_live` says whether ECS still knows the job's own task as not stopped.
///
/// # Errors
/// [`AlreadySettled`]
pub fn cancellation(
    job: &Job,
    task_is_live: bool,
    who: &str,
    now: Timestamp,
) -> Result<Cancellation, AlreadySettled> {
    let state = job.state();
    if state.is_settled() {
        let (reason, settled_at) = (job.reason().cloned(), job.settled_at());
        return Err(AlreadySettled { id: job.id.clone(), state, reason, settled_at });
    }
    let reason = Reason::new(Kind::Cancelled, format!("stopped by {who}"));
    if let (Some(task), true) = (&job.task, task_is_live) {
        let reason = shortened(&reason.message, REASON_CHARS);
        return Ok(Cancellation::StopTask { task: task.clone(), reason });
    }
    let ended = (state == State::Running).then(|| Attempt {
        number: job.attempt,
        task: job.runner().unwrap_or_default().to_owned(),
        verdict: reason.clone(),
        stopped_at: now,
        paused: false,
    });
    Ok(Cancellation::Fail { reason, ended })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobState, Running};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn job(state: impl Into<JobState>, task: Option<&str>) -> Job {
        Job { task: task.map(str::to_owned), ..Job::sample("", NOW).in_state(state) }
    }

    fn cancelled(job: &Job, task_is_live: bool) -> Cancellation {
        cancellation(job, task_is_live, "ada", NOW).unwrap()
    }

    #[test]
    fn a_live_task_is_stopped_and_settles_the_job_itself() {
        for state in [State::Waiting, State::Running] {
            let job = job(JobState::sample(state, NOW), Some("arn:task"));
            let stop = Cancellation::StopTask { task: "arn:task".into(), reason: "stopped by ada".into() };
            assert_eq!(cancelled(&job, true), stop, "{state:?}");
            assert!(matches!(cancelled(&job, false), Cancellation::Fail { .. }), "the task is gone");
        }
    }

    #[test]
    fn ecs_takes_the_reason_however_long_the_name_is() {
        let job = job(JobState::sample(State::Running, NOW), Some("arn:task"));
        let Ok(Cancellation::StopTask { reason, .. }) = cancellation(&job, true, &"a".repeat(400), NOW)
        else {
            panic!("a task to stop")
        };
        assert_eq!(reason.chars().count(), 255);
    }

    #[test]
    fn a_pooled_job_fails_at_once_with_the_attempt_that_was_under_way() {
        let running = job(Running::sample("drain/1/7/3", NOW), None);
        let Cancellation::Fail { reason, ended } = cancelled(&running, false) else { panic!("it fails") };
        assert_eq!((&reason.code, &*reason.message), (&Kind::Cancelled.into(), "stopped by ada"));
        let ended = ended.unwrap();
        assert_eq!((ended.number, &*ended.task, ended.verdict), (1, "drain/1/7", reason));
        let waiting = job(JobState::sample(State::Waiting, NOW), None);
        assert!(matches!(cancelled(&waiting, false), Cancellation::Fail { ended: None, .. }));
    }

    #[test]
    fn a_settled_job_stays_as_it_is() {
        for state in [State::Done, State::Failed, State::Superseded, State::SourceDeleted] {
            assert!(cancellation(&job(JobState::sample(state, NOW), None), false, "ada", NOW).is_err());
        }
        let failed = job(JobState::sample(State::Failed, NOW), None);
        assert_eq!(
            cancellation(&failed, false, "ada", NOW).unwrap_err().to_string(),
            format!(
                "the job {} is already failed: crashed (since 1970-01-01T00:00:00Z); there is nothing to stop",
                failed.id
            )
        );
    }
}
