//! ECS's "Task State Change".

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::lenient::{lenient, lenient_list};
use crate::fargate::Size;

/// A task changed its state. Only the task's ARN is certain.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStateChange {
    /// The task's ARN.
    pub task_arn: String,
    /// The ARN of its cluster.
    #[serde(default, deserialize_with = "lenient")]
    pub cluster_arn: Option<String>,
    /// What it runs.
    #[serde(default, deserialize_with = "lenient")]
    pub task_definition_arn: Option<String>,
    /// Rises with each change of the task: the same version again is the same event again.
    #[serde(default, deserialize_with = "lenient")]
    pub version: Option<u64>,
    /// Where it is. A Spot warning still says `RUNNING`.
    #[serde(default, deserialize_with = "lenient")]
    pub last_status: Option<String>,
    /// The status that ECS wants it to have.
    #[serde(default, deserialize_with = "lenient")]
    pub desired_status: Option<String>,
    /// The overrides that were passed to RunTask.
    #[serde(default, deserialize_with = "lenient")]
    pub started_by: Option<String>,
    /// Why it stopped, in one word. Others than the documented ones may come.
    #[serde(default, deserialize_with = "lenient")]
    pub stop_code: Option<String>,
    /// Why it stopped, in words; StopTask's reason is shown here.
    #[serde(default, deserialize_with = "lenient")]
    pub stopped_reason: Option<String>,
    /// Its containers; none, if it failed to start.
    #[serde(default, deserialize_with = "lenient_list")]
    pub containers: Vec<Container>,
    /// `FARGATE` or `FARGATE_SPOT`, if a strategy chose it.
    #[serde(default, deserialize_with = "lenient")]
    pub capacity_provider_name: Option<String>,
    /// Cpu units, written as text.
    #[serde(default, deserialize_with = "lenient")]
    pub cpu: Option<String>,
    /// MiB, written as text.
    #[serde(default, deserialize_with = "lenient")]
    pub memory: Option<String>,
    /// When it was asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<Timestamp>,
    /// When its image began to come; from here it is paid for.
    #[serde(default, deserialize_with = "lenient")]
    pub pull_started_at: Option<Timestamp>,
    /// When its image was there.
    #[serde(default, deserialize_with = "lenient")]
    pub pull_stopped_at: Option<Timestamp>,
    /// When its containers ran.
    #[serde(default, deserialize_with = "lenient")]
    pub started_at: Option<Timestamp>,
    /// When it was asked to stop.
    #[serde(default, deserialize_with = "lenient")]
    pub stopping_at: Option<Timestamp>,
    /// When its containers had ended.
    #[serde(default, deserialize_with = "lenient")]
    pub execution_stopped_at: Option<Timestamp>,
    /// When it was gone; until here it is paid for.
    #[serde(default, deserialize_with = "lenient")]
    pub stopped_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient_list")]
    attributes: Vec<Variable>,
    #[serde(default, deserialize_with = "lenient")]
    overrides: Option<Overrides>,
}

/// One container of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name in the task definition.
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(default, deserialize_with = "lenient")]
    pub last_status: Option<String>,
    /// How its process ended; absent when it never started.
    #[serde(default, deserialize_with = "lenient")]
    pub exit_code: Option<i64>,
    /// What happened to it, such as `OutOfMemoryError: …`.
    #[serde(default, deserialize_with = "lenient")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    #[serde(default, deserialize_with = "lenient_list")]
    container_overrides: Vec<ContainerOverride>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct ContainerOverride {
    #[serde(default, deserialize_with = "lenient_list")]
    environment: Vec<Variable>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

impl TaskStateChange {
    /// Whether the task is over, and not only wanted to be.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.last_status.as_deref() == Some("STOPPED")
    }

    /// The value that RunTask's overrides gave an environment variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables().find(|variable| variable.name == name).map(|variable| variable.value.clone())
    }

    /// Whether the task was launched for the thing with this id: `startedBy` or an override names it.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        self.started_by.as_deref() == Some(id) || self.variables().any(|variable| variable.value == id)
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.overrides.iter().flat_map(|all| &all.container_overrides).flat_map(|one| &one.environment)
    }

    /// Whether it ran on Spot capacity.
    #[must_use]
    pub fn is_spot(&self) -> bool {
        self.capacity_provider_name.as_deref() == Some("FARGATE_SPOT")
    }

    /// Whether its processor is a Graviton.
    #[must_use]
    pub fn is_arm(&self) -> bool {
        self.attributes.iter().any(|it| it.name == "ecs.cpu-architecture" && it.value == "arm64")
    }

    /// Its size, if the event has a legal one.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        Size::new(self.cpu.as_deref()?.parse().ok()?, self.memory.as_deref()?.parse().ok()?).ok()
    }

    /// How long it is paid for, before the minimum of a minute; `None` if its image never began to come.
    #[must_use]
    pub fn paid_for(&self) -> Option<Duration> {
        Duration::try_from(self.stopped_at?.duration_since(self.pull_started_at?)).ok()
    }
}

pub(super) fn read(detail: Value) -> Result<TaskStateChange, String> {
    match detail["taskArn"].as_str() {
        None | Some("") => Err("an ECS Task State Change without taskArn".to_owned()),
        Some(_) => serde_json::from_value(detail)
            .map_err(|error| format!("an ECS Task State Change that cannot be read: {error}")),
    }
}
