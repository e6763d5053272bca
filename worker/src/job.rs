//! The life of one job in a worker: claim it, work on it, publish it or leave it with a reason.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tidemill_core::{
    adapter::{
        CallError, SdkConfig,
        ledger::{Changed, Ledger, Progress},
        objects::Objects,
        records::{Published, Records},
    },
    backoff,
    clock::Clock,
    exit_code::ExitCode,
    job::{Change, Job, JobId, Reason},
    manifest::Manifest,
    settings::{Settings, SettingsError},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::work::{End, called, work};

/// What a worker works with.
#[derive(Debug)]
pub struct Workshop {
    pub(crate) ledger: Ledger,
    pub(crate) records: Records,
    pub(crate) objects: Objects,
    pub(crate) rejects_prefix: String,
    pub(crate) clock: Clock,
}

impl Workshop {
    /// From the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(config: &SdkConfig, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        Ok(Self {
            ledger: Ledger::new(config, settings.require("LEDGER_TABLE")?),
            records: Records::new(config, settings.require("RECORDS_TABLE")?),
            objects: Objects::new(config),
            rejects_prefix: settings.require("REJECTS_PREFIX")?.to_owned(),
            clock,
        })
    }
}

/// How long a claim holds without being renewed, and how often it is: two renewals may fail.
const LEASE: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Works on one attempt of a job to its end and returns the worker's exit code.
///
/// Killed at any line, it leaves the job waiting, or running with a lease that runs out, and rows that nobody
/// sees. Run twice at once, one of the two has the claim and the other leaves quietly.
pub async fn run(workshop: &Workshop, id: &JobId, attempt: u32, stop: CancellationToken) -> ExitCode {
    let holder = format!("{:032x}", fastrand::u128(..));
    let claimed = workshop.ledger.claim(id, attempt, &holder, workshop.clock.now(), LEASE).await;
    let job = match claimed {
        Ok(Changed::Yes(job)) => job,
        Ok(Changed::No(found)) => {
            let state = found.map_or("not there", |job| job.state.as_str());
            info!(job.id = %id, attempt, state, "the job is not to be claimed: nothing to do");
            return ExitCode::Done;
        }
        Err(error) => {
            warn!(job.id = %id, error = %error.chain(), "cannot claim the job");
            return if error.is_retryable() { ExitCode::TryAgain } else { ExitCode::Config };
        }
    };
    info!(job.id = %id, object = %job.object, attempt, fence = job.fence, "claimed");
    let written = Arc::new(AtomicU64::new(0));
    let end = tokio::select! {
        end = work(workshop, &job, &written) => end.unwrap_or_else(|trouble| trouble),
        () = lose_claim(workshop, &job, &written) => {
            warn!(job.id = %id, "the claim is lost: another worker has the job");
            return ExitCode::Done;
        }
        () = stop.cancelled() => End::left(Change::Return, "stopped", "the task was asked to stop"),
        () = tokio::time::sleep(job.pipeline.timeout) => {
            let limit = job.pipeline.timeout.as_secs();
            End::left(Change::Return, "timed_out", format!("not done within the pipeline's timeout of {limit} s"))
        }
    };
    match end {
        End::Written { manifest, progress, write_units } => {
            publish(workshop, &job, &manifest, &progress, write_units).await
        }
        End::Left { change, reason, progress } => leave(workshop, &job, change, &reason, &progress).await,
    }
}

/// Renews the claim until it is lost: refused, or not renewed in time.
async fn lose_claim(workshop: &Workshop, job: &Job, written: &AtomicU64) {
    let mut lease_until = tokio::time::Instant::now() + LEASE;
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let records = written.load(Ordering::Relaxed);
        let until = workshop.clock.now() + LEASE;
        match workshop.ledger.renew(&job.id, job.fence, until, records).await {
            Ok(Changed::Yes(_)) => {
                lease_until = tokio::time::Instant::now() + LEASE;
                info!(job.id = %job.id, records, "working");
            }
            Ok(Changed::No(_)) => return,
            Err(error) => warn!(job.id = %job.id, error = %error.chain(), "cannot renew the claim"),
        }
        if tokio::time::Instant::now() >= lease_until {
            return;
        }
    }
}

/// Makes the rows visible and the job done. Not to be interrupted: it takes one call, or a few while another
/// version's publish is in the way.
async fn publish(
    workshop: &Workshop,
    job: &Job,
    manifest: &Manifest,
    progress: &Progress,
    write_units: u64,
) -> ExitCode {
    for n in 0..PUBLISH_TRIES {
        match workshop.records.publish(&workshop.ledger, job, manifest, progress, write_units).await {
            Ok(Published::Done) => {
                info!(job.id = %job.id, records = progress.records, "done: all records are visible");
                return ExitCode::Done;
            }
            Ok(Published::ClaimLost) => {
                warn!(job.id = %job.id, "the claim was lost before the publish");
                return ExitCode::Done;
            }
            Ok(Published::Superseded) => {
                let reason = Reason::new("superseded", "a newer version of this key became visible first");
                return leave(workshop, job, Change::Supersede, &reason, progress).await;
            }
            Err(error) if error.is_retryable() => {
                warn!(job.id = %job.id, error = %error.chain(), "the publish is tried again");
                let wait =
                    backoff::delay(n, Duration::from_millis(100), Duration::from_secs(5), fastrand::f64());
                tokio::time::sleep(wait).await;
            }
            Err(error) => return leave_on(workshop, job, error).await,
        }
    }
    let reason = Reason::new("try_again", "the publish transaction kept being refused");
    leave(workshop, job, Change::Return, &reason, &Progress::default()).await
}

/// How often a publish is tried: some twenty seconds.
const PUBLISH_TRIES: u32 = 8;

async fn leave_on(workshop: &Workshop, job: &Job, error: CallError) -> ExitCode {
    match called(error) {
        End::Left { change, reason, progress } => leave(workshop, job, change, &reason, &progress).await,
        End::Written { .. } => ExitCode::Software,
    }
}

/// Tells the ledger how the job is left, and the exit code that says the same. A claim that was lost meanwhile is
/// a quiet success; a ledger that does not answer leaves the lease to run out.
async fn leave(
    workshop: &Workshop,
    job: &Job,
    change: Change,
    reason: &Reason,
    progress: &Progress,
) -> ExitCode {
    warn!(job.id = %job.id, ?change, reason = reason.code, detail = reason.message, "leaving the job");
    let now = workshop.clock.now();
    match workshop.ledger.leave(&job.id, job.fence, change, reason, progress, now).await {
        Ok(Changed::Yes(_)) => {}
        Ok(Changed::No(_)) => return ExitCode::Done,
        Err(error) => {
            warn!(job.id = %job.id, error = %error.chain(), "cannot tell the ledger");
            return ExitCode::TryAgain;
        }
    }
    match (change, reason.code.as_str()) {
        (Change::Fail, _) => ExitCode::BadInput,
        (Change::Return, "stopped") => ExitCode::Terminated,
        (Change::Return, "timed_out") => ExitCode::TimedOut,
        (Change::Return, "misconfigured") => ExitCode::Config,
        (Change::Return, "internal") => ExitCode::Software,
        (Change::Return, _) => ExitCode::TryAgain,
        _ => ExitCode::Done,
    }
}
