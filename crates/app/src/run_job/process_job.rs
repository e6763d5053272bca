//! The life of one job in a worker: claim it, work on it, publish it or leave it with a reason.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aws::{
    CallError, Clients,
    ledger::{Changed, Claim, Expired, Leaving, Ledger},
    objects::Objects,
    records::{Published, Records},
    tasks,
};
use clock::Clock;
use domain::{
    backoff,
    exit_code::ExitCode,
    job::{Change, Job, JobId},
    pipelines::Format,
    settings::{Settings, SettingsError},
};
use futures::FutureExt;
use telemetry::metrics;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::run_job::{
    command::Commands,
    job_progress::Doing,
    memory::Memory,
    read_and_write::{Left, Written, called, work},
    usage::Usage,
};

/// What a worker works with.
#[derive(Debug)]
pub struct Workshop {
    /// The jobs.
    pub ledger: Ledger,
    pub(crate) records: Records,
    pub(crate) objects: Objects,
    pub(crate) rejects_prefix: String,
    /// The revision of the task definition that this task runs. One that older functions have launched is not told.
    pub revision: Option<String>,
    /// The time.
    pub clock: Clock,
    pub(crate) memory: Memory,
    /// Where pipelines' commands run.
    pub commands: Commands,
}

impl Workshop {
    /// From the task's environment, and with what there is for pipelines' commands.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
        commands: Commands,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            ledger: Ledger::new(clients, settings.require("LEDGER_TABLE")?),
            records: Records::new(clients, settings.require("RECORDS_TABLE")?),
            objects: Objects::new(clients),
            rejects_prefix: settings.require("REJECTS_PREFIX")?.to_owned(),
            revision: settings.require(tasks::REVISION_VARIABLE).ok().map(str::to_owned),
            clock,
            memory: Memory::new(),
            commands,
        })
    }
}

/// How long a claim holds without being renewed, and how often it is: two renewals may fail.
const LEASE: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Who works on a job.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// The task that was launched for this attempt: it takes over from one of its own kind that was lost.
    Task,
    /// The pooled worker of this name.
    Worker(&'a str),
}

/// What became of a job in a worker.
#[derive(Debug)]
pub enum Outcome {
    /// It was not to be claimed. As it stands, if it is there at all.
    Refused(Option<Box<Job>>),
    /// The ledger did not answer the claim, which may have been taken.
    Unclaimed(CallError),
    /// So many records of it are visible.
    Done(u64),
    /// Another worker has it.
    ClaimLost,
    /// It was left so. As the ledger has it, reason and all.
    Left(Change, Box<Job>),
    /// The ledger did not answer how it was left, and its lease runs out.
    Untold,
}

impl Outcome {
    /// The exit code of a task that worked on this job alone.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // Not to be claimed, or claimed by another: its stop finds in the ledger how the job stands.
            Self::Refused(_) | Self::Done(_) | Self::ClaimLost => ExitCode::Done,
            Self::Unclaimed(error) if error.is_retryable() => ExitCode::TryAgain,
            Self::Unclaimed(_) => ExitCode::Config,
            Self::Untold => ExitCode::TryAgain,
            Self::Left(Change::Fail, _) => ExitCode::BadInput,
            Self::Left(Change::Return, job) => match job.reason.as_ref().map(|reason| reason.code.as_str()) {
                Some("stopped") => ExitCode::Terminated,
                Some("timed_out") => ExitCode::TimedOut,
                Some("misconfigured") => ExitCode::Config,
                Some("internal") => ExitCode::Software,
                Some("command_crashed") => ExitCode::CommandCrashed,
                Some("out_of_memory") => ExitCode::OutOfMemory,
                _ => ExitCode::TryAgain,
            },
            Self::Left(..) => ExitCode::Done,
        }
    }
}

/// Works on one attempt of a job to its end, or until `stop` is cancelled, which hands the job back.
///
/// Killed at any line, it leaves the job waiting, or running with a lease that runs out, and rows that nobody
/// sees. Run twice at once, one of the two has the claim and the other leaves quietly.
pub async fn attend(
    workshop: &Workshop,
    id: &JobId,
    attempt: u32,
    by: By<'_>,
    stop: &CancellationToken,
) -> Outcome {
    let unique = fastrand::u128(..);
    let (holder, expired) = match by {
        By::Task => (format!("{unique:032x}"), Expired::TakenOver),
        By::Worker(name) => (format!("{name}/{unique:032x}"), Expired::Refused),
    };
    let claim = Claim { attempt, holder: &holder, expired, revision: workshop.revision.as_deref() };
    let claimed = workshop.ledger.claim(id, claim, workshop.clock.now(), LEASE).await;
    let job = match claimed {
        Ok(Changed::Yes(job)) => job,
        Ok(Changed::No(found)) => {
            let state = found.as_ref().map_or("not there", |job| job.state.as_str());
            info!(job.id = %id, attempt, state, "the job is not to be claimed");
            return Outcome::Refused(found);
        }
        Err(error) => {
            warn!(job.id = %id, error = telemetry::causes(&error), "cannot claim the job");
            return Outcome::Unclaimed(error);
        }
    };
    info!(job.id = %id, trace.id = job.trace, object = %job.object, attempt, fence = job.fence, "claimed");
    let doing = Arc::new(Doing::default());
    let worked = tokio::select! {
        worked = make_room_and_work(workshop, &job, &doing) => worked,
        () = lose_claim(workshop, &job, &doing) => {
            warn!(job.id = %id, "the claim is lost: another worker has the job");
            return Outcome::ClaimLost;
        }
        () = stop.cancelled() => Err(Left::new(Change::Return, "stopped", "the task was asked to stop")),
    };
    let left = match worked {
        Ok(written) => match publish(workshop, &job, &written).await {
            Ok(outcome) => return outcome,
            Err(left) => left,
        },
        Err(left) => left,
    };
    leave(workshop, &job, by, left).await
}

/// Works within the pipeline's timeout, which begins when the process has memory for the object, and for the command.
async fn make_room_and_work(workshop: &Workshop, job: &Job, doing: &Arc<Doing>) -> Result<Written, Left> {
    let gone = |closed| Left::new(Change::Return, "internal", format!("the memory budget is gone: {closed}"));
    // Before the share of the bytes, which others need while this one waits.
    let room = match job.pipeline.format {
        Format::Command => Some(workshop.commands.room(job).await.map_err(gone)?),
        _ => None,
    };
    let share = workshop.memory.share(job.object.size_bytes).await.map_err(gone)?;
    contained(job.pipeline.timeout, work(workshop, job, &share, room.as_ref(), doing)).await
}

/// Work that may take too long or panic, as a reader may on bytes that nobody foresaw: either ends this attempt and
/// nothing else of the process.
async fn contained<T>(limit: Duration, work: impl Future<Output = Result<T, Left>>) -> Result<T, Left> {
    // What a panic leaves behind is dropped, and what it shares with others is semaphores and clients.
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(worked)) => worked,
        Ok(Err(panic)) => {
            Err(Left::new(Change::Return, "internal", format!("the worker panicked: {}", words(&*panic))))
        }
        Err(_elapsed) => {
            let words = format!("not done within the pipeline's timeout of {} s", limit.as_secs());
            Err(Left::new(Change::Return, "timed_out", words))
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

/// Renews the claim until it is lost: refused, or not renewed in time.
async fn lose_claim(workshop: &Workshop, job: &Job, doing: &Doing) {
    let mut lease_until = tokio::time::Instant::now() + LEASE;
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let (records, progress) = (doing.records(), doing.progress());
        let until = workshop.clock.now() + LEASE;
        match workshop.ledger.renew(&job.id, job.fence, until, records, progress.as_deref()).await {
            Ok(Changed::Yes(_)) => {
                lease_until = tokio::time::Instant::now() + LEASE;
                info!(job.id = %job.id, records, progress, "working");
            }
            Ok(Changed::No(_)) => return,
            Err(error) => {
                warn!(job.id = %job.id, error = telemetry::causes(&error), "cannot renew the claim")
            }
        }
        if tokio::time::Instant::now() >= lease_until {
            return;
        }
    }
}

/// Makes the rows visible and the job done. Not to be interrupted: it takes one call, or a few while another
/// version's publish is in the way.
async fn publish(workshop: &Workshop, job: &Job, written: &Written) -> Result<Outcome, Left> {
    let Written { manifest, progress, write_units } = written;
    for n in 0..PUBLISH_TRIES {
        match workshop.records.publish(&workshop.ledger, job, manifest, progress, *write_units).await {
            Ok(Published::Done) => {
                let memory = Usage::of_process().map(|usage| usage.peak_memory_bytes);
                info!(
                    job.id = %job.id,
                    trace.id = job.trace,
                    records = progress.records,
                    memory.peak_bytes = memory,
                    "done: all records are visible"
                );
                metrics::done(job, progress.records, manifest.published_at);
                return Ok(Outcome::Done(progress.records));
            }
            Ok(Published::ClaimLost) => {
                warn!(job.id = %job.id, "the claim was lost before the publish");
                return Ok(Outcome::ClaimLost);
            }
            Ok(Published::Superseded) => {
                let newer = "a newer version of this key became visible first";
                let left = Left::new(Change::Supersede, "superseded", newer);
                return Err(Left { progress: progress.clone(), ..left });
            }
            Err(error) if error.is_retryable() => {
                warn!(job.id = %job.id, error = telemetry::causes(&error), "the publish is tried again");
                let wait =
                    backoff::delay(n, Duration::from_millis(100), Duration::from_secs(5), fastrand::f64());
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(called(error)),
        }
    }
    Err(Left::new(Change::Return, "try_again", "the publish transaction kept being refused"))
}

/// How often a publish is tried: some twenty seconds.
const PUBLISH_TRIES: u32 = 8;

/// Tells the ledger how the job is left.
async fn leave(workshop: &Workshop, job: &Job, by: By<'_>, left: Left) -> Outcome {
    let Left { change, reason, progress } = &left;
    warn!(job.id = %job.id, trace.id = job.trace, ?change, reason = reason.code, detail = reason.message, "leaving the job");
    let worker = match by {
        By::Task => None,
        By::Worker(name) => Some(name),
    };
    let leaving = Leaving { change: *change, reason, progress, worker };
    match workshop.ledger.leave(job, leaving, workshop.clock.now()).await {
        Ok(Changed::Yes(job)) => Outcome::Left(*change, job),
        Ok(Changed::No(_)) => Outcome::ClaimLost,
        Err(error) => {
            warn!(job.id = %job.id, error = telemetry::causes(&error), "cannot tell the ledger");
            Outcome::Untold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panic_or_a_hang_is_a_reason_to_return_the_job() {
        let limit = Duration::from_secs(30);
        let panics = async { if limit.is_zero() { Ok(()) } else { panic!("row {} is odd", 7) } };
        let left = contained(limit, panics).await.unwrap_err();
        let said = (left.change, left.reason.code.as_str(), left.reason.message.as_str());
        assert_eq!(said, (Change::Return, "internal", "the worker panicked: row 7 is odd"));
        let left = contained::<()>(limit, std::future::pending()).await.unwrap_err();
        assert_eq!((left.change, left.reason.code.as_str()), (Change::Return, "timed_out"));
        assert_eq!(contained(limit, async { Ok(3) }).await.unwrap(), 3);
    }
}
