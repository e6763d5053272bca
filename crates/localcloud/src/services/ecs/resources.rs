//! Clusters and task definitions of a template.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Ecs;
use crate::{
    resource::{ResourceError, read},
    template::{Resource, ResourceType},
};

pub(crate) const CLUSTER: ResourceType = ResourceType::new("AWS::ECS::Cluster", |it| {
    it.by_name(it.arn("ecs", format_args!("cluster/{}", it.name)), Vec::new())
})
.named("ClusterName", 255);

pub(crate) const TASK_DEFINITION: ResourceType = ResourceType::new("AWS::ECS::TaskDefinition", |it| {
    it.by_arn(it.arn("ecs", format_args!("task-definition/{}:1", it.name)), "TaskDefinitionArn")
})
.named("Family", 255);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Cluster {
    #[serde(default)]
    capacity_providers: Vec<String>,
}

/// Creates a cluster.
pub(crate) fn cluster(ecs: &Ecs, resource: &Resource) -> Result<(), ResourceError> {
    let passed_over = ["ClusterName", "ClusterSettings", "DefaultCapacityProviderStrategy", "Tags"];
    let cluster: Cluster = read(resource, &passed_over)?;
    let providers: Vec<&str> = cluster.capacity_providers.iter().map(String::as_str).collect();
    ecs.create_cluster(&resource.name, &providers);
    Ok(())
}

/// Registers a task definition, whose containers all need something to run them.
pub(crate) fn task_definition(
    ecs: &Ecs,
    hosted: &BTreeSet<String>,
    resource: &Resource,
) -> Result<(), ResourceError> {
    let mut properties = resource.properties.clone();
    properties["Family"] = resource.name.as_str().into();
    for container in properties["ContainerDefinitions"].as_array().into_iter().flatten() {
        let name = container["Name"].as_str().unwrap_or_default();
        if !hosted.contains(name) {
            return Err(ResourceError::NoHost { what: "container", name: name.to_owned() });
        }
    }
    ecs.register_task_definition(properties)
        .map_err(|source| ResourceError::invalid("task definition", source))?;
    Ok(())
}
