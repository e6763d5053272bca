//! A person cancels a job.

use std::time::Duration;

use aws::{
    CallError,
    cluster::Cluster,
    ledger::{Changed, Ledger},
    queue::Queue,
};
use domain::{
    cancel::{AlreadySettled, Cancellation, cancellation, cancelled_by},
    job::{Job, JobId, State},
    message::FailureMessage,
};
use jiff::Timestamp;

/// How often a job is read again because it changed before it could be cancelled.
const TRIES: u32 = 4;

/// What cancelling needs.
#[derive(Debug)]
pub struct Cancel<'a> {
    /// The table of jobs.
    pub ledger: &'a Ledger,
    /// The cluster that tasks run in.
    pub cluster: Cluster,
    /// The queue of λ stops, which mails the failure.
    pub stops: Queue,
}

/// How a job was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// ECS stops the job's own task; the job fails when the task has stopped.
    TaskIsStopping,
    /// The job has failed. Its worker loses the claim within half a minute.
    WhileRunning,
    /// The job has failed before a worker started it.
    BeforeStart,
}

/// Why a job was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// A call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger has no such job.
    #[error("the ledger has no job {0}")]
    Unknown(JobId),
    /// It has settled.
    #[error(transparent)]
    AlreadySettled(#[from] AlreadySettled),
    /// Others changed it each time.
    #[error("the job {0} changed {TRIES} times while it was being stopped; try again")]
    Changing(JobId),
}

impl Cancel<'_> {
    /// Cancels a job for `who`, in whatever state it is, and returns it as it was before.
    ///
    /// Where a task of its own runs the job, the audit is written first and then the task is stopped. Otherwise the ledger
    /// is written first, then the message to λ stops; if the process dies between the two, the hourly sweep sends the mail.
    /// A repeat finds the job settled.
    ///
    /// # Errors
    /// [`CancelError`]; after [`CancelError::Call`] the job may be cancelled.
    pub async fn run(
        &self,
        id: &JobId,
        who: &str,
        now: impl Fn() -> Timestamp,
    ) -> Result<(Job, Cancelled), CancelError> {
        for _ in 0..TRIES {
            let job = self.ledger.read(id).await?.ok_or_else(|| CancelError::Unknown(id.clone()))?;
            if let Some(cancelled) = self.cancel(&job, who, now()).await? {
                return Ok((job, cancelled));
            }
        }
        Err(CancelError::Changing(id.clone()))
    }

    /// Cancels a job as it was read; none when it has changed since.
    async fn cancel(&self, job: &Job, who: &str, now: Timestamp) -> Result<Option<Cancelled>, CancelError> {
        let note = cancelled_by(who, now);
        match cancellation(job, self.task_is_live(job).await?, who, now)? {
            Cancellation::StopTask { task, reason } => {
                self.ledger.note(&job.id, &note).await?;
                self.cluster.stop(&task, &reason).await?;
                Ok(Some(Cancelled::TaskIsStopping))
            }
            Cancellation::Fail { reason, ended } => {
                let changed = self.ledger.cancel(job, &reason, ended.as_ref(), &note, now).await?;
                if matches!(changed, Changed::Rejected(_)) {
                    return Ok(None);
                }
                self.stops.send(&FailureMessage::new(job.id.clone()).to_body(), Duration::ZERO).await?;
                let was_running = job.state() == State::Running;
                Ok(Some(if was_running { Cancelled::WhileRunning } else { Cancelled::BeforeStart }))
            }
        }
    }

    /// Whether the job's own task has not stopped yet, as ECS knows it.
    async fn task_is_live(&self, job: &Job) -> Result<bool, CallError> {
        let Some(task) = job.task.as_ref().filter(|_| !job.state().is_settled()) else { return Ok(false) };
        Ok(self.cluster.describe(std::slice::from_ref(task)).await?.iter().any(|known| known.is_live))
    }
}
