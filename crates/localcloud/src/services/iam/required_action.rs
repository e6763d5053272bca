//! What a call requires: actions on resources, with what conditions may look at.
//!
//! Each service says in its `required_actions` what its operations require, after the
//! [Service Authorization Reference](https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html).
//! Roles are denied an operation of which no service says it.

use serde_json::Value;

use crate::wire::{ACCOUNT, REGION};

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

/// The ARN of something in this account and region.
pub(crate) fn arn(service: &str, resource: impl std::fmt::Display) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// A member of the input that is text; empty where it is missing, which the service will refuse.
pub(crate) fn text<'v>(input: &'v Value, name: &str) -> &'v str {
    input[name].as_str().unwrap_or_default()
}
