//! Schedules, and what invokes functions without waiting for them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Cloud, DeployError, Deployment,
    messaging::{DeadLetter, RetryPolicy},
    properties::{Count, read},
};
use crate::{
    lambda::EventInvokeConfig,
    scheduler::{Expression, Schedule, Target},
    template::Resource,
    wire::ApiError,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScheduleProperties {
    schedule_expression: String,
    #[serde(default = "utc")]
    schedule_expression_timezone: String,
    #[serde(default)]
    state: State,
    start_date: Option<Timestamp>,
    end_date: Option<Timestamp>,
    flexible_time_window: Window,
    #[serde(default = "default_group")]
    group_name: String,
    target: ScheduleTarget,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn default_group() -> String {
    "default".to_owned()
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    #[default]
    Enabled,
    Disabled,
}

#[derive(Deserialize)]
#[serde(tag = "Mode", rename_all = "UPPERCASE", deny_unknown_fields)]
enum Window {
    Off {},
    #[serde(rename_all = "PascalCase")]
    Flexible {
        maximum_window_in_minutes: Count,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScheduleTarget {
    arn: String,
    role_arn: String,
    input: Option<String>,
    retry_policy: Option<RetryPolicy>,
    dead_letter_config: Option<DeadLetter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PermissionProperties {
    action: String,
    function_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EventInvokeProperties {
    function_name: String,
    qualifier: String,
    maximum_event_age_in_seconds: Option<Count>,
    maximum_retry_attempts: Option<Count>,
    #[serde(default)]
    destination_config: Destinations,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Destinations {
    on_success: Option<Destination>,
    on_failure: Option<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Destination {
    destination: String,
}

impl Deployment<'_> {
    pub(super) fn schedule(&self, resource: &Resource) -> Result<(), DeployError> {
        let schedule: ScheduleProperties = read(resource, &["Description", "KmsKeyArn", "Name"])?;
        if schedule.group_name != "default" {
            let message = format!("Schedule group {} does not exist.", schedule.group_name);
            return Err(self.refused(resource, ApiError::client("ResourceNotFoundException", message)));
        }
        let zone = &schedule.schedule_expression_timezone;
        let expression = Expression::parse(&schedule.schedule_expression, zone);
        let window = match schedule.flexible_time_window {
            Window::Off {} => Count(0),
            Window::Flexible { maximum_window_in_minutes: Count(0) } => {
                let message = "MaximumWindowInMinutes must be between 1 and 1440.";
                return Err(self.refused(resource, ApiError::client("ValidationException", message)));
            }
            Window::Flexible { maximum_window_in_minutes } => maximum_window_in_minutes,
        };
        let put = self.services.scheduler.put_schedule(Schedule {
            name: resource.name.clone(),
            expression: expression.map_err(|source| not_a_schedule(resource, source))?,
            enabled: schedule.state == State::Enabled,
            start: schedule.start_date,
            end: schedule.end_date,
            window: window.seconds() * 60,
            target: schedule.target.heeded(),
        });
        put.map_err(|error| self.refused(resource, error))?;
        Ok(())
    }

    /// Lets a rule fire by its schedule, and answers the pattern of the events that it then gets: its own.
    pub(super) fn scheduled(
        &self,
        resource: &Resource,
        expression: &str,
        enabled: bool,
    ) -> Result<Value, DeployError> {
        let expression =
            Expression::of_rule(expression).map_err(|source| not_a_schedule(resource, source))?;
        self.services.scheduler.put_rule(&resource.name, expression, enabled);
        Ok(json!({
            "source": ["aws.events"], "detail-type": ["Scheduled Event"], "resources": [resource.arn],
        }))
    }

    /// A statement of a function's policy, which [`crate::iam`] has read.
    pub(super) fn permission(&self, resource: &Resource) -> Result<(), DeployError> {
        let given: PermissionProperties = read(resource, &["Principal", "SourceAccount", "SourceArn"])?;
        if !given.action.starts_with("lambda:") {
            let message = format!("{} is not an action of Lambda.", given.action);
            return Err(self.refused(resource, ApiError::client("InvalidParameterValueException", message)));
        }
        let found = self.services.lambda.find(&given.function_name);
        found.map_err(|error| self.refused(resource, error))
    }

    pub(super) fn event_invoke_config(&self, resource: &Resource) -> Result<(), DeployError> {
        let given: EventInvokeProperties = read(resource, &[])?;
        let defaults = EventInvokeConfig::default();
        let config = EventInvokeConfig {
            max_retries: given.maximum_retry_attempts.map_or(defaults.max_retries, |it| it.0),
            max_age: given.maximum_event_age_in_seconds.map_or(defaults.max_age, Count::seconds),
            on_success: given.destination_config.on_success.map(|it| it.destination),
            on_failure: given.destination_config.on_failure.map(|it| it.destination),
        };
        let function = format!("{}:{}", given.function_name, given.qualifier);
        let put = self.services.lambda.put_event_invoke_config(&function, config);
        put.map_err(|error| self.refused(resource, error))
    }
}

fn not_a_schedule(resource: &Resource, source: crate::scheduler::ExpressionError) -> DeployError {
    DeployError::Schedule { resource: resource.logical_id.clone(), line: resource.line, source }
}

impl ScheduleTarget {
    fn heeded(self) -> Target {
        let defaults = Target::new(&self.arn, &self.role_arn);
        let (attempts, age) = match self.retry_policy {
            Some(policy) => (policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds),
            None => (None, None),
        };
        Target {
            input: self.input,
            max_attempts: attempts.map_or(defaults.max_attempts, |it| it.0),
            max_age: age.map_or(defaults.max_age, Count::seconds),
            dead_letter_arn: self.dead_letter_config.map(|it| it.arn),
            ..defaults
        }
    }
}

impl Cloud {
    /// Fires a schedule or scheduled rule of the template now, by its logical id, whatever its expression and state
    /// say, and whether or not schedules run ([`Builder::schedules`](super::Builder::schedules)). Its target gets it in the
    /// background.
    ///
    /// # Errors
    /// `ResourceNotFoundException` where the template has no such schedule.
    pub fn fire(&self, logical_id: &str) -> Result<(), ApiError> {
        let resource = self.stack.resources.get(logical_id).ok_or_else(|| {
            let message = format!("The template has no schedule {logical_id}.");
            ApiError::client("ResourceNotFoundException", message).with_status(404)
        })?;
        self.services().scheduler.fire(&resource.arn)
    }
}
