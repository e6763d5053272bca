//! The worker: the container that turns objects into records.
//!
//! One job, from claim to publish, is [`job::run`]: it takes the job in the ledger, reads the object twice — once
//! to check every byte and settle the columns' types, once to write — and makes all its records visible in one
//! transaction. Nothing is written for an object that does not pass the check. [`read`] turns bytes into
//! records; its two passes get the bytes from the same place.

pub mod job;
pub mod read;
mod rejects;
mod source;
mod usage;
mod work;
mod write;

use std::{process, sync::Arc};

use tidemill_core::{
    adapter::{self, SdkConfig, tasks},
    clock::Clock,
    exit_code::ExitCode,
    job::JobId,
    logging,
    settings::{Settings, SettingsError},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{job::Workshop, usage::Usage};

/// Runs the container's program with these arguments to its exit code, as the process of the container.
#[must_use]
pub fn main(arguments: impl Iterator<Item = String>) -> process::ExitCode {
    logging::json();
    let arguments: Vec<_> = arguments.collect();
    // One thread parses while this one has the calls in flight. A core serializes more rows a second than DynamoDB's
    // default quota takes; more threads only cost processor time and memory (`cargo run --release -p bench`).
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(error = &error as &dyn std::error::Error, "cannot start");
            return process::ExitCode::from(ExitCode::Software.code());
        }
    };
    let code = runtime.block_on(async {
        let stop = stop_on_sigterm();
        let config = adapter::sdk_config().await;
        run(&arguments, &config, &Settings::of_process(), Clock::system(), stop).await
    });
    process::ExitCode::from(code.code())
}

/// Runs the program with these arguments and settings until it has done its work or `stop` is cancelled.
pub async fn run(
    arguments: &[String],
    config: &SdkConfig,
    settings: &Settings,
    clock: Clock,
    stop: CancellationToken,
) -> ExitCode {
    if arguments != ["job"] {
        error!(?arguments, "usage: worker job");
        return ExitCode::Usage;
    }
    let (workshop, id, attempt) = match prepare(config, settings, clock) {
        Ok(prepared) => prepared,
        Err(error) => {
            error!(error = &error as &dyn std::error::Error, "the task is configured wrongly");
            return ExitCode::Usage;
        }
    };
    let code = job::run(&workshop, &id, attempt, stop).await;
    let usage = Usage::of_process();
    info!(
        job.id = %id,
        attempt,
        exit_code = code.code(),
        memory.peak_bytes = usage.map(|usage| usage.peak_memory_bytes),
        cpu_ms = usage.map(|usage| usage.cpu_ms),
        "worker leaves"
    );
    code
}

fn prepare(
    config: &SdkConfig,
    settings: &Settings,
    clock: Clock,
) -> Result<(Arc<Workshop>, JobId, u32), SettingsError> {
    let text = settings.require(tasks::JOB_VARIABLE)?;
    let id = JobId::parse(text).ok_or_else(|| SettingsError::Invalid {
        name: tasks::JOB_VARIABLE.to_owned(),
        found: text.to_owned(),
        expected: "it must be a job id of 32 hex digits".to_owned(),
    })?;
    let attempt = settings.parse(tasks::ATTEMPT_VARIABLE, "it must be a number from 1")?;
    Ok((Arc::new(Workshop::new(config, settings, clock)?), id, attempt))
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
        Err(error) => error!(error = &error as &dyn std::error::Error, "cannot listen for SIGTERM"),
    }
    stop
}
