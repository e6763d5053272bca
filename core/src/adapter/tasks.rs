//! ECS: launching tasks, asking about them, stopping them.

use std::time::Duration;

pub use super::cluster::Known;
use super::{CallError, SdkConfig, cluster::Cluster, pace::Pace, unanswered::Unanswered};
use crate::{
    fargate::Size,
    fleet::Slot,
    job::{Job, JobId, digest},
    settings::{Settings, SettingsError},
    verdict,
};
use aws_sdk_ecs::{
    operation::run_task::RunTaskError,
    types::{
        AssignPublicIp, AwsVpcConfiguration, ContainerOverride, Failure, KeyValuePair, LaunchType,
        NetworkConfiguration, TaskOverride,
    },
};

/// The variable that tells a task its job. Overrides carry ids only: they are limited to 8,192 characters.
pub const JOB_VARIABLE: &str = "TIDEMILL_JOB";
/// The variable that tells a task which attempt it is.
pub const ATTEMPT_VARIABLE: &str = "TIDEMILL_ATTEMPT";
/// The variable that tells a pooled worker its slot.
pub const SLOT_VARIABLE: &str = "TIDEMILL_SLOT";
/// The variable that tells a pooled worker its slot's generation.
pub const GENERATION_VARIABLE: &str = "TIDEMILL_GENERATION";

/// How many RunTask calls one process makes a second. ECS takes 20 a second of an account
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>), and the template runs at
/// most ten launching functions at once.
const LAUNCHES: usize = 2;

/// Where and as what tasks are launched. Clones keep one pace.
#[derive(Debug, Clone)]
pub struct Tasks {
    cluster: Cluster,
    definition: String,
    container: String,
    subnets: Vec<String>,
    security_group: String,
    pace: Pace,
}

/// A task to be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// RunTask's client token: a repeat of the same order answers with the same task.
    pub token: String,
    /// What for: [`launched_for`] reads it back from the task's stop.
    pub started_by: String,
    /// The container's command; the task definition's own when it is empty.
    pub command: Vec<String>,
    /// Variables above the task definition's.
    pub environment: Vec<(&'static str, String)>,
    /// Its size; the task definition's own when there is none.
    pub size: Option<Size>,
}

impl Order {
    /// The task for a job's present attempt.
    #[must_use]
    pub fn of_job(job: &Job) -> Self {
        Self {
            token: job.id.launch_token(job.attempt),
            started_by: job.id.to_string(),
            command: Vec::new(),
            environment: vec![
                (JOB_VARIABLE, job.id.to_string()),
                (ATTEMPT_VARIABLE, job.attempt.to_string()),
            ],
            size: Some(verdict::adjusted(&job.history, job.pipeline.task).size),
        }
    }

    /// The pooled worker for a slot that is reserved. The token holds the slot's generation, as a job's holds its
    /// attempt: ECS would answer with the slot's last worker, long stopped.
    #[must_use]
    pub fn of_drain(slot: &Slot, size: Size) -> Self {
        let (number, generation) = (slot.number.to_string(), slot.generation.to_string());
        Self {
            token: digest(["drain", &number, &generation]),
            started_by: format!("drain/{number}/{generation}"),
            command: vec!["drain".to_owned()],
            environment: vec![(SLOT_VARIABLE, number), (GENERATION_VARIABLE, generation)],
            size: Some(size),
        }
    }

    /// A sweep. `which` tells it apart, in the letters of a schedule's name: a repeated order of one is the same task.
    /// `arguments` are those after `sweep`.
    #[must_use]
    pub fn of_sweep(which: &str, arguments: &[String]) -> Self {
        Self {
            token: digest(["sweep", which]),
            started_by: format!("sweep/{which}"),
            command: std::iter::once("sweep").map(str::to_owned).chain(arguments.iter().cloned()).collect(),
            environment: Vec::new(),
            size: None,
        }
    }

    /// The command of the schedule of this name for one hour, such as `20261121T12`: once, however often it is ordered.
    #[must_use]
    pub fn of_command(schedule: &str, hour: &str, command: &[String]) -> Self {
        Self {
            token: digest(["command", schedule, hour]),
            started_by: format!("command/{schedule}/{hour}"),
            command: std::iter::once("exec").map(str::to_owned).chain(command.iter().cloned()).collect(),
            environment: Vec::new(),
            size: None,
        }
    }
}

/// Why a task was not launched. None of these fails an upload: the job waits in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Fargate has no room for it now: a `failures[]` entry in an answer of 200.
    #[error("no capacity: {reason}")]
    Unavailable {
        /// ECS's words.
        reason: String,
    },
    /// RunTask is called too often, said openly or disguised. This call has launched nothing.
    #[error("throttled")]
    Throttled(#[source] CallError),
    /// The call failed otherwise. [`CallError::is_retryable`] tells whether waiting helps; if so, it may have launched.
    #[error(transparent)]
    Call(CallError),
}

impl Tasks {
    /// What the function's environment says of cluster, task definition, container and network.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(config: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        Self::of_definition(config, settings, "TASK_DEFINITION")
    }

    /// The same, of the task definition that this variable names.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn of_definition(
        config: &SdkConfig,
        settings: &Settings,
        variable: &str,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            cluster: Cluster::new(config, settings)?,
            definition: settings.require(variable)?.to_owned(),
            container: settings.require("CONTAINER")?.to_owned(),
            subnets: settings.require("SUBNETS")?.split(',').map(|id| id.trim().to_owned()).collect(),
            security_group: settings.require("SECURITY_GROUP")?.to_owned(),
            pace: Pace::new(LAUNCHES, Duration::from_secs(1)),
        })
    }

    /// Launches a task and returns its ARN, after a wait if there are many. A client token met with other
    /// parameters, after a deploy, names the task that exists, which is adopted.
    ///
    /// # Errors
    /// [`LaunchError`]: after [`LaunchError::Call`] the task may exist; a repeat finds it.
    pub async fn launch(&self, order: &Order) -> Result<String, LaunchError> {
        let attempt = || format!("launch a task for {}", order.started_by);
        let variables = order
            .environment
            .iter()
            .map(|(name, value)| KeyValuePair::builder().name(*name).value(value).build());
        let container = ContainerOverride::builder()
            .name(&self.container)
            .set_command((!order.command.is_empty()).then(|| order.command.clone()))
            .set_environment(Some(variables.collect()))
            .build();
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(self.subnets.clone()))
            .security_groups(&self.security_group)
            .assign_public_ip(AssignPublicIp::Enabled)
            .build()
            .map_err(|e| LaunchError::Call(CallError::nonsense(attempt(), e)))?;
        let overrides = TaskOverride::builder()
            .set_cpu(order.size.map(|size| size.cpu().to_string()))
            .set_memory(order.size.map(|size| size.memory().to_string()))
            .container_overrides(container)
            .build();
        let call = self
            .cluster
            .client
            .run_task()
            .cluster(&self.cluster.name)
            .task_definition(&self.definition)
            .launch_type(LaunchType::Fargate)
            .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .count(1)
            .client_token(&order.token)
            .started_by(&order.started_by)
            .overrides(overrides);
        let unanswered = Unanswered::default();
        let call = call.customize().interceptor(unanswered.clone());
        let answer = match self.pace.keep(call.send()).await {
            Ok(answer) => answer,
            Err(error) => {
                let adopted = adopt(error.as_service_error());
                return adopted.ok_or_else(|| refusal(attempt(), error, unanswered.any()));
            }
        };
        if let Some(task) = answer.tasks().first().and_then(|task| task.task_arn()) {
            return Ok(task.to_owned());
        }
        let words = answer.failures().iter().map(words).collect::<Vec<_>>().join("; ");
        let words =
            if words.is_empty() { "RunTask answered neither a task nor a failure".into() } else { words };
        Err(LaunchError::Unavailable { reason: words })
    }

    /// What ECS knows of these tasks: [`Cluster::describe`].
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn describe(&self, tasks: &[String]) -> Result<Vec<Known>, CallError> {
        self.cluster.describe(tasks).await
    }

    /// Asks ECS to stop a task: [`Cluster::stop`].
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn stop(&self, task: &str, reason: &str) -> Result<(), CallError> {
        self.cluster.stop(task, reason).await
    }
}

/// The task that a conflict names.
fn adopt(error: Option<&RunTaskError>) -> Option<String> {
    match error? {
        RunTaskError::ConflictException(conflict) => conflict.resource_ids().first().cloned(),
        _ => None,
    }
}

/// RunTask also says "too often" as an InvalidParameterException, told only by its text.
/// After a try that was not answered, whatever the last one says: the task may exist.
fn refusal(
    attempt: String,
    error: aws_sdk_ecs::error::SdkError<RunTaskError>,
    unanswered: bool,
) -> LaunchError {
    use aws_sdk_ecs::error::ProvideErrorMetadata;
    let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
    let message = meta.and_then(|meta| meta.message()).unwrap_or_default();
    let disguised = message.contains("Rate exceeded") || message.contains("ErrorCode: Throttling");
    let open = meta.and_then(|meta| meta.code()) == Some("ThrottlingException");
    if unanswered {
        return LaunchError::Call(CallError::exhausted(attempt, error));
    }
    let error = CallError::of(attempt, error);
    if open || disguised { LaunchError::Throttled(error) } else { LaunchError::Call(error) }
}

fn words(failure: &Failure) -> String {
    let parts = [failure.reason(), failure.detail()].into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// What a task was launched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchedFor {
    /// This attempt of a job.
    Job {
        /// Which job.
        job: JobId,
        /// Which attempt.
        attempt: u32,
    },
    /// To be a pooled worker.
    Drain {
        /// In this slot.
        slot: u32,
        /// Of this generation.
        generation: u64,
    },
    /// A sweep, told apart by this.
    Sweep(String),
    /// The command of this schedule.
    Command(String),
}

/// What a task was launched for, from its `startedBy` and environment; `None` for another system's task.
#[must_use]
pub fn launched_for(
    started_by: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<LaunchedFor> {
    let mut parts = started_by.unwrap_or_default().split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("drain"), Some(slot), Some(generation)) => {
            return Some(LaunchedFor::Drain {
                slot: slot.parse().ok()?,
                generation: generation.parse().ok()?,
            });
        }
        (Some("sweep"), Some(which), None) => return Some(LaunchedFor::Sweep(which.to_owned())),
        (Some("command"), Some(schedule), _) => return Some(LaunchedFor::Command(schedule.to_owned())),
        _ => {}
    }
    let job = JobId::parse(&variable(JOB_VARIABLE).or_else(|| started_by.map(str::to_owned))?)?;
    Some(LaunchedFor::Job { job, attempt: variable(ATTEMPT_VARIABLE)?.parse().ok()? })
}
