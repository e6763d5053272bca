//! The sweep: every hour it repairs what was lost or is late, deletes what is left over, and reports the hour. With a date
//! range it is the backfill.
//!
//! [`domain::sweep`] decides what to do; this module reads and writes, each step in a file of its own. A step that fails
//! does not stop the others, and within a step an item that fails is named and passed over ([`crate::item_failures`]).
//! Only one sweep runs at a time: it holds a lease. An hourly sweep that finds the lease held exits with success; a sweep
//! that was started with arguments waits for its turn.
//!
//! If the process is killed at any line, the next sweep finds the same work again: a sweep reads the present state, not
//! what an earlier one did. It records a step as done only after the results of that step are durable.

mod collect;
mod dead_letters;
mod open;
mod reconcile;
mod report;
mod settled;

use std::time::Duration;

use crate::item_failures::{ItemFailures, ItemsFailed};
use aws::{
    CallError, Clients,
    cluster::Cluster,
    dead_letters::DeadLetters,
    delete_rows::RowDeleter,
    fleet::Fleet,
    ledger::{Ledger, StatusPage},
    mail::Mailer,
    objects::Objects,
    queue::Queue,
    records::Records,
};
use clock::Clock;
use domain::{
    document::Lease,
    exit_code::ExitCode,
    fargate::Size,
    job::Job,
    notify::NotifyOn,
    scaling::QueueSnapshot,
    settings::{Settings, SettingsError, variables},
    sweep::{
        Range, SweepRequest, SweepRequestError,
        report::{Open, SweepStats},
    },
    watched::Watched,
};
use telemetry::metrics::{self, Metric};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The adapters and the arguments of a sweep.
#[derive(Debug)]
pub struct Sweep {
    ledger: Ledger,
    records: Records,
    fleet: Fleet,
    objects: Objects,
    cluster: Cluster,
    uploads: Queue,
    stops: Queue,
    dead_letters: DeadLetters,
    mailer: Mailer,
    notify_on: NotifyOn,
    collector: RowDeleter,
    /// The stack's own bucket.
    bucket: String,
    watched: Watched,
    reports_prefix: String,
    pooled: Size,
    clock: Clock,
    /// Only log what it would do.
    dry_run: bool,
    /// It was started with arguments, unlike the hourly sweep.
    has_arguments: bool,
    prefix: Option<String>,
    range: Range,
}

/// Why a sweep cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable of the environment.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An argument.
    #[error(transparent)]
    SweepRequest(#[from] SweepRequestError),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(
        "the fleet table has no pipelines to route by: λ schedule writes them there when it launches a sweep"
    )]
    NoPipelines,
    #[error(
        "failed to parse the pipelines that λ schedule wrote to the fleet table: the worker's image may be too old for them"
    )]
    Pipelines(#[from] domain::pipelines::PipelinesError),
    #[error(transparent)]
    Items(#[from] ItemsFailed),
}

impl StepError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Call(error) if error.is_retryable() => ExitCode::TryAgain,
            Self::Call(_) | Self::NoPipelines | Self::Pipelines(_) => ExitCode::Config,
            Self::Items(failed) if failed.first().is_some_and(CallError::is_retryable) => ExitCode::TryAgain,
            Self::Items(failed) => failed.first().map_or(ExitCode::Config, Self::exit_code),
        }
    }

    fn is_retryable(&self) -> bool {
        self.exit_code() == ExitCode::TryAgain
    }
}

/// How long the lease holds without being renewed, and how often it is renewed: two renewals may fail.
const LEASE_TIME: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// How long a sweep with arguments waits for another sweep: longer than one deletes rows.
const TURN: Duration = Duration::from_hours(1);

impl Sweep {
    /// Reads the task's environment. `now` of the clock is where a range without an end ends.
    ///
    /// # Errors
    /// [`StartError`] naming the variable or the argument.
    pub fn new(
        arguments: &[String],
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let request = SweepRequest::parse(arguments)?;
        let range = request.range(clock.now())?;
        let records = Records::new(clients, &settings.get(variables::RECORDS_TABLE)?);
        Ok(Self {
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            objects: Objects::new(clients),
            cluster: Cluster::new(clients, &settings.get(variables::CLUSTER)?),
            uploads: Queue::new(clients, &settings.get(variables::UPLOADS_QUEUE_URL)?),
            stops: Queue::new(clients, &settings.get(variables::STOPS_QUEUE_URL)?),
            dead_letters: DeadLetters::new(
                clients,
                &settings.get(variables::DEAD_LETTER_QUEUE_URL)?,
                &settings.get(variables::FAILED_JOBS_QUEUE_URL)?,
            ),
            mailer: Mailer::of(clients, settings)?,
            notify_on: settings.get(variables::NOTIFY_ON)?,
            collector: RowDeleter::new(records.clone()),
            records,
            bucket: settings.get(variables::BUCKET)?,
            watched: settings.watched()?,
            reports_prefix: settings.get(variables::REPORTS_PREFIX)?,
            pooled: settings.fleet_size()?,
            clock,
            dry_run: request.dry_run,
            has_arguments: request != SweepRequest::default(),
            prefix: request.prefix,
            range,
        })
    }

    /// Sweeps, and returns the worker's exit code: 0 if all steps succeeded or another sweep is running; 75 if a call failed
    /// that the next sweep may retry; 78 if something is missing or forbidden; 143 if it was asked to stop. In every case
    /// the next sweep does what this one did not.
    pub async fn run(self, stop: CancellationToken) -> ExitCode {
        let Range { since, until } = self.range;
        info!(%since, %until, prefix = self.prefix, dry_run = self.dry_run, "sweep starts");
        if self.dry_run {
            // It changes nothing at all, not even the lease: it may look while another sweep is at work.
            return tokio::select! {
                biased;
                code = self.steps() => code,
                () = stop.cancelled() => ExitCode::Terminated,
            };
        }
        let holder = format!("{:032x}", fastrand::u128(..));
        let taken = tokio::select! {
            biased;
            taken = self.take_lease(&holder) => taken,
            () = stop.cancelled() => return ExitCode::Terminated,
        };
        match taken {
            Ok(true) => {}
            Ok(false) if self.has_arguments => {
                error!("another sweep has been running for too long: start this one again later");
                return ExitCode::TryAgain;
            }
            Ok(false) => {
                info!("another sweep is running: nothing to do");
                return ExitCode::Done;
            }
            Err(error) => {
                error!(error = telemetry::causes(&error), "failed to take the lease of the sweep");
                return StepError::from(error).exit_code();
            }
        }
        // The next sweep finds whatever this one drops unfinished.
        let code = tokio::select! {
            biased;
            code = self.steps() => code,
            () = self.renew_until_lost(&holder) => {
                warn!("lost the lease of the sweep: another sweep continues");
                return ExitCode::TryAgain;
            }
            () = stop.cancelled() => {
                warn!("the sweep was asked to stop: the next one does the rest");
                ExitCode::Terminated
            }
        };
        if let Err(error) = self.fleet.release(&Lease::Sweep, &holder).await {
            warn!(
                error = telemetry::causes(&error),
                "failed to release the lease of the sweep: it runs out within a minute"
            );
        }
        code
    }

    /// Runs all steps. The report names those that fail; the first of them decides the exit code.
    async fn steps(&self) -> ExitCode {
        let mut stats = SweepStats::default();
        let mut code = ExitCode::Done;
        let mut failed = |step: &str, error: &StepError, stats: &mut SweepStats| {
            error!(step, error = telemetry::causes(error), "step \"{step}\" of the sweep failed");
            stats.problems.push(format!("{step}: {}", telemetry::causes(error)));
            if code == ExitCode::Done {
                code = error.exit_code();
            }
        };
        if let Err(error) = self.reconcile(&mut stats).await {
            failed("reconcile", &error, &mut stats);
        }
        let mut reports = match self.reports().await {
            Ok(reports) => reports,
            Err(error) => {
                failed("read the progress of the last sweep", &error, &mut stats);
                return code;
            }
        };
        let mut open = Open::default();
        let mut failures = ItemFailures::default();
        let looked = async {
            self.open_jobs(&mut reports, &mut open, &mut stats, &mut failures).await?;
            self.settled_jobs(&mut reports, &mut stats, &mut failures).await
        };
        let looked = looked.await;
        if let Err(error) = &looked {
            failed("look at the jobs", error, &mut stats);
        }
        if let Err(error) = failures.finish() {
            failed("repair jobs", &error.into(), &mut stats);
        }
        if let Err(error) = self.resolve_dead_letters(&mut stats).await {
            failed("go through the dead letters", &error, &mut stats);
        }
        if let Err(error) = self.collect(&mut reports.progress, &mut stats).await {
            failed("collect rows", &error, &mut stats);
        }
        // An hour whose jobs were not all seen is reported by the next sweep.
        if looked.is_ok()
            && let Err(error) = self.report(reports, open, &mut stats).await
        {
            failed("report", &error, &mut stats);
        }
        info!(stats = %serde_json::json!(stats), "sweep ends with exit code {}", code.code());
        if code == ExitCode::Done && !self.dry_run {
            metrics::put(Metric::Sweeps, 1);
        }
        code
    }

    /// Takes the lease. The hourly sweep does not wait for a running one, which does the same; a sweep with arguments does.
    async fn take_lease(&self, holder: &str) -> Result<bool, CallError> {
        let patience = if self.has_arguments { TURN } else { Duration::ZERO };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let taken = self.lease(holder).await?;
            if taken || tokio::time::Instant::now() >= deadline {
                return Ok(taken);
            }
            info!("another sweep is running: waiting for it to end");
            tokio::time::sleep(RENEW_EVERY).await;
        }
    }

    async fn lease(&self, holder: &str) -> Result<bool, CallError> {
        let now = self.clock.now();
        self.fleet.lease(&Lease::Sweep, holder, now, now + LEASE_TIME).await
    }

    /// Renews the lease until it is lost: refused, or not renewed in time.
    async fn renew_until_lost(&self, holder: &str) {
        let mut held_until = tokio::time::Instant::now() + LEASE_TIME;
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.lease(holder).await {
                Ok(true) => held_until = tokio::time::Instant::now() + LEASE_TIME,
                Ok(false) => return,
                Err(error) => {
                    warn!(error = telemetry::causes(&error), "failed to renew the lease of the sweep")
                }
            }
            if tokio::time::Instant::now() >= held_until {
                return;
            }
        }
    }

    /// Since when the jobs queue has held messages, as the scaler saw it last.
    async fn backlog_since(&self) -> Result<Option<jiff::Timestamp>, CallError> {
        Ok(self.fleet.get_document::<QueueSnapshot>().await?.and_then(|seen| seen.waiting_since))
    }

    /// The next jobs of a shard, as they stand in the ledger; none when there are no more. An item that cannot be read is
    /// recorded as a failure.
    async fn next_jobs(
        &self,
        pages: &mut Pages,
        failures: &mut ItemFailures,
    ) -> Result<Option<Vec<Job>>, CallError> {
        if pages.ended {
            return Ok(None);
        }
        let (ids, next) = self.ledger.by_status(&pages.status_shard, pages.next.take()).await?;
        (pages.ended, pages.next) = (next.is_none(), next);
        Ok(Some(failures.read_jobs(self.ledger.read_all(&ids).await?)))
    }
}

/// A shard on its way through memory, a page at a time.
#[derive(Debug)]
struct Pages {
    status_shard: String,
    next: Option<StatusPage>,
    ended: bool,
}

impl Pages {
    fn of(status_shard: String) -> Self {
        Self { status_shard, next: None, ended: false }
    }
}
