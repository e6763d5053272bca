//! The worker: the container that turns objects into records.
//!
//! | command | the task |
//! | --- | --- |
//! | `job` | works on the one job that its environment names |
//! | `drain` | takes jobs from the backlog, many at once, until there are none |
//! | `sweep` | makes up for what was lost, late or left over, and reports the hour |
//! | `exec` | runs a program of the image: a schedule's command |
//!
//! This crate is the process: arguments, SIGTERM, and the polling loop of a pooled worker. What it does with one job is
//! [`app::run_job`], and the sweep is [`app::sweep`].

mod drain;
mod exec;

use std::process;

use app::{
    run_job::{self, By, Commands, Usage, Workshop},
    sweep,
};
use aws::{Clients, tasks};
use clock::Clock;
use domain::{
    exit_code::ExitCode,
    job::JobId,
    settings::{Settings, SettingsError},
};
use telemetry::logging;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::drain::Drain;

/// Runs the container's program with these arguments to its exit code, as the process of the container.
#[must_use]
pub fn main(arguments: impl Iterator<Item = String>) -> process::ExitCode {
    let settings = Settings::of_process();
    if let Err(error) = logging::json(&settings) {
        error!(error = telemetry::causes(&error), "the task is configured wrongly");
        return process::ExitCode::from(ExitCode::Usage.code());
    }
    let arguments: Vec<_> = arguments.collect();
    // One thread parses while this one has the calls in flight. A core serializes more rows a second than DynamoDB's
    // default quota takes; more threads only cost processor time and memory (`cargo run --release -p bench`).
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(error = telemetry::causes(&error), "cannot start");
            return process::ExitCode::from(ExitCode::Software.code());
        }
    };
    let code = runtime.block_on(async {
        let stop = stop_on_sigterm();
        if let Some((exec, command)) = arguments.split_first()
            && exec == "exec"
        {
            return exec::run(command, stop).await;
        }
        let clients = Clients::new(&aws::found_config().await);
        run(&arguments, &clients, &settings, Clock::system(), stop).await.code()
    });
    process::ExitCode::from(code)
}

/// Runs the program with these arguments and settings until it has done its work or `stop` is cancelled. Not `exec`,
/// whose exit codes are its program's own.
pub async fn run(
    arguments: &[String],
    clients: &Clients,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> ExitCode {
    let rest = arguments.get(1..).unwrap_or_default();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let code = match arguments[..] {
        ["job"] => job(clients, settings, clock, stop).await,
        ["drain"] => drain(clients, settings, clock, stop).await,
        ["sweep", ..] => Ok(sweep::run(rest, clients, settings, clock, stop).await),
        _ => {
            error!(
                ?arguments,
                "usage: worker job | drain | sweep [--since T] [--until T] [--prefix P] [--dry-run] | exec PROGRAM …"
            );
            return ExitCode::Usage;
        }
    };
    let code = code.unwrap_or_else(|error| {
        error!(error = telemetry::causes(&error), "the task is configured wrongly");
        ExitCode::Usage
    });
    let usage = Usage::of_process();
    info!(
        exit_code = code.code(),
        memory.peak_bytes = usage.map(|usage| usage.peak_memory_bytes),
        cpu_ms = usage.map(|usage| usage.cpu_ms),
        "worker leaves"
    );
    code
}

/// Works on the job that the environment names.
async fn job(
    clients: &Clients,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> Result<ExitCode, SettingsError> {
    let text = settings.require(tasks::JOB_VARIABLE)?;
    let id = JobId::parse(text).ok_or_else(|| SettingsError::Invalid {
        name: tasks::JOB_VARIABLE.to_owned(),
        found: text.to_owned(),
        expected: "it must be a job id of 32 hex digits".to_owned(),
    })?;
    let attempt = settings.parse(tasks::ATTEMPT_VARIABLE, "it must be a number from 1")?;
    let workshop = Workshop::new(clients, settings, clock, Commands::alone(settings))?;
    let code = run_job::attend(&workshop, &id, attempt, By::Task, &stop).await.exit_code();
    workshop.commands.end().await;
    Ok(code)
}

/// Works on jobs from the backlog until there are none.
async fn drain(
    clients: &Clients,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> Result<ExitCode, SettingsError> {
    Ok(Drain::new(clients, settings, clock)?.run(stop).await)
}

/// A token that SIGTERM cancels. Process 1 of a container has no default action for the signal: without this
/// it would be ignored until the kill.
fn stop_on_sigterm() -> CancellationToken {
    let stop = CancellationToken::new();
    match signal(SignalKind::terminate()) {
        Ok(mut sigterm) => {
            let stop = stop.clone();
            tokio::spawn(async move {
                sigterm.recv().await;
                stop.cancel();
            });
        }
        Err(error) => error!(error = telemetry::causes(&error), "cannot listen for SIGTERM"),
    }
    stop
}
