//! RunTask's input: read, and refused where ECS refuses it, before anything is done.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    definition::Definition,
    run_task::{ContainerOverride, Provider, RunTask, Tag},
    size,
    state::State,
};
use crate::wire::ApiError;

/// The overrides' JSON may have this many characters.
const OVERRIDES_CHARS: usize = 8192;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    cluster: Option<String>,
    task_definition: Option<String>,
    count: Option<i64>,
    client_token: Option<String>,
    started_by: Option<String>,
    group: Option<String>,
    launch_type: Option<String>,
    capacity_provider_strategy: Option<Vec<Strategy>>,
    network_configuration: Option<Network>,
    overrides: Option<Value>,
    tags: Option<Vec<Tag>>,
    platform_version: Option<String>,
    enable_execute_command: Option<bool>,
    placement_constraints: Option<Vec<Value>>,
    placement_strategy: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    capacity_provider: String,
    weight: Option<i64>,
    base: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    awsvpc_configuration: Option<Awsvpc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Awsvpc {
    subnets: Option<Vec<String>>,
    security_groups: Option<Vec<String>>,
    assign_public_ip: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    container_overrides: Option<Vec<ContainerOverride>>,
    cpu: Option<Value>,
    memory: Option<Value>,
    task_role_arn: Option<String>,
    execution_role_arn: Option<String>,
}

impl RunTask {
    /// Reads and checks the input against the cluster and the definition it names.
    pub(super) fn check(state: &State, input: &Value) -> Result<Self, ApiError> {
        let raw: Raw = parse(input.clone())?;
        let cluster = state.cluster(raw.cluster.as_deref())?;
        check_token(raw.client_token.as_deref())?;
        check_started_by(raw.started_by.as_deref())?;
        check_tags(raw.tags.as_deref().unwrap_or_default())?;
        let count = raw.count.map_or(Some(1), |count| usize::try_from(count).ok());
        let Some(count) = count.filter(|count| (1..=10).contains(count)) else {
            return Err(invalid("The count must be between 1 and 10."));
        };
        let named = raw.task_definition.unwrap_or_default();
        if named.is_empty() {
            return Err(invalid("TaskDefinition can not be blank."));
        }
        let definition = state
            .definition(&named)
            .ok_or_else(|| ApiError::client("ClientException", "TaskDefinition not found."))?;
        let by_strategy = raw.capacity_provider_strategy.is_some();
        let providers = match (raw.launch_type.as_deref(), raw.capacity_provider_strategy) {
            (Some(_), Some(strategy)) if !strategy.is_empty() => {
                return Err(invalid(
                    "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
                ));
            }
            (Some("FARGATE"), _) => vec![Provider::OnDemand; count],
            (None, Some(strategy)) if !strategy.is_empty() => share(&strategy, &cluster.providers, count)?,
            // The default launch type is EC2, and this cloud, as most accounts, has no instances.
            (None | Some("EC2" | "EXTERNAL"), _) => {
                return Err(invalid("No Container Instances were found in your cluster."));
            }
            (Some(other), _) => return Err(invalid(format!("Unknown launch type '{other}'."))),
        };
        if raw.placement_constraints.is_some_and(|list| !list.is_empty())
            || raw.placement_strategy.is_some_and(|list| !list.is_empty())
        {
            return Err(invalid("Placement constraints and strategies are not supported with Fargate."));
        }
        if !matches!(raw.platform_version.as_deref(), None | Some("" | "LATEST" | "1.3.0" | "1.4.0")) {
            return Err(ApiError::client(
                "PlatformUnknownException",
                "The specified platform version does not exist.",
            ));
        }
        let subnets = subnets(raw.network_configuration)?;
        let given = raw.overrides.unwrap_or(json!({}));
        if given.to_string().chars().count() > OVERRIDES_CHARS {
            return Err(invalid(format!("Overrides length must be at most {OVERRIDES_CHARS}")));
        }
        let overrides: Overrides = parse(given.clone())?;
        let (cpu, memory) = size(&definition, &overrides)?;
        let containers = containers(&definition, overrides.container_overrides.unwrap_or_default())?;
        Ok(Self {
            cluster: cluster.name.clone(),
            definition_arn: definition.arn.clone(),
            count,
            providers,
            subnets,
            started_by: raw.started_by,
            client_token: raw.client_token,
            cpu,
            memory,
            group: raw.group.unwrap_or_else(|| format!("family:{}", definition.family)),
            by_strategy,
            execute_command: raw.enable_execute_command.unwrap_or(false),
            task_role: overrides.task_role_arn.or_else(|| definition.task_role.clone()),
            execution_role: overrides.execution_role_arn.or_else(|| definition.execution_role.clone()),
            containers,
            overrides: shown(given, &definition),
            tags: raw.tags.unwrap_or_default(),
        })
    }
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input)
        .map_err(|error| ApiError::client("SerializationException", error.to_string()))
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}

fn check_token(token: Option<&str>) -> Result<(), ApiError> {
    let Some(token) = token else { return Ok(()) };
    if token.len() > 64 || !token.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(invalid("The clientToken must be up to 64 ASCII characters in the range of 33-126."));
    }
    Ok(())
}

fn check_started_by(name: Option<&str>) -> Result<(), ApiError> {
    let Some(name) = name else { return Ok(()) };
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    if name.chars().count() > 128 || !name.chars().all(legal) {
        return Err(invalid(
            "startedBy must be up to 128 letters, numbers, hyphens, forward slashes and underscores.",
        ));
    }
    Ok(())
}

fn check_tags(tags: &[Tag]) -> Result<(), ApiError> {
    if tags.len() > 50 {
        return Err(invalid("The number of tags must be at most 50."));
    }
    for (n, tag) in tags.iter().enumerate() {
        if tag.key.is_empty() || tag.key.chars().count() > 128 || tag.value.chars().count() > 256 {
            return Err(invalid("Tag keys have 1 to 128 characters and tag values at most 256."));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys must not start with 'aws:'."));
        }
        if tags[..n].iter().any(|earlier| earlier.key == tag.key) {
            return Err(invalid(format!("Duplicate tag key '{}'.", tag.key)));
        }
    }
    Ok(())
}

/// Which provider each of `count` tasks gets: bases first, then in proportion to the weights.
fn share(strategy: &[Strategy], known: &[String], count: usize) -> Result<Vec<Provider>, ApiError> {
    let mut shares: Vec<(Provider, i64, i64)> = Vec::new();
    for item in strategy {
        let name = &item.capacity_provider;
        let provider = Provider::parse(name).filter(|_| known.contains(name)).ok_or_else(|| {
            invalid(format!("The specified capacity provider '{name}' is not associated with the cluster."))
        })?;
        let (weight, base) = (item.weight.unwrap_or(0), item.base.unwrap_or(0));
        if !(0..=1000).contains(&weight) || !(0..=100_000).contains(&base) {
            return Err(invalid("A weight is between 0 and 1000 and a base between 0 and 100000."));
        }
        if shares.iter().any(|&(earlier, ..)| earlier == provider) {
            return Err(invalid("A capacity provider may be in a strategy only once."));
        }
        shares.push((provider, weight, base));
    }
    if shares.iter().filter(|(_, _, base)| *base > 0).count() > 1 {
        return Err(invalid("Only one capacity provider of a strategy can have a base."));
    }
    // One item without a weight is the API's way to say "only this one".
    if let [(_, weight, _)] = shares.as_mut_slice() {
        *weight = (*weight).max(1);
    }
    if shares.iter().all(|(_, weight, _)| *weight == 0) {
        return Err(invalid("At least one capacity provider of a strategy must have a weight above 0."));
    }
    let mut chosen = Vec::with_capacity(count);
    let mut given = vec![0_i64; shares.len()];
    for &(provider, _, base) in &shares {
        let base = usize::try_from(base).unwrap_or(usize::MAX).min(count - chosen.len());
        chosen.extend(std::iter::repeat_n(provider, base));
    }
    while chosen.len() < count {
        // The one furthest below its share; (given + 1) / weight compared without division.
        let next = (0..shares.len()).filter(|&n| shares[n].1 > 0).reduce(|best, n| {
            if (given[n] + 1) * shares[best].1 < (given[best] + 1) * shares[n].1 { n } else { best }
        });
        let Some(next) = next else { break };
        given[next] += 1;
        chosen.push(shares[next].0);
    }
    Ok(chosen)
}

fn subnets(network: Option<Network>) -> Result<Vec<String>, ApiError> {
    let Some(awsvpc) = network.and_then(|network| network.awsvpc_configuration) else {
        return Err(invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ));
    };
    let subnets = awsvpc.subnets.unwrap_or_default();
    if subnets.is_empty() || subnets.iter().any(String::is_empty) {
        return Err(invalid("subnets can not be empty."));
    }
    if subnets.len() > 16 {
        return Err(invalid("subnets can have at most 16 items."));
    }
    if awsvpc.security_groups.is_some_and(|groups| groups.len() > 5) {
        return Err(invalid("securityGroups can have at most 5 items."));
    }
    if !matches!(awsvpc.assign_public_ip.as_deref(), None | Some("ENABLED" | "DISABLED")) {
        return Err(invalid("assignPublicIp must be ENABLED or DISABLED."));
    }
    Ok(subnets)
}

fn size(definition: &Definition, overrides: &Overrides) -> Result<(u32, u32), ApiError> {
    let text = |value: Option<&Value>, default: u32| match value {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => Ok(default.to_string()),
        Some(_) => Err(ApiError::client("SerializationException", "cpu and memory overrides are strings")),
    };
    let cpu = text(overrides.cpu.as_ref(), definition.cpu)?;
    let memory = text(overrides.memory.as_ref(), definition.memory)?;
    match (size::parse(&json!(cpu)), size::parse(&json!(memory))) {
        (Some(units), Some(mib)) if size::is_legal(units, mib) => Ok((units, mib)),
        _ => Err(invalid(size::complaint(&cpu, &memory))),
    }
}

fn containers(
    definition: &Definition,
    overrides: Vec<ContainerOverride>,
) -> Result<BTreeMap<String, ContainerOverride>, ApiError> {
    let mut by_name = BTreeMap::new();
    for item in overrides {
        let name = item.name.clone();
        if !definition.containers.iter().any(|container| container.name == name) {
            let message =
                format!("Override for container named {name} is not a container in the TaskDefinition.");
            return Err(invalid(message));
        }
        if by_name.insert(name.clone(), item).is_some() {
            return Err(invalid(format!("Container {name} has more than one override.")));
        }
    }
    Ok(by_name)
}

/// The overrides as ECS gives them back: every container of the task has an entry.
fn shown(given: Value, definition: &Definition) -> Value {
    let mut shown = given;
    let mut entries = shown["containerOverrides"].take().as_array().cloned().unwrap_or_default();
    for container in &definition.containers {
        if !entries.iter().any(|entry| entry["name"] == container.name.as_str()) {
            entries.push(json!({ "name": container.name }));
        }
    }
    shown["containerOverrides"] = Value::Array(entries);
    shown["inferenceAcceleratorOverrides"] = json!([]);
    shown
}
