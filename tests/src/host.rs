//! Functions and worker in this process, as their own mains would make them: from the environment they are given.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_sdk_s3::config::Region;
use futures::FutureExt;
use stops::Stops;
use tempfile::TempDir;
use tidemill_cloud::{
    connector,
    gate::Gate,
    host::{Exit, Launch, Runner},
    lambda::{FunctionError, FunctionHost, Invocation},
};
use tidemill_core::{adapter::SdkConfig, settings::Settings};
use uploads::Uploads;

/// What happens to a task when its container starts.
#[derive(Debug, Clone, Copy)]
pub enum Accident {
    /// It works.
    None,
    /// After this time, its process ends in mid-work with this exit code.
    Dies(Duration, i32),
}

/// The accidents that are still to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accidents(Arc<Mutex<VecDeque<Accident>>>);

impl Accidents {
    pub(crate) fn push(&self, accidents: impl IntoIterator<Item = Accident>) {
        self.0.lock().expect("no panic").extend(accidents);
    }

    fn next(&self) -> Accident {
        self.0.lock().expect("no panic").pop_front().unwrap_or(Accident::None)
    }
}

/// λ uploads; `folder` is kept as long as it.
pub(crate) fn uploads(gate: &Gate, region: &str, folder: Option<TempDir>) -> FunctionHost {
    let (gate, region, cell) = (gate.clone(), region.to_owned(), Arc::new(OnceLock::new()));
    FunctionHost::Direct(Arc::new(move |invocation| {
        let _ = &folder;
        let (gate, region, cell) = (gate.clone(), region.clone(), cell.clone());
        async move {
            let made = warm(&cell, || {
                let (config, settings) = given(&gate, &region, &invocation);
                Uploads::new(&config, &settings, gate.clock())
            })?;
            let event = serde_json::from_value(invocation.payload).map_err(|e| failed(&e))?;
            serde_json::to_value(made.handle(&event).await).map_err(|e| failed(&e))
        }
        .boxed()
    }))
}

/// λ stops.
pub(crate) fn stops(gate: &Gate, region: &str) -> FunctionHost {
    let (gate, region, cell) = (gate.clone(), region.to_owned(), Arc::new(OnceLock::new()));
    FunctionHost::Direct(Arc::new(move |invocation| {
        let (gate, region, cell) = (gate.clone(), region.clone(), cell.clone());
        async move {
            let made = warm(&cell, || {
                let (config, settings) = given(&gate, &region, &invocation);
                Stops::new(&config, &settings, gate.clock())
            })?;
            let event = serde_json::from_value(invocation.payload).map_err(|e| failed(&e))?;
            serde_json::to_value(made.handle(&event).await).map_err(|e| failed(&e))
        }
        .boxed()
    }))
}

/// The worker's container.
pub(crate) fn worker(gate: &Gate, region: &str, accidents: Accidents) -> Runner {
    let (gate, region) = (gate.clone(), region.to_owned());
    Arc::new(move |launch: Launch| {
        let (gate, region, accident) = (gate.clone(), region.clone(), accidents.next());
        async move {
            let settings = Settings::from(launch.env.clone());
            let config = config(&gate, &region, &launch.env);
            let run = worker::run(&launch.command, &config, &settings, gate.clock(), launch.stop);
            let exit = match accident {
                Accident::None => i32::from(run.await.code()),
                Accident::Dies(after, code) => {
                    tokio::time::timeout(after, run).await.map_or(code, |left| i32::from(left.code()))
                }
            };
            Exit::Code(exit)
        }
        .boxed()
    })
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

fn given(gate: &Gate, region: &str, invocation: &Invocation) -> (SdkConfig, Settings) {
    (config(gate, region, &invocation.environment), Settings::from(invocation.environment.clone()))
}

fn config(gate: &Gate, region: &str, environment: &BTreeMap<String, String>) -> SdkConfig {
    let key = environment.get("AWS_ACCESS_KEY_ID").map(String::as_str).unwrap_or_default();
    alone(connector::sdk_config(gate, gate.clock(), key), region)
}

/// With what the SDK keeps for a whole process, by service and region, to itself: the retries it has left and the
/// rate it slows down to. Worlds on clocks of their own must not share them.
pub(crate) fn alone(config: SdkConfig, region: &str) -> SdkConfig {
    config.into_builder().region(Region::new(region.to_owned())).build()
}

fn failed(error: &dyn std::error::Error) -> FunctionError {
    FunctionError::new("Runtime.InitError", error.to_string())
}
