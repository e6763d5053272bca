//! Log groups of a template.

use super::Logs;
use crate::{
    resource::ResourceError,
    template::{Resource, ResourceType},
};

pub(crate) const LOG_GROUP: ResourceType = ResourceType::new("AWS::Logs::LogGroup", |it| {
    it.by_name(it.arn("logs", format_args!("log-group:{}:*", it.name)), Vec::new())
})
.named("LogGroupName", 512);

/// Creates a log group. Its other properties mean nothing on one machine.
pub(crate) fn log_group(logs: &Logs, resource: &Resource) -> Result<(), ResourceError> {
    logs.create_group(&resource.name);
    Ok(())
}
