//! CloudFormation, as far as telling of the stack that this cloud runs: what its outputs are and of what it is made.

pub(crate) mod required_actions;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    template::{Resource, Stack},
    wire::{ACCOUNT, ApiError, REGION},
};

/// The stacks' place: one, once it is built. Clones share it.
#[derive(Debug, Clone)]
pub struct CloudFormation {
    clock: Clock,
    built: Arc<Mutex<Option<Built>>>,
}

/// A stack that is built.
#[derive(Debug, Clone)]
struct Built {
    stack: Arc<Stack>,
    id: String,
    created_at: Timestamp,
}

impl CloudFormation {
    /// No stack yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, built: Arc::default() }
    }

    /// Tells of this stack from now on: all of it is built.
    pub fn complete(&self, stack: &Stack) {
        let created_at = self.clock.now();
        // Not drawn: a run that is repeated draws the same as before.
        let mut unique = [0; 16];
        unique.copy_from_slice(&Sha256::digest(format!("{} {created_at}", stack.name))[..16]);
        let unique = uuid::Builder::from_random_bytes(unique).into_uuid();
        let id = format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{}/{unique}", stack.name);
        *self.lock() = Some(Built { stack: Arc::new(stack.clone()), id, created_at });
    }

    /// Answers one operation.
    ///
    /// # Errors
    /// `ValidationError` for a stack or resource that is not there, and for every operation that this cloud has none of it.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let word = |name: &str| input.get(name).and_then(Value::as_str);
        match operation {
            "DescribeStacks" => {
                let stacks = match word("StackName") {
                    Some(name) => vec![self.find(name)?],
                    None => self.lock().clone().into_iter().collect(),
                };
                Ok(json!({ "Stacks": stacks.iter().map(Built::described).collect::<Vec<_>>() }))
            }
            "DescribeStackResources" => {
                let physical = word("PhysicalResourceId");
                let built = match (word("StackName"), physical) {
                    (Some(_), Some(_)) => return Err(invalid(EITHER)),
                    (None, None) => return Err(invalid(ONE)),
                    (Some(name), None) => self.find(name)?,
                    (None, Some(id)) => self.holding(id)?,
                };
                built.resources(word("LogicalResourceId"))
            }
            "DescribeStackResource" => {
                let (Some(name), Some(logical_id)) = (word("StackName"), word("LogicalResourceId")) else {
                    return Err(invalid("StackName and LogicalResourceId must be specified"));
                };
                let built = self.find(name)?;
                let resource = built.stack.resources.get(logical_id);
                let resource = resource.ok_or_else(|| built.without(logical_id))?;
                Ok(json!({ "StackResourceDetail": built.detail(resource) }))
            }
            other => Err(ApiError::unsupported("CloudFormation", other)),
        }
    }

    /// The stack of this name or id.
    fn find(&self, name: &str) -> Result<Built, ApiError> {
        let built = self.lock().clone().filter(|built| built.stack.name == name || built.id == name);
        built.ok_or_else(|| invalid(&format!("Stack with id {name} does not exist")))
    }

    /// The stack that has a resource of this physical id.
    fn holding(&self, physical_id: &str) -> Result<Built, ApiError> {
        let has = |built: &Built| built.stack.resources.values().any(|it| it.physical_id == physical_id);
        let built = self.lock().clone().filter(has);
        built.ok_or_else(|| invalid(&format!("Stack for {physical_id} does not exist")))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Built>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const EITHER: &str = "Only one of StackName and PhysicalResourceId can be specified";
const ONE: &str = "Either StackName or PhysicalResourceId must be specified";

impl Built {
    fn described(&self) -> Value {
        let stack = &self.stack;
        let outputs = stack.outputs.iter().map(|(name, value)| {
            let mut output = json!({ "OutputKey": name, "OutputValue": value });
            if let Some(words) = stack.output_words.get(name) {
                output["Description"] = words.as_str().into();
            }
            output
        });
        let parameters = stack.parameters.iter();
        let parameters =
            parameters.map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value }));
        let mut described = json!({
            "StackId": self.id,
            "StackName": stack.name,
            "Parameters": parameters.collect::<Vec<_>>(),
            "CreationTime": self.time(),
            "StackStatus": COMPLETE,
            "DisableRollback": false,
            "NotificationARNs": [],
            "Outputs": outputs.collect::<Vec<_>>(),
            "Tags": [],
        });
        if let Some(words) = &stack.description {
            described["Description"] = words.as_str().into();
        }
        described
    }

    /// All resources, or the one of this logical id.
    fn resources(&self, logical_id: Option<&str>) -> Result<Value, ApiError> {
        let stack = &self.stack;
        let wanted = |id: &&String| logical_id.is_none_or(|wanted| wanted == id.as_str());
        let ids = stack.order.iter().filter(wanted);
        let resources: Vec<Value> =
            ids.filter_map(|id| stack.resources.get(id)).map(|it| self.resource(it)).collect();
        match logical_id {
            Some(id) if resources.is_empty() => Err(self.without(id)),
            _ => Ok(json!({ "StackResources": resources })),
        }
    }

    fn without(&self, logical_id: &str) -> ApiError {
        invalid(&format!("Resource {logical_id} does not exist for stack {}", self.stack.name))
    }

    /// As `DescribeStackResource` has it, which names its time otherwise than `DescribeStackResources`.
    fn detail(&self, resource: &Resource) -> Value {
        let mut detail = self.resource(resource);
        if let Some(members) = detail.as_object_mut()
            && let Some(time) = members.remove("Timestamp")
        {
            members.insert("LastUpdatedTimestamp".to_owned(), time);
        }
        detail
    }

    fn resource(&self, resource: &Resource) -> Value {
        json!({
            "StackName": self.stack.name,
            "StackId": self.id,
            "LogicalResourceId": resource.logical_id,
            "PhysicalResourceId": resource.physical_id,
            "ResourceType": resource.kind,
            "Timestamp": self.time(),
            "ResourceStatus": COMPLETE,
        })
    }

    fn time(&self) -> String {
        format!("{:.3}", self.created_at)
    }
}

/// What is built here is built whole, or there is no cloud.
const COMPLETE: &str = "CREATE_COMPLETE";

fn invalid(words: &str) -> ApiError {
    ApiError::client("ValidationError", words)
}
