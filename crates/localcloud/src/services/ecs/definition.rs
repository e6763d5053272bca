//! Task definitions: read once into what a launch needs, kept whole for who describes them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{arn, size};
use crate::host::Confinement;

/// How long a container may take to leave after SIGTERM, unless its definition says otherwise.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What is wrong with a task definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DefinitionError(String);

/// One revision of a task definition, valid for Fargate.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) family: String,
    pub(super) arn: String,
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pub(super) task_role: Option<String>,
    pub(super) execution_role: Option<String>,
    pub(super) containers: Vec<Container>,
    /// As the API shows it.
    pub(super) document: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) essential: bool,
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) stop_timeout: Duration,
    pub(super) cpu: u32,
    pub(super) memory: Option<u32>,
    pub(super) log: Option<LogPlace>,
    entry_point: Vec<String>,
    user: Option<String>,
    read_only: bool,
    dropped_capabilities: Vec<String>,
    /// Where its volumes are. Fargate's are empty folders of the task's own, unless they are EFS.
    mounts: Vec<String>,
}

/// Where the `awslogs` driver writes.
#[derive(Debug, Clone)]
pub(super) struct LogPlace {
    pub(super) group: String,
    pub(super) prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    family: Option<String>,
    network_mode: Option<String>,
    requires_compatibilities: Option<Vec<String>>,
    cpu: Option<Value>,
    memory: Option<Value>,
    task_role_arn: Option<String>,
    execution_role_arn: Option<String>,
    container_definitions: Option<Vec<RawContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    name: Option<String>,
    image: Option<String>,
    essential: Option<bool>,
    command: Option<Vec<String>>,
    environment: Option<Vec<Variable>>,
    stop_timeout: Option<u64>,
    cpu: Option<u32>,
    memory: Option<u32>,
    log_configuration: Option<RawLog>,
    entry_point: Option<Vec<String>>,
    user: Option<String>,
    readonly_root_filesystem: Option<bool>,
    linux_parameters: Option<LinuxParameters>,
    mount_points: Option<Vec<MountPoint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinuxParameters {
    capabilities: Option<Capabilities>,
}

#[derive(Deserialize)]
struct Capabilities {
    drop: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MountPoint {
    container_path: String,
}

/// A name and a value, as in `environment`.
#[derive(Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLog {
    log_driver: String,
    options: Option<BTreeMap<String, String>>,
}

impl Definition {
    /// Reads the API's camelCase or a template's PascalCase.
    pub(super) fn parse(properties: Value) -> Result<Self, DefinitionError> {
        let mut document = camel(properties);
        let raw: Raw = serde_json::from_value(document.clone())
            .map_err(|error| refuse(format!("the task definition cannot be read: {error}")))?;
        let family = raw.family.unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if family.is_empty() || family.len() > 255 || !family.chars().all(legal) {
            return Err(refuse("Family should be 1 to 255 letters, numbers, hyphens and underscores."));
        }
        if !raw.requires_compatibilities.is_some_and(|kinds| kinds.iter().any(|kind| kind == "FARGATE")) {
            return Err(refuse(format!(
                "{family}: the local cloud runs definitions that require FARGATE only."
            )));
        }
        if raw.network_mode.as_deref() != Some("awsvpc") {
            return Err(refuse("Fargate only supports network mode 'awsvpc'."));
        }
        let (Some(cpu), Some(memory)) = (raw.cpu, raw.memory) else {
            return Err(refuse("Fargate requires that 'cpu' and 'memory' be defined at the task level."));
        };
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (cpu, memory) = match (size::parse(&cpu), size::parse(&memory)) {
            (Some(cpu), Some(memory)) if size::is_legal(cpu, memory) => (cpu, memory),
            _ => return Err(refuse(size::complaint(&shown(&cpu), &shown(&memory)))),
        };
        document["cpu"] = json!(cpu.to_string());
        document["memory"] = json!(memory.to_string());
        let raw_containers = raw.container_definitions.unwrap_or_default();
        let containers = raw_containers.into_iter().map(Container::parse).collect::<Result<Vec<_>, _>>()?;
        if !containers.iter().any(|container| container.essential) {
            return Err(refuse("A task definition must have at least one essential container."));
        }
        for (n, container) in containers.iter().enumerate() {
            if containers[..n].iter().any(|earlier| earlier.name == container.name) {
                return Err(refuse(format!("Container names must be unique: {}.", container.name)));
            }
        }
        let (task_role, execution_role) = (raw.task_role_arn, raw.execution_role_arn);
        let arn = String::new();
        Ok(Self { family, arn, cpu, memory, task_role, execution_role, containers, document })
    }

    /// Gives it its revision.
    pub(super) fn number(&mut self, revision: usize, now: Timestamp) {
        self.arn = arn::definition(&self.family, revision);
        self.document["taskDefinitionArn"] = json!(self.arn);
        self.document["revision"] = json!(revision);
        self.document["status"] = json!("ACTIVE");
        self.document["compatibilities"] = json!(["EC2", "FARGATE"]);
        self.document["registeredAt"] = crate::wire::epoch_seconds(now);
        if let Some(members) = self.document.as_object_mut() {
            members.remove("tags");
        }
    }
}

impl Container {
    fn parse(raw: RawContainer) -> Result<Self, DefinitionError> {
        let name = raw.name.unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 255 || !name.chars().all(legal) {
            return Err(refuse(
                "Container name should be 1 to 255 letters, numbers, hyphens and underscores.",
            ));
        }
        let image = raw.image.filter(|image| !image.is_empty());
        let Some(image) = image else {
            return Err(refuse(format!("Container.image of {name} should not be empty.")));
        };
        let stop_timeout = raw.stop_timeout.map_or(DEFAULT_STOP_TIMEOUT, Duration::from_secs);
        if !(2..=120).contains(&stop_timeout.as_secs()) {
            return Err(refuse(format!(
                "stopTimeout of {name} must be between 2 and 120 seconds on Fargate."
            )));
        }
        let variables = raw.environment.unwrap_or_default();
        Ok(Self {
            essential: raw.essential.unwrap_or(true),
            command: raw.command.unwrap_or_default(),
            environment: variables.into_iter().map(|variable| (variable.name, variable.value)).collect(),
            stop_timeout,
            cpu: raw.cpu.unwrap_or(0),
            memory: raw.memory,
            log: raw.log_configuration.map(|log| LogPlace::parse(log, &name)).transpose()?.flatten(),
            entry_point: raw.entry_point.unwrap_or_default(),
            user: raw.user,
            read_only: raw.readonly_root_filesystem.unwrap_or(false),
            dropped_capabilities: raw
                .linux_parameters
                .and_then(|parameters| parameters.capabilities?.drop)
                .unwrap_or_default(),
            mounts: raw.mount_points.into_iter().flatten().map(|mount| mount.container_path).collect(),
            image,
            name,
        })
    }

    /// How a host confines it, in a task of this many CPU units.
    pub(super) fn confinement(&self, cpu_units: u32) -> Confinement {
        Confinement {
            image: self.image.clone(),
            entry_point: self.entry_point.clone(),
            user: self.user.clone(),
            cpu_units,
            read_only: self.read_only,
            dropped_capabilities: self.dropped_capabilities.clone(),
            scratch: self.mounts.clone(),
        }
    }
}

impl LogPlace {
    fn parse(log: RawLog, container: &str) -> Result<Option<Self>, DefinitionError> {
        if log.log_driver != "awslogs" {
            return Ok(None);
        }
        let mut options = log.options.unwrap_or_default();
        let mut option = |name: &str| {
            options.remove(name).ok_or_else(|| {
                refuse(format!("Log driver awslogs of {container} requires the option {name} on Fargate."))
            })
        };
        option("awslogs-region")?;
        Ok(Some(Self { group: option("awslogs-group")?, prefix: option("awslogs-stream-prefix")? }))
    }
}

fn refuse(message: impl Into<String>) -> DefinitionError {
    DefinitionError(message.into())
}

/// A template's PascalCase members as the API's; maps whose keys are the user's own stay as they are.
fn camel(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(camel).collect(),
        Value::Object(members) => {
            let renamed = members.into_iter().map(|(key, value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                let key: String = first.into_iter().chain(letters).collect();
                let value =
                    if matches!(key.as_str(), "options" | "dockerLabels") { value } else { camel(value) };
                (key, value)
            });
            Value::Object(renamed.collect::<Map<_, _>>())
        }
        other => other,
    }
}
