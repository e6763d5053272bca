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
//! and [`app::sweep`] sweeps. A [`Task`] reads all its settings before it makes a call.

mod drain;
mod exec;

use std::process;

use app::{
    run_job::{ClaimMode, Commands, Services, Usage, process_job},
    sweep::{self, Sweep},
};
use aws::Clients;
use clock::Clock;
use domain::{
    exit_code::ExitCode,
    job::JobId,
    settings::{Settings, SettingsError, variables},
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

/// Reads the arguments and settings, and runs the task until its work is done or `stop` is cancelled. Does not know
/// `exec`, whose exit codes are those of its program.
pub async fn run(
    arguments: &[String],
    clients: &Clients,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> ExitCode {
    let code = match Task::new(arguments, clients, settings, clock) {
        Ok(task) => task.run(stop).await,
        Err(error) => {
            error!(error = telemetry::causes(&error), "failed to start the task: {error}");
            ExitCode::Usage
        }
    };
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

/// What the container was started for, with its environment read.
#[derive(Debug)]
pub struct Task(Work);

#[derive(Debug)]
enum Work {
    Job { id: JobId, attempt: u32, services: Box<Services> },
    Drain(Drain),
    Sweep(Box<Sweep>),
}

/// Why a task cannot start: its arguments or its environment are wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such command.
    #[error(
        "{0:?} is no command; usage: worker job | drain | sweep [--since T] [--until T] [--prefix P] [--dry-run] | exec PROGRAM …"
    )]
    Usage(Vec<String>),
    /// A variable.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A sweep.
    #[error(transparent)]
    Sweep(#[from] sweep::StartError),
}

impl Task {
    /// Reads the arguments, the first of which names the command, and the variables that the command needs. Makes no call.
    ///
    /// # Errors
    /// [`StartError`] naming the argument or variable.
    pub fn new(
        arguments: &[String],
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let (command, rest) =
            arguments.split_first().map_or(("", arguments), |(it, rest)| (it.as_str(), rest));
        Ok(Self(match (command, rest) {
            ("job", []) => Work::Job {
                id: settings.get(variables::TIDEMILL_JOB)?,
                attempt: settings.get(variables::TIDEMILL_ATTEMPT)?,
                services: Box::new(Services::new(clients, settings, clock, Commands::dedicated(settings))?),
            },
            ("drain", []) => Work::Drain(Drain::new(clients, settings, clock)?),
            ("sweep", rest) => Work::Sweep(Box::new(Sweep::new(rest, clients, settings, clock)?)),
            _ => return Err(StartError::Usage(arguments.to_vec())),
        }))
    }

    /// Works until all is done or `stop` is cancelled.
    async fn run(self, stop: CancellationToken) -> ExitCode {
        match self.0 {
            Work::Job { id, attempt, services } => {
                let mode = ClaimMode::DedicatedTask;
                let exit = process_job(&services, &id, attempt, mode, stop.cancelled()).await;
                services.commands.end().await;
                exit.exit_code()
            }
            Work::Drain(drain) => drain.run(stop).await,
            Work::Sweep(sweep) => sweep.run(stop).await,
        }
    }
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
