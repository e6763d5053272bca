//! Clusters, tasks and functions: what runs code, and in whose name.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    DeployError, Deployment,
    properties::{Count, Flag, read},
};
use crate::{
    lambda::{EventSource, FunctionSettings},
    template::{Resource, Stack},
    wire::{REGION, SECRET},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Cluster {
    #[serde(default)]
    capacity_providers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Function {
    timeout: Option<Count>,
    memory_size: Option<Count>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    layers: Vec<String>,
    reserved_concurrent_executions: Option<Count>,
    dead_letter_config: Option<DeadLetters>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeadLetters {
    target_arn: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Layer {
    content: String,
}

/// One that leads to another version, or to two of them by weights, is not among these: there is one version here.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Alias {
    function_name: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Mapping {
    event_source_arn: String,
    function_name: String,
    batch_size: Option<Count>,
    #[serde(default = "enabled")]
    enabled: Flag,
    #[serde(default)]
    function_response_types: Vec<String>,
    maximum_batching_window_in_seconds: Option<Count>,
    #[serde(default)]
    scaling_config: Scaling,
}

fn enabled() -> Flag {
    Flag(true)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Scaling {
    maximum_concurrency: Option<Count>,
}

/// How many copies of functions an account may run at once, unless it asks for more: the bound of a mapping that
/// sets none.
const ACCOUNT_CONCURRENCY: usize = 1000;

/// How code is built and shipped, and where its logs and traces go, mean nothing on one machine. The role is read
/// by [`function_credentials`].
const FUNCTION_PASSED_OVER: [&str; 13] = [
    "Architectures",
    "Code",
    "Description",
    "EphemeralStorage",
    "FunctionName",
    "Handler",
    "KmsKeyArn",
    "LoggingConfig",
    "PackageType",
    "Role",
    "Runtime",
    "Tags",
    "TracingConfig",
];

impl Deployment<'_> {
    pub(super) fn cluster(&self, resource: &Resource) -> Result<(), DeployError> {
        let passed_over = ["ClusterName", "ClusterSettings", "DefaultCapacityProviderStrategy", "Tags"];
        let cluster: Cluster = read(resource, &passed_over)?;
        let providers: Vec<&str> = cluster.capacity_providers.iter().map(String::as_str).collect();
        self.services.ecs.create_cluster(&resource.name, &providers);
        Ok(())
    }

    pub(super) fn task_definition(&self, resource: &Resource) -> Result<(), DeployError> {
        let mut properties = resource.properties.clone();
        properties["Family"] = resource.name.as_str().into();
        for container in properties["ContainerDefinitions"].as_array().into_iter().flatten() {
            let name = container["Name"].as_str().unwrap_or_default();
            if !self.containers.contains(name) {
                return Err(DeployError::NoHost { what: "container", name: name.to_owned() });
            }
        }
        self.services.ecs.register_task_definition(properties).map_err(|source| {
            DeployError::TaskDefinition { resource: resource.logical_id.clone(), line: resource.line, source }
        })?;
        Ok(())
    }

    pub(super) fn layer(&mut self, resource: &Resource) -> Result<(), DeployError> {
        let passed_over =
            ["CompatibleArchitectures", "CompatibleRuntimes", "Description", "LayerName", "LicenseInfo"];
        let layer: Layer = read(resource, &passed_over)?;
        self.layers.add(&resource.arn, self.folder.join(layer.content));
        Ok(())
    }

    pub(super) fn function(&mut self, resource: &Resource) -> Result<(), DeployError> {
        let function: Function = read(resource, &FUNCTION_PASSED_OVER)?;
        let logical_id = &resource.logical_id;
        let host = self
            .functions
            .remove(logical_id)
            .ok_or_else(|| DeployError::NoHost { what: "function", name: logical_id.clone() })?;
        let mut environment = BTreeMap::new();
        for (variable, value) in &function.environment.variables {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let local = self
                .layers
                .localise(variable, &text, &function.layers)
                .map_err(|source| DeployError::Layers { function: logical_id.clone(), source })?;
            environment.insert(variable.clone(), local);
        }
        let created = self.services.lambda.create_function(FunctionSettings {
            name: resource.name.clone(),
            environment,
            // Lambda's own defaults.
            timeout: function.timeout.map_or(Duration::from_secs(3), Count::seconds),
            memory: function.memory_size.map_or(128, |it| it.0),
            reserved_concurrency: function.reserved_concurrent_executions.map(|it| it.0 as usize),
            dead_letter_arn: function.dead_letter_config.map(|it| it.target_arn),
            host,
        });
        created.map_err(|error| self.refused(resource, error))?;
        Ok(())
    }

    pub(super) fn alias(&self, resource: &Resource) -> Result<(), DeployError> {
        let alias: Alias = read(resource, &["Description"])?;
        let made = self.services.lambda.create_alias(&alias.function_name, &alias.name);
        made.map_err(|error| self.refused(resource, error))
    }

    pub(super) fn event_source(&self, resource: &Resource) -> Result<(), DeployError> {
        let mapping: Mapping = read(resource, &["Tags"])?;
        if !mapping.enabled.0 {
            return Ok(());
        }
        let concurrency = mapping.scaling_config.maximum_concurrency;
        let created = self.services.lambda.create_event_source(EventSource {
            queue_arn: mapping.event_source_arn,
            function: mapping.function_name,
            batch_size: mapping.batch_size.map_or(10, |it| it.0 as usize),
            window: mapping.maximum_batching_window_in_seconds.map_or(Duration::ZERO, Count::seconds),
            maximum_concurrency: concurrency.map_or(ACCOUNT_CONCURRENCY, |it| it.0 as usize),
            report_batch_item_failures: mapping
                .function_response_types
                .contains(&"ReportBatchItemFailures".into()),
        });
        created.map_err(|error| self.refused(resource, error))
    }

    /// Lets the role's functions and tasks in, under an access key of the role's own.
    pub(super) fn role(&self, resource: &Resource) {
        self.credentials.register(access_key(&resource.arn), &resource.name);
    }
}

/// The access key of each function's role, by the function's name.
pub(super) fn function_credentials(stack: &Stack) -> BTreeMap<String, BTreeMap<String, String>> {
    let functions = stack.resources.values().filter(|it| it.kind == "AWS::Lambda::Function");
    let credentials = functions.filter_map(|function| {
        let role = function.properties.get("Role")?.as_str()?;
        Some((function.name.clone(), role_environment(role)))
    });
    credentials.collect()
}

/// Where the cloud is.
pub(super) fn endpoint_environment(endpoint: &str) -> BTreeMap<String, String> {
    let pairs = [("AWS_ENDPOINT_URL", endpoint), ("AWS_REGION", REGION), ("AWS_DEFAULT_REGION", REGION)];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Who one is there.
pub(super) fn role_environment(role_arn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("AWS_ACCESS_KEY_ID".to_owned(), access_key(role_arn)),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned()),
    ])
}

/// The access key of a role: the same in every run, and shaped like one of STS.
fn access_key(role_arn: &str) -> String {
    format!("ASIA{}", hex::encode_upper(&Sha256::digest(role_arn)[..8]))
}
