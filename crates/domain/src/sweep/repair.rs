//! How the sweep repairs a job that was not over when it looked at it.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    audit::{AuditEntry, AuditKind},
    job::{Job, JobState, Waiting},
    verdict::Kind,
};

/// A lease that is not renewed for this long is not being renewed: workers renew every 20 seconds.
const EXPIRED: Duration = Duration::from_mins(2);

/// After this long nothing is under way any more: twice the longest delay of SQS.
const LATE: Duration = Duration::from_mins(30);

/// How long a stop's event may be under way.
const UNDER_WAY: Duration = Duration::from_mins(5);

/// How much longer than its pipeline's timeout a task may run: the worker itself stops at that timeout, with a reason.
const OVERTIME: Duration = Duration::from_mins(10);

/// A task that has not started for so long never will. Fargate needs about a minute.
const NEVER: Duration = Duration::from_mins(30);

/// What ECS knows of a job's own task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The job has none: it is pooled, or its task is still to be launched.
    None,
    /// It has not stopped.
    Live {
        /// When it was launched.
        created_at: Option<Timestamp>,
        /// When its container ran.
        started_at: Option<Timestamp>,
    },
    /// It has stopped.
    Stopped {
        /// When it stopped, if ECS says so.
        at: Option<Timestamp>,
    },
    /// ECS does not know it any more: it stopped an hour ago or longer.
    Unknown,
}

/// What there is to know beside the job itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its own task.
    pub task: Task,
    /// Whether it is for the pooled workers.
    pub pooled: bool,
    /// Since when their queue has held messages; none while it is empty.
    pub backlog_since: Option<Timestamp>,
}

/// How a job is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRepair {
    /// Nothing: somebody works on it, or it is on its way.
    Leave,
    /// Its worker is gone, and the event of that was lost: its attempt has ended.
    TakeBack,
    /// The message that was to bring it to a worker was lost: another one.
    Relaunch,
    /// Its task runs for too long and is stopped.
    Stop(Overdue),
    /// It has failed, and its failure mail is sent now.
    Notify,
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It runs longer than its pipeline allows, by so much.
    Running(Duration),
    /// It does not start, since so long.
    Starting(Duration),
}

/// How a job is repaired. Each repair may be done twice.
#[must_use]
pub fn job_repair(job: &Job, facts: &Facts, now: Timestamp) -> JobRepair {
    let since = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
    match (&job.state, facts.task) {
        (JobState::Failed(failed), _)
            if failed.notified_at().is_none() && since(failed.settled_at) > LATE =>
        {
            JobRepair::Notify
        }
        (
            JobState::Done(_) | JobState::Failed(_) | JobState::Superseded(_) | JobState::SourceDeleted(_),
            _,
        ) => JobRepair::Leave,
        (_, Task::Live { created_at, started_at }) => {
            let allowed = job.pipeline.timeout + OVERTIME;
            match (started_at.map(since), created_at.map(since)) {
                (Some(ran), _) if ran > allowed => {
                    JobRepair::Stop(Overdue::Running(ran - job.pipeline.timeout))
                }
                (None, Some(age)) if age > NEVER => JobRepair::Stop(Overdue::Starting(age)),
                _ => JobRepair::Leave,
            }
        }
        (JobState::Running(running), task) => {
            let expired = since(running.lease_until);
            // A message that pooled workers did not delete comes back to them, if their queue moves.
            let patience = if task == Task::None && facts.backlog_since.is_some() { LATE } else { EXPIRED };
            if expired > patience { JobRepair::TakeBack } else { JobRepair::Leave }
        }
        (JobState::Waiting(waiting), Task::None) => {
            let begun = job.history.last().map_or(job.created_at, |ended| ended.stopped_at);
            // A deferred launch has a message that arrives for it then.
            let waits_since = waiting.deferred_until.map_or(begun, |until| until.max(begun));
            // Its message may stand behind all the others: a second one would make the backlog longer, not shorter.
            let in_line = facts.pooled && facts.backlog_since.is_some_and(|busy| busy <= waits_since);
            if since(waits_since) > LATE && !in_line { JobRepair::Relaunch } else { JobRepair::Leave }
        }
        (JobState::Waiting(_), Task::Stopped { at }) if at.is_some_and(|at| since(at) <= UNDER_WAY) => {
            JobRepair::Leave
        }
        (JobState::Waiting(_), Task::Stopped { .. } | Task::Unknown) => JobRepair::TakeBack,
    }
}

/// How an attempt ended whose end was not reported: for the reason that its worker left when it returned the job, because
/// a person stopped it, or because the worker was lost.
#[must_use]
pub fn lost(job: &Job) -> Kind {
    let ended_before = job.history.last().map(|ended| ended.stopped_at);
    let cancels_this = |note: &AuditEntry| note.kind == AuditKind::Cancelled && Some(note.at) > ended_before;
    if job.audit.iter().any(cancels_this) {
        // A person had its task stopped.
        return Kind::Cancelled;
    }
    let of_before = job.history.last().map(|ended| &ended.verdict);
    match &job.state {
        JobState::Waiting(Waiting { reason: Some(reason), .. }) if Some(reason) != of_before => {
            job.returned_for()
        }
        _ => Kind::WorkerLost,
    }
}

#[cfg(test)]
mod tests;
