//! Continues the jobs that were open when the system ended: its tasks and its queues ended with it, its ledger did not.

use std::time::Duration;

use aws::{
    CallError,
    ledger::{Ledger, Over},
    queue::Queue,
};
use domain::{
    job::{Job, STATUS_SHARDS, open_shard},
    message::{FailureMessage, JobMessage},
    restart::{Restart, restart},
};
use jiff::Timestamp;

use crate::{
    finish_attempt::{Ended, finish},
    item_failures::{ItemFailures, ItemsFailed},
};

/// Why not all open jobs are continued.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// The open jobs could not be listed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Some jobs could not be continued; all others were.
    #[error("some open jobs were not continued")]
    Items(#[from] ItemsFailed),
}

/// Continues every open job: its message is sent again, or its attempt has ended and the next one is due. Each job is
/// durable by itself, and a repeat does no harm: a second message of a job finds it claimed or settled.
///
/// # Errors
/// [`RestartError`]
pub async fn open_jobs(
    ledger: &Ledger,
    uploads: &Queue,
    stops: &Queue,
    now: Timestamp,
) -> Result<(), RestartError> {
    let mut failures = ItemFailures::default();
    for part in STATUS_SHARDS {
        let mut next = None;
        loop {
            let (ids, more) = ledger.by_status(&open_shard(part), next).await?;
            for job in failures.read_jobs(ledger.read_all(&ids).await?) {
                let continued = continue_job(ledger, uploads, stops, &job, now).await;
                failures.record(&job.object, continued);
            }
            match more {
                Some(more) => next = Some(more),
                None => break,
            }
        }
    }
    Ok(failures.finish()?)
}

async fn continue_job(
    ledger: &Ledger,
    uploads: &Queue,
    stops: &Queue,
    job: &Job,
    now: Timestamp,
) -> Result<(), CallError> {
    let due = |job: &Job| JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
    match restart(job, now) {
        Restart::Leave => Ok(()),
        Restart::Queue => uploads.send(&due(job), Duration::ZERO).await,
        Restart::EndAttempt(verdict, ended) => {
            match finish(ledger, job, &verdict, &ended, Over::Stopped, now).await? {
                Ended::Retry { job, .. } => uploads.send(&due(&job), Duration::ZERO).await,
                Ended::GivenUp(job) => {
                    stops.send(&FailureMessage::new(job.id).to_body(), Duration::ZERO).await
                }
                Ended::Refused(_) | Ended::Nothing => Ok(()),
            }
        }
    }
}
