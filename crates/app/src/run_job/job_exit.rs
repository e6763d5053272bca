//! How an attempt ends before its end is written to the ledger: with rows to publish, or with a reason to leave the job.

use aws::{CallError, objects::ReadError};
use domain::{
    drift::Drifts,
    job::{Change, JobId, Progress, Reason, ReasonCode},
    manifest::Manifest,
    publish::Obstacle,
    verdict::Kind,
    volume::Excess,
};

use super::{reading::ReadAs, source};

/// All rows of a job are written and can be published.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    pub(crate) progress: Progress,
    pub(crate) write_units: u64,
    /// Where older versions' items were deleted: what has to hold at the publish.
    pub(crate) cleared: Option<Cleared>,
}

/// Items of older versions were deleted.
#[derive(Debug)]
pub(crate) struct Cleared {
    /// How the version was read that takes their place.
    pub(crate) read_as: ReadAs,
    /// The job whose version was visible then. One that became visible later may have written more since.
    pub(crate) visible: Option<JobId>,
}

/// Why this worker leaves a job that it cannot publish, and the state that the job changes to.
#[derive(Debug)]
pub(crate) struct JobExit {
    pub(crate) change: Change,
    pub(crate) reason: Reason,
    pub(crate) progress: Box<Progress>,
}

impl JobExit {
    pub(crate) fn new(change: Change, code: impl Into<ReasonCode>, message: impl Into<String>) -> Self {
        Self { change, reason: Reason::new(code, message), progress: Box::default() }
    }

    /// The same, with how the object differs from earlier ones. Its columns are remembered, so no other job reports them.
    pub(crate) fn with_drifts(mut self, drifts: Drifts) -> Self {
        self.progress.drifts = drifts;
        self
    }

    /// The version of this job may not become visible. `progress` is what was read of it.
    pub(crate) fn of(obstacle: Obstacle, progress: Progress) -> Self {
        let (change, reason) = obstacle.leaves(&progress);
        Self { change, reason, progress: Box::new(progress) }
    }
}

/// A call that still failed after the SDK's retries. The job is returned: another task retries it later.
impl From<CallError> for JobExit {
    fn from(error: CallError) -> Self {
        let code = if error.is_retryable() { Kind::TryAgain } else { Kind::Misconfigured };
        Self::new(Change::Requeue, code, telemetry::causes(&error))
    }
}

/// The object would become too much.
impl From<Excess> for JobExit {
    fn from(excess: Excess) -> Self {
        Self::new(Change::Fail, excess.reason(), excess.to_string())
    }
}

/// The object could not be read, is not what its pipeline expects, or the output of its command has no end.
impl From<readers::ReadError> for JobExit {
    fn from(error: readers::ReadError) -> Self {
        let error = match error {
            readers::ReadError::Bad(bad) => return Self::new(Change::Fail, bad.reason, bad.message),
            readers::ReadError::Source(error) => error,
        };
        match error.downcast::<OutputBroken>().map_err(source::read_error) {
            Ok(OutputBroken(exit)) => exit,
            Err(Ok(ReadError::Call(error))) => error.into(),
            Err(Ok(gone @ ReadError::SourceDeleted(_))) => {
                Self::new(Change::SourceDeleted, Kind::SourceDeleted, gone.to_string())
            }
            Err(Ok(changed @ ReadError::Changed(_))) => {
                Self::new(Change::Supersede, Kind::Superseded, changed.to_string())
            }
            Err(Ok(damaged @ ReadError::Damaged { .. })) => {
                Self::new(Change::Requeue, Kind::TryAgain, damaged.to_string())
            }
            Err(Err(error)) => {
                Self::new(Change::Requeue, Kind::InternalError, format!("the reader failed: {error}"))
            }
        }
    }
}

/// The output of a command breaks off. Carries how the job is left through the reader of the output.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.reason.message)]
pub(crate) struct OutputBroken(pub(crate) JobExit);
