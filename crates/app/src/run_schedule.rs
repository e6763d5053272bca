//! Running schedules: every hour, the sweep is launched and each `[[schedule]]` of pipelines.toml that is due; by hand, a
//! sweep with arguments of its own.
//!
//! | event | what runs |
//! | --- | --- |
//! | `{"scheduled_at": "2026-11-21T12:00:00Z"}` | what is due in that hour; from EventBridge Scheduler |
//! | `{"sweep": {"since": "7d", "until": "…", "prefix": "uploads/orders/", "dry_run": true}}` | one sweep; each member is optional and defaults to the hourly sweep's |
//! | `{"schedule": {"name": "nightly", "request": "4fb2"}}` | the schedule of this name, now; once for each `request`, which defaults to the invocation's id |
//! | `{"pipelines": {}}` | nothing; the answer is the pipelines file that is deployed |

use aws::{CallError, Clients, fleet::Fleet, tasks::TaskSpec};
use clock::Clock;
use domain::{
    pipelines::{Pipelines, Run, Schedule, due},
    settings::{Settings, variables},
    sweep::{KeptPipelines, SweepRequest, SweepRequestError, TimeArg, hour_of},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;

use crate::{
    item_failures::{ItemFailures, ItemsFailed},
    launch::Launcher,
    pipelines_file::{self, StartError},
};

/// What running schedules needs. Built once in a cold start.
#[derive(Debug)]
pub struct RunSchedule {
    fleet: Fleet,
    workers: Launcher,
    sweeps: Launcher,
    text: String,
    pipelines: Pipelines,
    clock: Clock,
}

/// Why an event was not carried out. Lambda invokes twice more, a minute and two later; after that the event is in the
/// dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// It says neither when nor what.
    #[error(
        "the event is not known: {{\"scheduled_at\": …}}, {{\"sweep\": {{…}}}}, {{\"schedule\": {{\"name\": …}}}} and \
         {{\"pipelines\": {{}}}} are"
    )]
    Unknown(#[source] serde_json::Error),
    /// The pipelines file has no schedule of this name.
    #[error("there is no schedule {name:?}; {known}")]
    NoSchedule {
        /// The name that was asked for.
        name: String,
        /// The names that there are, in a sentence.
        known: String,
    },
    /// It asks for an impossible sweep, such as one that ends before it begins.
    #[error(transparent)]
    SweepRequest(#[from] SweepRequestError),
    /// The fleet table did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Some tasks were not launched; all others that were due are.
    #[error("failed to launch all tasks that are due")]
    Launch(#[source] ItemsFailed),
}

/// The event of λ schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// What is due in an hour.
    Tick {
        /// A time within that hour.
        scheduled_at: Timestamp,
    },
    /// One sweep.
    Sweep {
        /// Its arguments.
        sweep: SweepRequest,
    },
    /// One schedule, now.
    Schedule {
        /// Its name.
        name: String,
        /// Tells this run from others: an event that comes twice launches one task. Without one, the invocation's id does.
        request: Option<String>,
    },
    /// The pipelines file is asked for.
    Pipelines,
}

/// What λ schedule answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The tasks that it launched.
    Launched(Vec<Launched>),
    /// The text of the pipelines file.
    Pipelines {
        /// The text.
        pipelines: String,
    },
}

/// A task that was launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Launched {
    /// What for: the task's `startedBy`.
    pub started_by: String,
    /// Its ARN.
    pub task: String,
}

impl RunSchedule {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`StartError`] naming what is wrong with the deployment.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let (pipelines, text) = pipelines_file::pipelines(settings)?;
        Ok(Self {
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            workers: Launcher::new(clients, settings)?,
            sweeps: Launcher::of_definition(clients, settings, variables::SWEEP_TASK_DEFINITION)?,
            pipelines,
            text,
            clock,
        })
    }

    /// Carries out an event. `request` is the invocation's id, which Lambda's own retries keep. A repeated tick finds
    /// the tasks that it launched before: their client tokens contain the tick's hour. A lease that the sweep takes keeps
    /// two sweeps from working at once.
    ///
    /// # Errors
    /// [`TickError`], after all that was due was tried.
    pub async fn run(&self, event: Event, request: &str) -> Result<Answer, TickError> {
        // The sweep's container has no layer. Stored before the launch, so that the sweep finds the present file.
        let kept = KeptPipelines { text: self.text.clone(), kept_at: self.clock.now() };
        self.fleet.put_document(&kept).await?;
        let specs = match event {
            Event::Tick { scheduled_at } => ticked(self.pipelines.schedules(), scheduled_at),
            Event::Sweep { sweep } => {
                // Refused here, and not by a task a minute later.
                sweep.range(self.clock.now())?;
                vec![(
                    Definition::Sweep,
                    TaskSpec::of_sweep(&format!("by-hand-{request}"), &sweep.to_arguments()),
                )]
            }
            Event::Schedule { name, request: own } => {
                let request = own.as_deref().unwrap_or(request);
                vec![by_hand(self.pipelines.schedules(), &name, request)?]
            }
            Event::Pipelines => return Ok(Answer::Pipelines { pipelines: self.text.clone() }),
        };
        let mut launched = Vec::with_capacity(specs.len());
        let mut failures = ItemFailures::default();
        for (definition, spec) in specs {
            let launcher = match definition {
                Definition::Sweep => &self.sweeps,
                Definition::Worker => &self.workers,
            };
            let answer = launcher.launch(&spec).await;
            if let Some(answer) = failures.record(&spec.started_by, answer) {
                let task = answer.task;
                info!(task, started_by = spec.started_by, command = ?spec.command, "launched task {task}");
                launched.push(Launched { started_by: spec.started_by, task });
            }
        }
        failures.finish().map_err(TickError::Launch)?;
        Ok(Answer::Launched(launched))
    }
}

impl Event {
    /// Reads an event: as the one kind or the other, so that the error says what is wrong with it.
    ///
    /// # Errors
    /// [`TickError::Unknown`]
    pub fn read(event: Value) -> Result<Self, TickError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asked {
            sweep: SweepRequest,
        }
        #[derive(Deserialize)]
        struct Tick {
            scheduled_at: Timestamp,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            schedule: ByHand,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ByHand {
            name: String,
            request: Option<String>,
        }
        if event.get("sweep").is_some() {
            let Asked { sweep } = serde_json::from_value(event).map_err(TickError::Unknown)?;
            return Ok(Self::Sweep { sweep });
        }
        if event.get("schedule").is_some() {
            let Named { schedule } = serde_json::from_value(event).map_err(TickError::Unknown)?;
            let ByHand { name, request } = schedule;
            return Ok(Self::Schedule { name, request });
        }
        if event.get("pipelines").is_some() {
            return Ok(Self::Pipelines);
        }
        let Tick { scheduled_at } = serde_json::from_value(event).map_err(TickError::Unknown)?;
        Ok(Self::Tick { scheduled_at })
    }
}

/// Which task definition a task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Definition {
    Sweep,
    Worker,
}

/// The tasks of this tick: the hourly sweep, and the schedules that are due.
fn ticked(schedules: &[Schedule], tick: Timestamp) -> Vec<(Definition, TaskSpec)> {
    let hour = hour_of(tick);
    let name = hour.strftime("%Y%m%dT%H").to_string();
    let mut specs = vec![(Definition::Sweep, TaskSpec::of_sweep(&name, &[]))];
    specs.extend(due(schedules, hour).into_iter().map(|schedule| spec(schedule, &name)));
    specs
}

/// The task of the schedule of this name, for a person. `request` tells it from that of another time.
fn by_hand(schedules: &[Schedule], name: &str, request: &str) -> Result<(Definition, TaskSpec), TickError> {
    let found = schedules.iter().find(|schedule| schedule.name == name);
    let found = found.ok_or_else(|| {
        let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        let known = match names.is_empty() {
            true => "the pipelines file has none".to_owned(),
            false => format!("the pipelines file has {}", names.join(", ")),
        };
        TickError::NoSchedule { name: name.to_owned(), known }
    })?;
    Ok(spec(found, &format!("by-hand-{request}")))
}

/// The task of a schedule; `which` tells its runs apart.
fn spec(schedule: &Schedule, which: &str) -> (Definition, TaskSpec) {
    match &schedule.run {
        Run::Command(command) => (Definition::Worker, TaskSpec::of_command(&schedule.name, which, command)),
        Run::Sweep { prefix, since } => {
            let ask = SweepRequest {
                since: since.map(TimeArg::Ago),
                prefix: prefix.clone(),
                ..SweepRequest::default()
            };
            let which = format!("{}-{which}", schedule.name);
            (Definition::Sweep, TaskSpec::of_sweep(&which, &ask.to_arguments()))
        }
    }
}

#[cfg(test)]
mod tests;
