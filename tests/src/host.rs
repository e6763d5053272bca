//! Functions and worker in this process, as their own mains would make them: from the environment they are given.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use app::{
    every_minute::EveryMinute,
    finish_attempt::FinishAttempt,
    ingest::Ingest,
    run_schedule::RunSchedule,
    scale::{Scaling, Trigger},
};
use aws::{Clients, SdkConfig};
use aws_sdk_s3::config::{Region, timeout::TimeoutConfig};
use clock::Clock;
use domain::settings::{Settings, variables};
use futures::FutureExt;
use localcloud::{
    connector,
    frontend::Frontend,
    host::{Exit, Launch, Runner},
    lambda::{FunctionError, FunctionHost, Invocation},
    logs::LogStream,
};
use serde_json::Value;
use telemetry::logging;
use tempfile::TempDir;
use tracing::instrument::{WithDispatch, WithSubscriber as _};

/// What the programs of an environment make their clients with.
#[derive(Debug, Clone)]
pub(crate) struct Sdk {
    /// The SDK keeps for a whole process, by service and region, the retries it has left and the rate it slows down to.
    /// Environments with clocks of their own must not share them, so each has a region of its own.
    region: String,
    /// Whether the calls of clients that are made from now on time out.
    timeouts: Arc<AtomicBool>,
}

impl Sdk {
    pub(crate) fn new(region: String) -> Self {
        Self { region, timeouts: Arc::new(AtomicBool::new(true)) }
    }

    /// Lets the calls of clients that are made from now on take as long as they may.
    pub(crate) fn disable_timeouts(&self) {
        self.timeouts.store(false, Ordering::Relaxed);
    }

    /// The configuration of clients of `frontend` that sign with this key.
    pub(crate) fn config(&self, frontend: &Frontend, key: &str) -> SdkConfig {
        let config = connector::sdk_config(frontend, frontend.clock(), key).into_builder();
        let config = config.region(Region::new(self.region.clone()));
        if self.timeouts.load(Ordering::Relaxed) {
            return config.build();
        }
        config.timeout_config(TimeoutConfig::disabled()).build()
    }
}

/// What happens to a worker when its container starts.
#[derive(Debug, Clone, Copy)]
pub enum WorkerFault {
    /// It runs.
    None,
    /// After this time, its process ends in the middle of its work with this exit code.
    Dies(Duration, i32),
}

/// The faults of the workers that start next, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorkerFaults(Arc<Mutex<VecDeque<WorkerFault>>>);

impl WorkerFaults {
    pub(crate) fn push(&self, worker_faults: impl IntoIterator<Item = WorkerFault>) {
        self.0.lock().expect("no panic").extend(worker_faults);
    }

    fn next(&self) -> WorkerFault {
        self.0.lock().expect("no panic").pop_front().unwrap_or(WorkerFault::None)
    }
}

/// λ uploads; `folder` is kept as long as it.
pub(crate) fn uploads(frontend: &Frontend, sdk: &Sdk, folder: Option<Arc<TempDir>>) -> FunctionHost {
    let make = move |clients: &Clients, settings: &Settings, clock| {
        let _ = &folder;
        Ingest::new(clients, settings, clock)
    };
    direct(frontend, sdk, make, |ingest, invocation| async move {
        let event = serde_json::from_value(invocation.payload).map_err(|e| failed(&e))?;
        answer(&uploads::handle(&ingest, &event).await)
    })
}

/// λ stops.
pub(crate) fn stops(frontend: &Frontend, sdk: &Sdk) -> FunctionHost {
    direct(frontend, sdk, FinishAttempt::new, |finish_attempt, invocation| async move {
        let event = serde_json::from_value(invocation.payload).map_err(|e| failed(&e))?;
        answer(&stops::handle(&finish_attempt, &event).await)
    })
}

/// λ scaler.
pub(crate) fn scaler(frontend: &Frontend, sdk: &Sdk) -> FunctionHost {
    direct(frontend, sdk, EveryMinute::new, |every_minute, _| async move {
        answer(&every_minute.run().await.map_err(|e| failed(&e))?)
    })
}

/// λ backlog, which looks at the fleet.
pub(crate) fn backlog(frontend: &Frontend, sdk: &Sdk) -> FunctionHost {
    let make = |clients: &Clients, settings: &Settings, clock: Clock| {
        Scaling::new(clients, settings).map(|scaling| (scaling, clock))
    };
    direct(frontend, sdk, make, |made, _| async move {
        let (scaling, clock) = &*made;
        answer(&scaling.run(Trigger::Tick, clock.now()).await.map_err(|e| failed(&e))?)
    })
}

/// λ schedule; `folder` is kept as long as it.
pub(crate) fn schedule(frontend: &Frontend, sdk: &Sdk, folder: Option<Arc<TempDir>>) -> FunctionHost {
    let make = move |clients: &Clients, settings: &Settings, clock| {
        let _ = &folder;
        RunSchedule::new(clients, settings, clock)
    };
    direct(frontend, sdk, make, |run_schedule, invocation| async move {
        let launched = schedule::handle(&run_schedule, invocation.payload, &invocation.request_id).await;
        answer(&launched.map_err(|e| failed(&e))?)
    })
}

/// A function in this process: made from its environment when it is first invoked, as a cold start makes it.
fn direct<T, E, F>(
    frontend: &Frontend,
    sdk: &Sdk,
    make: impl Fn(&Clients, &Settings, Clock) -> Result<T, E> + Send + Sync + 'static,
    handle: impl Fn(Arc<T>, Invocation) -> F + Send + Sync + 'static,
) -> FunctionHost
where
    T: Send + Sync + 'static,
    E: std::error::Error,
    F: Future<Output = Result<Value, FunctionError>> + Send + 'static,
{
    let (frontend, sdk, cell) = (frontend.clone(), sdk.clone(), OnceLock::new());
    FunctionHost::Direct(Arc::new(move |invocation: Invocation| {
        let made = warm(&cell, || {
            let key = invocation.environment.get("AWS_ACCESS_KEY_ID");
            let clients = clients(&frontend, &sdk, key.map(String::as_str).unwrap_or_default());
            make(&clients, &Settings::from(invocation.environment.clone()), frontend.clock())
        });
        let stack = invocation.environment.get(variables::STACK_NAME.name()).cloned().unwrap_or_default();
        let logs =
            frontend.services().logs.stream(&format!("/aws/lambda/{}", invocation.function), "in-process");
        match made {
            Ok(made) => logged(&stack, frontend.clock(), logs, handle(made, invocation)).boxed(),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }))
}

fn answer(answer: &impl serde::Serialize) -> Result<Value, FunctionError> {
    serde_json::to_value(answer).map_err(|e| failed(&e))
}

/// The worker's container.
pub(crate) fn worker(frontend: &Frontend, sdk: &Sdk, worker_faults: WorkerFaults) -> Runner {
    let (frontend, sdk) = (frontend.clone(), sdk.clone());
    Arc::new(move |launch: Launch| {
        let (frontend, sdk, worker_fault) = (frontend.clone(), sdk.clone(), worker_faults.next());
        async move {
            let settings = Settings::from(launch.env.clone());
            let key = launch.env.get("AWS_ACCESS_KEY_ID").map(String::as_str).unwrap_or_default();
            let clients = clients(&frontend, &sdk, key);
            let run = worker::run(&launch.command, &clients, &settings, frontend.clock(), launch.stop);
            let stack = launch.env.get(variables::STACK_NAME.name()).map(String::as_str).unwrap_or_default();
            let run = logged(stack, frontend.clock(), launch.logs, run);
            let exit = match worker_fault {
                WorkerFault::None => i32::from(run.await.code()),
                WorkerFault::Dies(after, code) => {
                    tokio::time::timeout(after, run).await.map_or(code, |left| i32::from(left.code()))
                }
            };
            Exit::Code(exit)
        }
        .boxed()
    })
}

/// Runs a program and writes what it logs to `logs`, as the host of a process writes the process's output. What the
/// program spawns logs there too if it is spawned with the current subscriber.
pub(crate) fn logged<F: Future>(stack: &str, clock: Clock, logs: LogStream, run: F) -> WithDispatch<F> {
    // With RUST_LOG set, the lines are also printed.
    let shown = std::env::var_os("RUST_LOG").is_some();
    let lines = logging::lines(stack, clock, move |line| {
        if shown {
            eprintln!("{line}");
        }
        logs.push(line);
    });
    run.with_subscriber(lines)
}

/// Makes what a cold start makes, once.
fn warm<T, E: std::error::Error>(
    cell: &OnceLock<Arc<T>>,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<Arc<T>, FunctionError> {
    if let Some(made) = cell.get() {
        return Ok(made.clone());
    }
    let made = Arc::new(make().map_err(|e| failed(&e))?);
    Ok(cell.get_or_init(|| made).clone())
}

fn clients(frontend: &Frontend, sdk: &Sdk, key: &str) -> Clients {
    Clients::new(&sdk.config(frontend, key))
}

fn failed(error: &dyn std::error::Error) -> FunctionError {
    FunctionError::new("Runtime.InitError", telemetry::causes(error))
}
