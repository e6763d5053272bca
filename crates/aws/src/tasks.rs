//! ECS: launching tasks, asking about them, stopping them.

mod task_spec;

use std::time::Duration;

pub use super::cluster::TaskStatus;
use super::{
    CallError, Clients, ambiguous_attempt::AmbiguousAttempt, cluster::Cluster, rate_limit::RateLimit,
};
use aws_sdk_ecs::{
    operation::run_task::RunTaskError,
    types::{
        AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride, Failure,
        KeyValuePair, LaunchType, NetworkConfiguration, TaskOverride,
    },
};
use domain::{
    fallbacks::{LaunchTarget, Provider},
    job::{Reason, ReasonCode},
    settings::{Settings, SettingsError, Variable, variables},
    verdict::Kind,
};
pub use task_spec::{TaskPurpose, TaskSpec, drain_name, task_purpose};

/// How many RunTask calls one process makes a second. ECS takes 20 a second of an account
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>), and the template runs at
/// most ten launching functions at once.
const LAUNCHES: usize = 2;

/// Where and as what tasks are launched. Clones share one rate limit.
#[derive(Debug, Clone)]
pub struct Tasks {
    cluster: Cluster,
    definition: String,
    container: String,
    subnets: Vec<String>,
    security_group: String,
    public_address: AssignPublicIp,
    /// The percentage of tasks that are first tried on Spot.
    spot_share: u8,
    rate_limit: RateLimit,
}

/// A task that was launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    /// The task's ARN.
    pub task: String,
    /// What it was launched on; not known of one that another call had launched with other parameters.
    pub target: Option<LaunchTarget>,
    /// Whether the revision that was ordered cannot be launched any more, and this is the deployed one.
    pub other_revision: bool,
}

/// Why a task was not launched. None of these fails an upload: the job waits in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Fargate has no room for it now, in no target that may help: `failures[]` entries in answers of 200.
    #[error("no capacity: {reason}")]
    Unavailable {
        /// The reasons of ECS's `failures[]`.
        reason: String,
    },
    /// RunTask is called too often, said openly or disguised. This call has launched nothing.
    #[error("throttled")]
    Throttled(#[source] CallError),
    /// The call failed otherwise. [`CallError::is_retryable`] says whether waiting helps; if so, it may have launched.
    #[error(transparent)]
    Call(CallError),
}

impl Tasks {
    /// What the function's environment says of cluster, task definition, container and network.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings) -> Result<Self, SettingsError> {
        Self::of_definition(clients, settings, variables::TASK_DEFINITION)
    }

    /// The same, of the task definition that this variable names.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn of_definition(
        clients: &Clients,
        settings: &Settings,
        variable: Variable<String>,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            cluster: Cluster::new(clients, &settings.get(variables::CLUSTER)?),
            definition: settings.get(variable)?,
            container: settings.get(variables::CONTAINER)?,
            subnets: settings.get(variables::SUBNETS)?,
            security_group: settings.get(variables::SECURITY_GROUP)?,
            public_address: public_address(settings.get(variables::ASSIGN_PUBLIC_IP)?),
            spot_share: settings.get(variables::SPOT_SHARE)?,
            rate_limit: RateLimit::new(LAUNCHES, Duration::from_secs(1)),
        })
    }

    /// The revision of the task definition that is deployed.
    #[must_use]
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// In how many subnets tasks may be launched.
    #[must_use]
    pub fn subnets(&self) -> usize {
        self.subnets.len()
    }

    /// The percentage of tasks that are first tried on Spot.
    #[must_use]
    pub fn spot_share(&self) -> u8 {
        self.spot_share
    }

    /// One RunTask call, after a wait if there are many. A repeat, by its client token, answers with the same task; one
    /// with other parameters is refused with the name of the task that exists, which is adopted.
    ///
    /// # Errors
    /// [`LaunchError`]: after [`LaunchError::Call`] the task may exist; a repeat finds it.
    pub async fn run(
        &self,
        spec: &TaskSpec,
        revision: &str,
        target: LaunchTarget,
    ) -> Result<Launched, LaunchError> {
        let attempt = || format!("launch a task for {}", spec.started_by);
        let variables = spec
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([(variables::TIDEMILL_REVISION.name(), revision)])
            .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
        let container = ContainerOverride::builder()
            .name(&self.container)
            .set_command((!spec.command.is_empty()).then(|| spec.command.clone()))
            .set_environment(Some(variables.collect()))
            .build();
        let subnets = match target.subnet {
            Some(only) => self.subnets[only..=only].to_vec(),
            None => self.subnets.clone(),
        };
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(subnets))
            .security_groups(&self.security_group)
            .assign_public_ip(self.public_address.clone())
            .build()
            .map_err(|e| LaunchError::Call(CallError::malformed_response(attempt(), e)))?;
        let overrides = TaskOverride::builder()
            .set_cpu(target.size.map(|size| size.cpu().to_string()))
            .set_memory(target.size.map(|size| size.memory().to_string()))
            .container_overrides(container)
            .build();
        let call = self
            .cluster
            .client()
            .run_task()
            .cluster(&self.cluster.name)
            .task_definition(revision)
            .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .count(1)
            .client_token(&spec.token)
            .started_by(&spec.started_by)
            .overrides(overrides);
        // A launch type and a strategy exclude each other, and Spot is had by a strategy only.
        let call = match target.provider {
            Provider::OnDemand => call.launch_type(LaunchType::Fargate),
            Provider::Spot => {
                let spot = CapacityProviderStrategyItem::builder().capacity_provider(target.provider.name());
                let spot = spot
                    .weight(1)
                    .build()
                    .map_err(|e| LaunchError::Call(CallError::malformed_response(attempt(), e)))?;
                call.capacity_provider_strategy(spot)
            }
        };
        let unanswered = AmbiguousAttempt::default();
        let call = call.customize().interceptor(unanswered.clone());
        let answer = match self.rate_limit.run(call.send()).await {
            Ok(answer) => answer,
            Err(error) => {
                let adopted = adopt(error.as_service_error());
                let adopted = adopted.map(|task| Launched { task, target: None, other_revision: false });
                return adopted.ok_or_else(|| refusal(attempt(), error, unanswered.any()));
            }
        };
        if let Some(task) = answer.tasks().first().and_then(|task| task.task_arn()) {
            return Ok(Launched { task: task.to_owned(), target: Some(target), other_revision: false });
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
    pub async fn describe(&self, tasks: &[String]) -> Result<Vec<TaskStatus>, CallError> {
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

impl LaunchError {
    /// Whether it was refused for a reason that waiting does not cure: role, image, cluster.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Call(error) if !error.is_retryable())
    }

    /// Whether RunTask has answered. If not, the task may exist.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Call(error) if error.is_retryable())
    }

    /// The refusal, if it is one, for the breaker and for people: about the configuration, and not about the job that the
    /// task was for. Its code is that of AWS.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        let Self::Call(error) = self else { return None };
        if error.is_retryable() {
            return None;
        }
        let code = error
            .code()
            .map_or(ReasonCode::Verdict(Kind::Misconfigured), |code| ReasonCode::Other(code.into()));
        let words = match error.message() {
            Some(message) => format!("ECS answers: {message}"),
            None => telemetry::causes(self),
        };
        Some(Reason::new(code, words))
    }
}

fn public_address(assigned: bool) -> AssignPublicIp {
    if assigned { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled }
}

/// The task that a conflict names.
fn adopt(error: Option<&RunTaskError>) -> Option<String> {
    match error? {
        RunTaskError::ConflictException(conflict) => conflict.resource_ids().first().cloned(),
        _ => None,
    }
}

/// RunTask also reports throttling as an InvalidParameterException, which only its text shows. After a try that was not
/// answered the task may exist, whatever the last answer says.
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
        return LaunchError::Call(CallError::retries_exhausted(attempt, error));
    }
    // Of a conflict that names no task, nothing is known but that it passes when the token dies.
    if matches!(error.as_service_error(), Some(RunTaskError::ConflictException(_))) {
        return LaunchError::Call(CallError::retries_exhausted(attempt, error));
    }
    let error = CallError::of(attempt, error);
    if open || disguised { LaunchError::Throttled(error) } else { LaunchError::Call(error) }
}

fn words(failure: &Failure) -> String {
    let parts = [failure.reason(), failure.detail()].into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(" ")
}
