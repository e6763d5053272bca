//! The sweep: what every hour makes up for what was lost, late or left over. With a date range, it is the backfill.
//!
//! What is to be done is decided in [`domain::sweep`]; here it is looked up and done, step by step, each step
//! in a file of its own. A step that fails does not keep the others from being tried. Only one sweep is at work at a
//! time: it holds a lease. The hourly sweep that finds it held leaves with success, and one that was asked for something
//! else waits for its turn.
//!
//! Killed at any line, it leaves nothing that the next sweep does not find again: it looks at what is there, and not
//! at what it did. What it has told others of stands where they read it before it is noted as told.

mod collect;
mod open;
mod reconcile;
mod report;
mod settled;

use std::time::Duration;

use crate::{
    item_failures::{ItemFailures, ItemsFailed},
    scale,
};
use aws::{
    CallError, Clients,
    cluster::Cluster,
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
    settings::{Settings, SettingsError},
    sweep::{
        Ask, AskError, Range,
        report::{Doings, Open},
    },
};
use telemetry::metrics::{self, Metric};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// What a sweep works with.
#[derive(Debug)]
struct Sweep {
    ledger: Ledger,
    records: Records,
    fleet: Fleet,
    objects: Objects,
    cluster: Cluster,
    uploads: Queue,
    stops: Queue,
    mailer: Mailer,
    notify_on: NotifyOn,
    collector: RowDeleter,
    bucket: String,
    watched_prefix: String,
    reports_prefix: String,
    pooled: Size,
    clock: Clock,
    /// Only say what would be done.
    dry_run: bool,
    /// It was asked for something else than the hourly sweep does.
    is_asked: bool,
    prefix: Option<String>,
    range: Range,
}

/// Why a sweep cannot begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Why a step was not finished.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(
        "there are no pipelines to route by: λ schedule keeps them in the fleet table when it launches a sweep"
    )]
    NoPipelines,
    #[error(
        "the pipelines that λ schedule kept cannot be read: the worker's image may be older than they are"
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

/// How long the lease holds without being renewed, and how often it is: two renewals may fail.
const HELD: Duration = Duration::from_secs(60);
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// How long a sweep that was asked for something of its own waits for another: longer than one collects.
const TURN: Duration = Duration::from_hours(1);

/// Sweeps as the arguments after `sweep` say, and returns the worker's exit code: 0 when all steps were done, or
/// another sweep is at it; 75 when something did not answer and 78 when something is missing or forbidden, and the
/// next sweep makes up for what was not done; 143 when it was asked to stop.
pub async fn run(
    arguments: &[String],
    clients: &Clients,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> ExitCode {
    let sweep = match Sweep::new(arguments, clients, settings, clock) {
        Ok(sweep) => sweep,
        Err(error) => {
            error!(error = telemetry::causes(&error), "the sweep cannot begin");
            return ExitCode::Usage;
        }
    };
    if sweep.dry_run {
        // It changes nothing at all, not even the lease: it may look while another sweep is at work.
        return tokio::select! {
            code = sweep.steps() => code,
            () = stop.cancelled() => ExitCode::Terminated,
        };
    }
    let holder = format!("{:032x}", fastrand::u128(..));
    let taken = tokio::select! {
        taken = sweep.take_lease(&holder) => taken,
        () = stop.cancelled() => return ExitCode::Terminated,
    };
    match taken {
        Ok(true) => {}
        Ok(false) if sweep.is_asked => {
            error!("another sweep has been at work for too long: this one is to be asked for again");
            return ExitCode::TryAgain;
        }
        Ok(false) => {
            info!("another sweep is at work: nothing to do");
            return ExitCode::Done;
        }
        Err(error) => {
            error!(error = telemetry::causes(&error), "cannot take the sweep's lease");
            return StepError::from(error).exit_code();
        }
    }
    // Whatever is dropped in mid-work is found again by the next sweep.
    let code = tokio::select! {
        code = sweep.steps() => code,
        () = sweep.lose_lease(&holder) => {
            warn!("the lease is lost: another sweep goes on");
            return ExitCode::TryAgain;
        }
        () = stop.cancelled() => {
            warn!("asked to stop: the next sweep makes up for the rest");
            ExitCode::Terminated
        }
    };
    if let Err(error) = sweep.fleet.release(&Lease::Sweep, &holder).await {
        warn!(error = telemetry::causes(&error), "the lease is not given back: it runs out within a minute");
    }
    code
}

impl Sweep {
    fn new(
        arguments: &[String],
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let ask = Ask::parse(arguments)?;
        let range = ask.range(clock.now())?;
        info!(since = %range.since, until = %range.until, prefix = ask.prefix, dry_run = ask.dry_run, "sweep begins");
        let records = Records::new(clients, settings.require("RECORDS_TABLE")?);
        Ok(Self {
            ledger: Ledger::new(clients, settings.require("LEDGER_TABLE")?),
            fleet: Fleet::new(clients, settings.require("FLEET_TABLE")?),
            objects: Objects::new(clients),
            cluster: Cluster::new(clients, settings)?,
            uploads: Queue::new(clients, settings.require("UPLOADS_QUEUE_URL")?),
            stops: Queue::new(clients, settings.require("STOPS_QUEUE_URL")?),
            mailer: Mailer::new(clients, settings.require("MAIL_TOPIC")?),
            notify_on: settings.parse("NOTIFY_ON", NotifyOn::EXPECTED)?,
            collector: RowDeleter::new(records.clone()),
            records,
            bucket: settings.require("BUCKET")?.to_owned(),
            watched_prefix: settings.require("WATCHED_PREFIX")?.to_owned(),
            reports_prefix: settings.require("REPORTS_PREFIX")?.to_owned(),
            pooled: scale::size(settings)?,
            clock,
            dry_run: ask.dry_run,
            is_asked: ask != Ask::default(),
            prefix: ask.prefix,
            range,
        })
    }

    /// All steps. Those that fail are named in the report, and the first of them in the exit code.
    async fn steps(&self) -> ExitCode {
        let mut doings = Doings::default();
        let mut code = ExitCode::Done;
        let mut failed = |step: &str, error: &StepError, doings: &mut Doings| {
            error!(step, error = telemetry::causes(error), "a step of the sweep failed");
            doings.problems.push(format!("{step}: {}", telemetry::causes(error)));
            if code == ExitCode::Done {
                code = error.exit_code();
            }
        };
        if let Err(error) = self.reconcile(&mut doings).await {
            failed("reconcile", &error, &mut doings);
        }
        let mut tallies = match self.tallies().await {
            Ok(tallies) => tallies,
            Err(error) => {
                failed("see how far the last sweep came", &error, &mut doings);
                return code;
            }
        };
        let mut open = Open::default();
        let mut failures = ItemFailures::default();
        let looked = async {
            self.open_jobs(&mut tallies, &mut open, &mut doings, &mut failures).await?;
            self.settled_jobs(&mut tallies, &mut doings, &mut failures).await
        };
        let looked = looked.await;
        if let Err(error) = &looked {
            failed("look at the jobs", error, &mut doings);
        }
        if let Err(error) = failures.finish() {
            failed("repair jobs", &error.into(), &mut doings);
        }
        if let Err(error) = self.collect(&mut tallies.progress, &mut doings).await {
            failed("collect rows", &error, &mut doings);
        }
        // An hour whose jobs were not all seen is reported by the next sweep.
        if looked.is_ok()
            && let Err(error) = self.report(tallies, open, &mut doings).await
        {
            failed("report", &error, &mut doings);
        }
        info!(doings = %serde_json::json!(doings), "sweep ends");
        if code == ExitCode::Done && !self.dry_run {
            metrics::put(Metric::Sweeps, 1);
        }
        code
    }

    /// Takes the lease. The hourly sweep does not wait for another, which does the same; one that is asked for something
    /// else does, for its turn.
    async fn take_lease(&self, holder: &str) -> Result<bool, CallError> {
        let patience = if self.is_asked { TURN } else { Duration::ZERO };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let taken = self.lease(holder).await?;
            if taken || tokio::time::Instant::now() >= deadline {
                return Ok(taken);
            }
            info!("another sweep is at work: this one waits for its turn");
            tokio::time::sleep(RENEW_EVERY).await;
        }
    }

    async fn lease(&self, holder: &str) -> Result<bool, CallError> {
        let now = self.clock.now();
        self.fleet.lease(&Lease::Sweep, holder, now, now + HELD).await
    }

    /// Renews the lease until it is lost: refused, or not renewed in time.
    async fn lose_lease(&self, holder: &str) {
        let mut held_until = tokio::time::Instant::now() + HELD;
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match self.lease(holder).await {
                Ok(true) => held_until = tokio::time::Instant::now() + HELD,
                Ok(false) => return,
                Err(error) => warn!(error = telemetry::causes(&error), "cannot renew the sweep's lease"),
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

    /// The next jobs of a shard, as they stand in the ledger; none when there are no more.
    async fn next_jobs(&self, pages: &mut Pages) -> Result<Option<Vec<Job>>, CallError> {
        if pages.ended {
            return Ok(None);
        }
        let (ids, next) = self.ledger.by_status(&pages.status_shard, pages.next.take()).await?;
        (pages.ended, pages.next) = (next.is_none(), next);
        self.ledger.read_all(&ids).await.map(Some)
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
