//! ECS: launching tasks.

use aws_sdk_ecs::{
    Client,
    operation::run_task::RunTaskError,
    types::{
        AssignPublicIp, AwsVpcConfiguration, ContainerOverride, Failure, KeyValuePair, LaunchType,
        NetworkConfiguration, TaskOverride,
    },
};

use super::{CallError, SdkConfig};
use crate::{
    job::{Job, JobId},
    settings::{Settings, SettingsError},
    verdict,
};

/// The variable that tells a task its job. Overrides carry ids only: they are limited to 8,192 characters.
pub const JOB_VARIABLE: &str = "TIDEMILL_JOB";
/// The variable that tells a task which attempt it is.
pub const ATTEMPT_VARIABLE: &str = "TIDEMILL_ATTEMPT";

/// Where and as what tasks are launched.
#[derive(Debug, Clone)]
pub struct Tasks {
    client: Client,
    cluster: String,
    definition: String,
    container: String,
    subnets: Vec<String>,
    security_group: String,
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
    /// RunTask is called too often, said openly or disguised.
    #[error("throttled")]
    Throttled(#[source] CallError),
    /// The call failed otherwise. [`CallError::is_retryable`] tells whether waiting helps.
    #[error(transparent)]
    Call(CallError),
}

impl Tasks {
    /// What the function's environment says of cluster, task definition, container and network.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(config: &SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            client: Client::new(config),
            cluster: settings.require("CLUSTER")?.to_owned(),
            definition: settings.require("TASK_DEFINITION")?.to_owned(),
            container: settings.require("CONTAINER")?.to_owned(),
            subnets: settings.require("SUBNETS")?.split(',').map(|id| id.trim().to_owned()).collect(),
            security_group: settings.require("SECURITY_GROUP")?.to_owned(),
        })
    }

    /// Launches the task for a job's present attempt and returns its ARN. The client token makes a repeat of
    /// the same attempt answer with the same task; a token met with other parameters, after a deploy, names the
    /// task that exists, which is adopted.
    ///
    /// # Errors
    /// [`LaunchError`]: after [`LaunchError::Call`] the task may exist; a repeat finds it.
    pub async fn launch(&self, job: &Job) -> Result<String, LaunchError> {
        let attempt = || format!("launch a task for attempt {} of job {}", job.attempt, job.id);
        let size = verdict::adjusted(&job.history, job.pipeline.task).size;
        let environment = |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
        let container = ContainerOverride::builder()
            .name(&self.container)
            .environment(environment(JOB_VARIABLE, job.id.as_str()))
            .environment(environment(ATTEMPT_VARIABLE, &job.attempt.to_string()))
            .build();
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(self.subnets.clone()))
            .security_groups(&self.security_group)
            .assign_public_ip(AssignPublicIp::Enabled)
            .build()
            .map_err(|e| LaunchError::Call(CallError::nonsense(attempt(), e)))?;
        let answer = self
            .client
            .run_task()
            .cluster(&self.cluster)
            .task_definition(&self.definition)
            .launch_type(LaunchType::Fargate)
            .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .count(1)
            .client_token(job.id.launch_token(job.attempt))
            .started_by(job.id.as_str())
            .overrides(
                TaskOverride::builder()
                    .cpu(size.cpu().to_string())
                    .memory(size.memory().to_string())
                    .container_overrides(container)
                    .build(),
            )
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return adopt(error.as_service_error()).ok_or_else(|| refusal(attempt(), error)),
        };
        if let Some(task) = answer.tasks().first().and_then(|task| task.task_arn()) {
            return Ok(task.to_owned());
        }
        let words = answer.failures().iter().map(words).collect::<Vec<_>>().join("; ");
        let words =
            if words.is_empty() { "RunTask answered neither a task nor a failure".into() } else { words };
        Err(LaunchError::Unavailable { reason: words })
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
fn refusal(attempt: String, error: aws_sdk_ecs::error::SdkError<RunTaskError>) -> LaunchError {
    use aws_sdk_ecs::error::ProvideErrorMetadata;
    let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
    let message = meta.and_then(|meta| meta.message()).unwrap_or_default();
    let disguised = message.contains("Rate exceeded") || message.contains("ErrorCode: Throttling");
    let open = meta.and_then(|meta| meta.code()) == Some("ThrottlingException");
    let error = CallError::of(attempt, error);
    if open || disguised { LaunchError::Throttled(error) } else { LaunchError::Call(error) }
}

fn words(failure: &Failure) -> String {
    let parts = [failure.reason(), failure.detail()].into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}

/// The job and attempt that a task was launched for, from its `startedBy` and environment.
#[must_use]
pub fn launched_for(
    started_by: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(JobId, u32)> {
    let job = JobId::parse(&variable(JOB_VARIABLE).or_else(|| started_by.map(str::to_owned))?)?;
    Some((job, variable(ATTEMPT_VARIABLE)?.parse().ok()?))
}
