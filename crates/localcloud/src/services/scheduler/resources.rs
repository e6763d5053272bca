//! Schedules of a template.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Expression, Schedule, Scheduler, Target};
use crate::{
    resource::{Count, DeadLetter, ResourceError, RetryPolicy, read},
    template::{Resource, ResourceType},
    wire::ApiError,
};

pub(crate) const SCHEDULE: ResourceType = ResourceType::new("AWS::Scheduler::Schedule", |it| {
    it.by_name(it.arn("scheduler", format_args!("schedule/default/{}", it.name)), Vec::new())
})
.named("Name", 64);

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

/// Creates a schedule.
pub(crate) fn schedule(scheduler: &Scheduler, resource: &Resource) -> Result<(), ResourceError> {
    let schedule: ScheduleProperties = read(resource, &["Description", "KmsKeyArn", "Name"])?;
    if schedule.group_name != "default" {
        let message = format!("Schedule group {} does not exist.", schedule.group_name);
        return Err(ApiError::client("ResourceNotFoundException", message).into());
    }
    let zone = &schedule.schedule_expression_timezone;
    let expression = Expression::parse(&schedule.schedule_expression, zone);
    let window = match schedule.flexible_time_window {
        Window::Off {} => Count(0),
        Window::Flexible { maximum_window_in_minutes: Count(0) } => {
            let message = "MaximumWindowInMinutes must be between 1 and 1440.";
            return Err(ApiError::client("ValidationException", message).into());
        }
        Window::Flexible { maximum_window_in_minutes } => maximum_window_in_minutes,
    };
    let put = scheduler.put_schedule(Schedule {
        name: resource.name.clone(),
        expression: expression.map_err(|source| ResourceError::invalid("schedule", source))?,
        enabled: schedule.state == State::Enabled,
        start: schedule.start_date,
        end: schedule.end_date,
        window: window.seconds() * 60,
        target: schedule.target.heeded(),
    });
    put.map_err(ResourceError::from)?;
    Ok(())
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
