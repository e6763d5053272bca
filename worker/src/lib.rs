//! The worker: the container that turns objects into records.
//!
//! | command | the task |
//! | --- | --- |
//! | `job` | runs the one job that its environment names |
//! | `drain` | runs jobs from the backlog, many at once, until the backlog is empty |
//! | `sweep` | repairs what was lost or is late, deletes what is left over, and reports the hour |
//! | `exec` | runs a program of the image: the command of a schedule |
//!
//! This crate is the process: arguments, SIGTERM, and the polling loop of a pooled worker. [`app::run_job`] runs one job,
//! and [`app::sweep`] sweeps.

mod drain;
mod exec;

use std::process;

use app::{
    run_job::{ClaimMode, Commands, Services, Usage, process_job},
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

/// Runs the container's program with these arguments, as the process of the container, and returns its exit code.
#[must_use]
pub fn main(arguments: impl Iterator<Item = String>) -> process::ExitCode {
    let settings = Settings::of_process();
    if let Err(error) = logging::json(&settings) {
        error!(error = telemetry::causes(&error), "the task's configuration is invalid");
        return process::ExitCode::from(ExitCode::Usage.code());
    }
    let arguments: Vec<_> = arguments.collect();
    // One thread parses while this one keeps calls in flight. One core serialises more rows a second than DynamoDB's
    // default quota accepts, so more threads only cost time and memory (`cargo run --release -p bench`).
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(error = telemetry::causes(&error), "failed to start the runtime");
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

/// Runs the program with these arguments and settings until its work is done or `stop` is cancelled. Does not know `exec`,
/// whose exit codes are those of its program.
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
        error!(error = telemetry::causes(&error), "the task's configuration is invalid");
        ExitCode::Usage
    });
    let usage = Usage::of_process();
    info!(
        exit_code = code.code(),
        memory.peak_bytes = usage.map(|usage| usage.peak_memory_bytes),
        cpu_ms = usage.map(|usage| usage.cpu_ms),
        "worker exits with code {}",
        code.code()
    );
    code
}

/// Runs the job that the environment names.
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
    let services = Services::new(clients, settings, clock, Commands::dedicated(settings))?;
    let mode = ClaimMode::DedicatedTask;
    let code = process_job(&services, &id, attempt, mode, stop.cancelled()).await.exit_code();
    services.commands.end().await;
    Ok(code)
}

/// Runs jobs from the backlog until it is empty.
async fn drain(
    clients: &Clients,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> Result<ExitCode, SettingsError> {
    Ok(Drain::new(clients, settings, clock)?.run(stop).await)
}

/// A token that SIGTERM cancels. Process 1 of a container has no default action for the signal: without this the worker
/// would ignore it until it is killed.
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
        Err(error) => error!(error = telemetry::causes(&error), "failed to listen for SIGTERM"),
    }
    stop
}
