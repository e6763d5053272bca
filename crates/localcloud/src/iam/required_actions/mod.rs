//! What each operation needs: which actions, on which resources, with what for conditions to look at. Pure: all is in
//! the call, but what ECS knows of a task definition.
//!
//! The tables follow the
//! [Service Authorization Reference](https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html).
//! An operation that is in none is refused to every role.

mod dynamodb;
mod ecs;
pub(crate) mod others;
pub(crate) mod s3;
mod sqs;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::wire::{ACCOUNT, REGION};

pub(crate) use self::ecs::Definition;

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequiredAction {
    /// The action, such as `s3:GetObject`.
    pub action: String,
    /// The resource's ARN, or `*` where the action has none.
    pub resource: String,
    /// What conditions may look at, besides what is so of every call.
    pub context: Vec<(&'static str, String)>,
}

impl RequiredAction {
    /// The need of an action on a resource.
    #[must_use]
    pub fn new(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into(), context: Vec::new() }
    }

    /// The same with something for conditions to look at.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.context.push((key, value.into()));
        self
    }

    /// The same for a service that acts for a resource of this account, such as a rule.
    #[must_use]
    pub fn from_source(self, arn: &str) -> Self {
        let own = self.with("aws:SourceArn", arn).with("aws:SourceAccount", ACCOUNT);
        // What the policy calls it that SNS gives a topic.
        own.with("aws:SourceOwner", ACCOUNT)
    }
}

/// What a call needs; none for an operation that is in no table. `definition` finds a task definition by whatever name
/// a call gives it.
pub(crate) fn required_actions(
    service: &str,
    operation: &str,
    input: &Value,
    definition: impl Fn(&str) -> Option<Definition>,
) -> Option<Vec<RequiredAction>> {
    match service {
        "dynamodb" => dynamodb::required_actions(operation, input),
        "sqs" => sqs::required_actions(operation, input),
        "s3" => s3::required_actions(operation, input),
        "ecs" => ecs::required_actions(operation, input, definition),
        "sns" => others::sns(operation, input),
        "logs" => others::logs(operation, input),
        "lambda" => others::lambda(operation, input),
        "events" => others::events(operation, input),
        "cloudformation" => others::cloudformation(operation, input),
        "sts" => others::sts(operation),
        _ => None,
    }
}

/// The ARN of something in this account and region.
fn arn(service: &str, resource: impl std::fmt::Display) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// A member of the input that is text; empty where it is missing, which the service will refuse.
fn text<'v>(input: &'v Value, name: &str) -> &'v str {
    input[name].as_str().unwrap_or_default()
}
