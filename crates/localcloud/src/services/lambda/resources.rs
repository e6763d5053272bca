//! Functions of a template, with their layers, aliases, sources and permissions.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Lambda,
    event_invoke::EventInvokeConfig,
    layers::Layers,
    settings::{FunctionHost, FunctionSettings},
    source::EventSource,
};
use crate::{
    credentials::role_environment,
    resource::{Count, Flag, ResourceError, read},
    template::{Identity, Resource, ResourceType, Stack},
    wire::ApiError,
};

pub(crate) const FUNCTION: ResourceType = ResourceType::new("AWS::Lambda::Function", |it| {
    it.by_name(it.arn("lambda", format_args!("function:{}", it.name)), Vec::new())
})
.named("FunctionName", 64);

pub(crate) const LAYER_VERSION: ResourceType = ResourceType::new("AWS::Lambda::LayerVersion", |it| {
    it.by_arn(it.arn("lambda", format_args!("layer:{}:1", it.name)), "LayerVersionArn")
})
.named("LayerName", 140);

pub(crate) const ALIAS: ResourceType = ResourceType::new("AWS::Lambda::Alias", |it| {
    let function =
        format_args!("function:{}:{}", it.property("FunctionName"), it.property("Name")).to_string();
    it.by_arn(it.arn("lambda", function), "AliasArn")
});

pub(crate) const EVENT_SOURCE_MAPPING: ResourceType =
    ResourceType::new("AWS::Lambda::EventSourceMapping", |it| {
        let id = it.uuid();
        let arn = it.arn("lambda", format_args!("event-source-mapping:{id}"));
        let attributes = vec![("Id", id.clone()), ("EventSourceMappingArn", arn.clone())];
        Identity { physical_id: id.clone(), name: id, arn, attributes }
    });

pub(crate) const EVENT_INVOKE_CONFIG: ResourceType =
    ResourceType::new("AWS::Lambda::EventInvokeConfig", |it| it.plain());

pub(crate) const PERMISSION: ResourceType = ResourceType::new("AWS::Lambda::Permission", |it| it.plain());

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
const PASSED_OVER: [&str; 13] = [
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

/// What runs the functions of a template, and the files that their layers give them.
pub(crate) struct Code {
    /// The template's folder, beside which the layers' folders are.
    folder: PathBuf,
    layers: Layers,
    /// By logical id; taken out as they are used.
    hosts: BTreeMap<String, FunctionHost>,
}

impl Code {
    /// `overrides` are files that stand for paths under `/opt`.
    pub(crate) fn new(
        folder: &Path,
        overrides: BTreeMap<PathBuf, PathBuf>,
        hosts: BTreeMap<String, FunctionHost>,
    ) -> Self {
        Self { folder: folder.to_owned(), layers: Layers::new(overrides), hosts }
    }

    /// The logical id of a host that no function of the template has used.
    pub(crate) fn unused(self) -> Option<String> {
        self.hosts.into_keys().next()
    }

    /// Lets functions use a layer.
    pub(crate) fn layer(&mut self, resource: &Resource) -> Result<(), ResourceError> {
        let passed_over =
            ["CompatibleArchitectures", "CompatibleRuntimes", "Description", "LayerName", "LicenseInfo"];
        let layer: Layer = read(resource, &passed_over)?;
        self.layers.add(&resource.arn, self.folder.join(layer.content));
        Ok(())
    }

    /// Creates a function.
    pub(crate) fn function(&mut self, lambda: &Lambda, resource: &Resource) -> Result<(), ResourceError> {
        let function: Function = read(resource, &PASSED_OVER)?;
        let logical_id = &resource.logical_id;
        let host = self
            .hosts
            .remove(logical_id)
            .ok_or_else(|| ResourceError::NoHost { what: "function", name: logical_id.clone() })?;
        let mut environment = BTreeMap::new();
        for (variable, value) in &function.environment.variables {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let local = self
                .layers
                .localise(variable, &text, &function.layers)
                .map_err(|source| ResourceError::invalid("environment", source))?;
            environment.insert(variable.clone(), local);
        }
        let created = lambda.create_function(FunctionSettings {
            name: resource.name.clone(),
            environment,
            // Lambda's own defaults.
            timeout: function.timeout.map_or(Duration::from_secs(3), Count::seconds),
            memory: function.memory_size.map_or(128, |it| it.0),
            reserved_concurrency: function.reserved_concurrent_executions.map(|it| it.0 as usize),
            dead_letter_arn: function.dead_letter_config.map(|it| it.target_arn),
            host,
        });
        created.map_err(ResourceError::from)?;
        Ok(())
    }
}

/// Creates an alias.
pub(crate) fn alias(lambda: &Lambda, resource: &Resource) -> Result<(), ResourceError> {
    let alias: Alias = read(resource, &["Description"])?;
    let made = lambda.create_alias(&alias.function_name, &alias.name);
    made.map_err(ResourceError::from)
}

/// Feeds a function from a queue.
pub(crate) fn event_source(lambda: &Lambda, resource: &Resource) -> Result<(), ResourceError> {
    let mapping: Mapping = read(resource, &["Tags"])?;
    if !mapping.enabled.0 {
        return Ok(());
    }
    let concurrency = mapping.scaling_config.maximum_concurrency;
    let created = lambda.create_event_source(EventSource {
        queue_arn: mapping.event_source_arn,
        function: mapping.function_name,
        batch_size: mapping.batch_size.map_or(10, |it| it.0 as usize),
        window: mapping.maximum_batching_window_in_seconds.map_or(Duration::ZERO, Count::seconds),
        maximum_concurrency: concurrency.map_or(ACCOUNT_CONCURRENCY, |it| it.0 as usize),
        report_batch_item_failures: mapping
            .function_response_types
            .contains(&"ReportBatchItemFailures".into()),
    });
    created.map_err(ResourceError::from)
}

/// Sets how asynchronous invocations are retried, and where they end.
pub(crate) fn event_invoke_config(lambda: &Lambda, resource: &Resource) -> Result<(), ResourceError> {
    let given: EventInvokeProperties = read(resource, &[])?;
    let defaults = EventInvokeConfig::default();
    let config = EventInvokeConfig {
        max_retries: given.maximum_retry_attempts.map_or(defaults.max_retries, |it| it.0),
        max_age: given.maximum_event_age_in_seconds.map_or(defaults.max_age, Count::seconds),
        on_success: given.destination_config.on_success.map(|it| it.destination),
        on_failure: given.destination_config.on_failure.map(|it| it.destination),
    };
    let function = format!("{}:{}", given.function_name, given.qualifier);
    let put = lambda.put_event_invoke_config(&function, config);
    put.map_err(ResourceError::from)
}

/// A statement of a function's policy, which [`crate::services::iam`] has read.
pub(crate) fn permission(lambda: &Lambda, resource: &Resource) -> Result<(), ResourceError> {
    let given: PermissionProperties = read(resource, &["Principal", "SourceAccount", "SourceArn"])?;
    if !given.action.starts_with("lambda:") {
        let message = format!("{} is not an action of Lambda.", given.action);
        return Err(ApiError::client("InvalidParameterValueException", message).into());
    }
    let found = lambda.find(&given.function_name);
    found.map_err(ResourceError::from)
}

/// The access key of each function's role, by the function's name.
pub(crate) fn function_credentials(stack: &Stack) -> BTreeMap<String, BTreeMap<String, String>> {
    let functions = stack.resources.values().filter(|it| it.kind == "AWS::Lambda::Function");
    let credentials = functions.filter_map(|function| {
        let role = function.properties.get("Role")?.as_str()?;
        Some((function.name.clone(), role_environment(role)))
    });
    credentials.collect()
}
