//! One attempt of a job: claim it, make and write its records, and publish them or leave the job with a reason.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use aws::{
    CallError,
    ledger::{Changed, Claim, Expired, Leaving},
    publish::{IfVisible, Published},
};
use domain::{
    destination::WriteMode,
    exit_code::ExitCode,
    job::{Change, Job, JobId, Progress},
    pipelines::{Format, OnDelete},
    retry::PUBLISH,
    text::count,
    verdict::Kind,
};
use futures::{FutureExt, future::BoxFuture};
use telemetry::metrics::{self, Metric};
use tracing::{info, warn};

use super::{
    job_exit::{JobExit, Written},
    job_progress::JobProgress,
    job_run::JobRun,
    read_and_write::read_and_write,
    remove::{remove, take_back},
    replace,
    services::Services,
    usage::Usage,
};

/// How long a claim holds without being renewed, and how often it is renewed: two renewals may fail.
const LEASE: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Who claims a job, which decides what happens when its last claim has expired.
#[derive(Debug, Clone, Copy)]
pub enum ClaimMode<'a> {
    /// The task that was launched for this attempt. It takes over the expired claim of an earlier task.
    DedicatedTask,
    /// The pooled worker of this name. It leaves an expired claim to the caller, who ends the lost attempt first.
    PooledWorker(&'a str),
}

/// The result of one attempt in this worker.
#[derive(Debug)]
pub enum Outcome {
    /// The ledger denied the claim. Holds the job as the ledger has it, or `None` if the ledger has no such job.
    Refused(Option<Box<Job>>),
    /// The ledger did not answer the claim, which may have been taken.
    Unclaimed(CallError),
    /// All records are visible; this many.
    Done(u64),
    /// Another worker has claimed the job meanwhile.
    ClaimLost,
    /// The job was left by this change. Holds the job as the ledger has it, with the reason.
    Left(Change, Box<Job>),
    /// The ledger did not answer when the job was left. The lease runs out.
    Unrecorded,
}

impl Outcome {
    /// The exit code of a task that ran only this job.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // Denied, or claimed by another worker: λ stops reads in the ledger how the job stands.
            Self::Refused(_) | Self::Done(_) | Self::ClaimLost => ExitCode::Done,
            Self::Unclaimed(error) if error.is_retryable() => ExitCode::TryAgain,
            Self::Unclaimed(_) => ExitCode::Config,
            Self::Unrecorded => ExitCode::TryAgain,
            Self::Left(Change::Fail, _) => ExitCode::BadInput,
            Self::Left(Change::Requeue, job) => job.returned_for().exit_code(),
            Self::Left(..) => ExitCode::Done,
        }
    }
}

/// Runs one attempt of a job to its end, or until `stop` completes, which returns the job to the ledger.
///
/// If the process is killed at any line, the job is still waiting, or it is running with a lease that runs out; rows that
/// were written stay invisible. If two workers run the same attempt at once, one has the claim and the other leaves.
pub async fn process_job(
    services: &Services,
    id: &JobId,
    attempt: u32,
    mode: ClaimMode<'_>,
    stop: impl Future<Output = ()>,
) -> Outcome {
    let job = match claim(services, id, attempt, mode).await {
        Ok(job) => job,
        Err(outcome) => return outcome,
    };
    info!(
        job.id = %id,
        trace.id = job.trace,
        object = %job.object,
        attempt,
        fence = job.fence,
        "claimed job {id} ({})",
        job.object.key
    );
    let progress = Arc::new(JobProgress::default());
    let run = JobRun { services, job: &job, progress: &progress };
    let mut stop = pin!(stop);
    let Some(mut worked) = while_claimed(run, stop.as_mut(), wait_and_work(run).boxed()).await else {
        return Outcome::ClaimLost;
    };
    let exit = loop {
        let written = match worked {
            Ok(Worked::Written(written)) => written,
            Ok(Worked::Removed(progress)) => match removed(run, &progress).await {
                Ok(outcome) => return outcome,
                Err(exit) => break exit,
            },
            Err(exit) => break exit,
        };
        match publish(run, &written).await {
            Ok(Some(outcome)) => return outcome,
            Ok(None) => {
                info!(job.id = %id, "another version of {} became visible while items were deleted: looking again", job.object);
                let again = async {
                    replace::delete_missing_again(run, *written)
                        .await
                        .map(|written| Worked::Written(Box::new(written)))
                };
                let work = with_timeout_catching_panics(job.pipeline.timeout, again).boxed();
                let Some(again) = while_claimed(run, stop.as_mut(), work).await else {
                    return Outcome::ClaimLost;
                };
                worked = again;
            }
            Err(exit) => break exit,
        }
    };
    match after_taking_back(run, exit).await {
        Some(exit) => leave(run, mode, exit).await,
        None => Outcome::ClaimLost,
    }
}

/// Works until the work ends or `stop` completes. None if the claim is lost meanwhile. The work is on the heap: it is large,
/// and is moved through several futures.
async fn while_claimed(
    run: JobRun<'_>,
    stop: Pin<&mut impl Future<Output = ()>>,
    work: BoxFuture<'_, Result<Worked, JobExit>>,
) -> Option<Result<Worked, JobExit>> {
    tokio::select! {
        biased;
        worked = work => Some(worked),
        () = renew_until_lost(run) => {
            let id = &run.job.id;
            warn!(job.id = %id, "lost the claim of job {id}: another worker has it");
            None
        }
        () = stop => Some(Err(JobExit::new(Change::Requeue, Kind::Terminated, "the task was asked to stop"))),
    }
}

/// What an attempt did.
enum Worked {
    /// All rows are written and can be published.
    Written(Box<Written>),
    /// What a deletion removes is gone.
    Removed(Progress),
}

/// A version that replaces items and was overtaken, or whose object was deleted, deletes its own before its job settles: the
/// newer version, or the job of the deletion, may have looked for them before they were written. If that fails, the job is
/// returned and does it in its next attempt. None if the claim is lost meanwhile.
async fn after_taking_back(run: JobRun<'_>, exit: JobExit) -> Option<JobExit> {
    let job = run.job;
    let Some(destination) = &job.pipeline.destination else { return Some(exit) };
    let takes_back = match exit.change {
        Change::Supersede => destination.write == WriteMode::Replace,
        Change::SourceDeleted => job.pipeline.on_delete == OnDelete::Remove,
        _ => false,
    };
    // Of an attempt that found the newer version before it wrote anything, and had none before it, nothing is there.
    let may_have_written = job.fence > 1 || run.progress.rows_written() > 0;
    if !takes_back || !may_have_written {
        return Some(exit);
    }
    let work = with_timeout_catching_panics(job.pipeline.timeout, take_back(run, exit.change));
    tokio::select! {
        biased;
        taken_back = work => Some(taken_back.err().unwrap_or(exit)),
        () = renew_until_lost(run) => None,
    }
}

/// Claims the attempt, or says why this worker does not have it.
async fn claim(
    services: &Services,
    id: &JobId,
    attempt: u32,
    mode: ClaimMode<'_>,
) -> Result<Box<Job>, Outcome> {
    let unique = fastrand::u128(..);
    let (holder, expired) = match mode {
        ClaimMode::DedicatedTask => (format!("{unique:032x}"), Expired::TakenOver),
        ClaimMode::PooledWorker(name) => (format!("{name}/{unique:032x}"), Expired::Refused),
    };
    let claim = Claim { attempt, holder: &holder, expired, revision: services.revision.as_deref() };
    match services.ledger.claim(id, claim, services.clock.now(), LEASE).await {
        Ok(Changed::Applied(job)) => Ok(job),
        Ok(Changed::Rejected(found)) => {
            let state = found.as_ref().map_or("missing", |job| job.state().as_str());
            info!(job.id = %id, attempt, state, "did not claim job {id}: it is {state}");
            Err(Outcome::Refused(found))
        }
        Err(error) => {
            warn!(job.id = %id, error = telemetry::causes(&error), "failed to claim job {id}");
            Err(Outcome::Unclaimed(error))
        }
    }
}

/// Waits for the permits that the job needs, then works within the pipeline's timeout. The timeout does not run while the
/// job waits for permits.
async fn wait_and_work(run: JobRun<'_>) -> Result<Worked, JobExit> {
    let JobRun { services, job, .. } = run;
    let closed = |closed| {
        JobExit::new(Change::Requeue, Kind::InternalError, format!("the memory budget is closed: {closed}"))
    };
    if let Some(removal) = job.removal {
        let _memory = services.memory.permit(job.object.size_bytes).await.map_err(closed)?;
        let removed = with_timeout_catching_panics(job.pipeline.timeout, remove(run, removal)).await?;
        return Ok(Worked::Removed(removed));
    }
    // The command's permit comes first: other jobs need the bytes while this one waits for a processor.
    let command = match job.pipeline.format {
        Format::Command => Some(services.commands.permit(job).await.map_err(closed)?),
        _ => None,
    };
    let memory = services.memory.permit(job.object.size_bytes).await.map_err(closed)?;
    let work = read_and_write(run, &memory, command.as_ref());
    with_timeout_catching_panics(job.pipeline.timeout, work)
        .await
        .map(|written| Worked::Written(Box::new(written)))
}

/// Runs work that may hang or panic, as a reader may on unforeseen bytes. Either ends this attempt and nothing else of the
/// process.
async fn with_timeout_catching_panics<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, JobExit>>,
) -> Result<T, JobExit> {
    // A panic drops all state of the attempt; what it shares with other jobs is semaphores and clients.
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(worked)) => worked,
        Ok(Err(panic)) => {
            let message = format!("the worker panicked: {}", panic_message(&*panic));
            Err(JobExit::new(Change::Requeue, Kind::InternalError, message))
        }
        Err(_elapsed) => {
            let message = format!("not done within the pipeline's timeout of {} s", limit.as_secs());
            Err(JobExit::new(Change::Requeue, Kind::TimedOut, message))
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Renews the claim until it is lost: the ledger refuses, or no renewal succeeds within the lease.
async fn renew_until_lost(run: JobRun<'_>) {
    let JobRun { services, job, progress } = run;
    let id = &job.id;
    let mut lease_until = tokio::time::Instant::now() + LEASE;
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let (records, reported) = (progress.rows_written(), progress.reported());
        let until = services.clock.now() + LEASE;
        match services.ledger.renew(id, job.fence, until, records, reported.as_deref()).await {
            Ok(Changed::Applied(_)) => {
                lease_until = tokio::time::Instant::now() + LEASE;
                info!(job.id = %id, records, progress = reported, "working on job {id}: {} written", count(records, "record"));
            }
            Ok(Changed::Rejected(_)) => return,
            Err(error) => {
                warn!(job.id = %id, error = telemetry::causes(&error), "failed to renew the claim of job {id}")
            }
        }
        if tokio::time::Instant::now() >= lease_until {
            return;
        }
    }
}

/// Makes the records visible and the job done, in one transaction. Must not be interrupted: it takes one call, or a few
/// while another version's publish is in the way. None if older versions' items have to be deleted again before.
async fn publish(run: JobRun<'_>, written: &Written) -> Result<Option<Outcome>, JobExit> {
    let JobRun { services, job, .. } = run;
    let id = &job.id;
    let Written { manifest, progress, write_units, cleared } = written;
    let if_visible =
        cleared.as_ref().map_or(IfVisible::Any, |cleared| IfVisible::Still(cleared.visible.as_ref()));
    for n in 0..PUBLISH.attempts {
        let publish =
            services.records.publish(&services.ledger, job, manifest, progress, *write_units, if_visible);
        match publish.await {
            Ok(Published::Done) => {
                let memory = Usage::of_process().map(|usage| usage.peak_memory_bytes);
                info!(
                    job.id = %id,
                    trace.id = job.trace,
                    records = progress.records,
                    table = progress.table.map(|counts| counts.to_string()),
                    memory.peak_bytes = memory,
                    "published job {id} ({}): all its records are visible",
                    job.object.key
                );
                metrics::done(job, progress.records, manifest.published_at);
                if progress.repaired > 0 {
                    metrics::put(Metric::RecordsRepaired, progress.repaired);
                }
                if !progress.drifts.is_empty() {
                    metrics::put(Metric::ColumnDrifts, progress.drifts.count());
                }
                return Ok(Some(Outcome::Done(progress.records)));
            }
            Ok(Published::ClaimLost) => {
                warn!(job.id = %id, "lost the claim of job {id} before the publish");
                return Ok(Some(Outcome::ClaimLost));
            }
            Ok(Published::Moved) => return Ok(None),
            Ok(Published::Refused(obstacle)) => return Err(JobExit::of(obstacle, progress.clone())),
            Err(error) if error.is_retryable() => {
                warn!(job.id = %id, error = telemetry::causes(&error), "failed to publish job {id}; retrying");
                tokio::time::sleep(PUBLISH.delay(n, fastrand::f64())).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let message = "DynamoDB refused the publish transaction again and again";
    Err(JobExit::new(Change::Requeue, Kind::TryAgain, message))
}

/// Marks the job of a deletion done.
async fn removed(run: JobRun<'_>, progress: &Progress) -> Result<Outcome, JobExit> {
    let JobRun { services, job, .. } = run;
    let deleted = progress.table.map_or(0, |counts| counts.deleted);
    match services.ledger.removed(job, progress, deleted, services.clock.now()).await? {
        Changed::Applied(_) => Ok(Outcome::Done(0)),
        Changed::Rejected(_) => {
            warn!(job.id = %job.id, "lost the claim of job {} before it was marked done", job.id);
            Ok(Outcome::ClaimLost)
        }
    }
}

/// Writes to the ledger how and why this worker leaves the job.
async fn leave(run: JobRun<'_>, mode: ClaimMode<'_>, exit: JobExit) -> Outcome {
    let JobRun { services, job, .. } = run;
    let JobExit { change, reason, progress } = &exit;
    let id = &job.id;
    warn!(
        job.id = %id,
        trace.id = job.trace,
        ?change,
        reason = reason.code.as_str(),
        detail = reason.message,
        "leaving job {id} ({})",
        job.object.key
    );
    let worker = match mode {
        ClaimMode::DedicatedTask => None,
        ClaimMode::PooledWorker(name) => Some(name),
    };
    let leaving = Leaving { change: *change, reason, progress, worker };
    match services.ledger.leave(job, leaving, services.clock.now()).await {
        Ok(Changed::Applied(job)) => Outcome::Left(*change, job),
        Ok(Changed::Rejected(_)) => Outcome::ClaimLost,
        Err(error) => {
            warn!(job.id = %id, error = telemetry::causes(&error), "failed to record how job {id} was left");
            Outcome::Unrecorded
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panic_or_a_hang_returns_the_job() {
        let limit = Duration::from_secs(30);
        let panics = async { if limit.is_zero() { Ok(()) } else { panic!("row {} is odd", 7) } };
        let exit = with_timeout_catching_panics(limit, panics).await.unwrap_err();
        let said = (exit.change, exit.reason.code.as_str(), exit.reason.message.as_str());
        assert_eq!(said, (Change::Requeue, "internal_error", "the worker panicked: row 7 is odd"));
        let exit = with_timeout_catching_panics::<()>(limit, std::future::pending()).await.unwrap_err();
        assert_eq!((exit.change, exit.reason.code.as_str()), (Change::Requeue, "timed_out"));
        assert_eq!(with_timeout_catching_panics(limit, async { Ok(3) }).await.unwrap(), 3);
    }
}
