//! A RunTask call that is legal, and what it is made of.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::definition::Variable;

/// What pays for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// `FARGATE`.
    OnDemand,
    /// `FARGATE_SPOT`.
    Spot,
}

impl Provider {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "FARGATE" => Some(Self::OnDemand),
            "FARGATE_SPOT" => Some(Self::Spot),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "FARGATE",
            Self::Spot => "FARGATE_SPOT",
        }
    }
}

/// A RunTask call that is legal.
#[derive(Debug, Clone)]
pub struct RunTask {
    /// The cluster's name.
    pub cluster: String,
    /// The ARN of the task definition's revision.
    pub definition_arn: String,
    /// How many tasks are wanted.
    pub count: usize,
    /// The provider of each, in the order of launch.
    pub providers: Vec<Provider>,
    /// The subnets it may use.
    pub subnets: Vec<String>,
    /// The caller's name for it.
    pub started_by: Option<String>,
    /// The idempotency token.
    pub client_token: Option<String>,
    /// CPU units of each task, overrides applied.
    pub cpu: u32,
    /// MiB of each task, overrides applied.
    pub memory: u32,
    pub(super) group: String,
    /// True when a strategy chose the providers, so that tasks name theirs.
    pub(super) by_strategy: bool,
    pub(super) execute_command: bool,
    pub(super) task_role: Option<String>,
    pub(super) execution_role: Option<String>,
    pub(super) containers: BTreeMap<String, ContainerOverride>,
    /// The overrides as the API and the events show them.
    pub(super) overrides: Value,
    pub(super) tags: Vec<Tag>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerOverride {
    pub(super) name: String,
    pub(super) command: Option<Vec<String>>,
    #[serde(default, deserialize_with = "variables")]
    pub(super) environment: BTreeMap<String, String>,
}

/// A resource tag.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

fn variables<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let list = Option::<Vec<Variable>>::deserialize(from)?.unwrap_or_default();
    Ok(list.into_iter().map(|variable| (variable.name, variable.value)).collect())
}

/// Why one of the tasks was not launched, in a 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The ARN it is about, if any.
    pub arn: Option<String>,
    /// The reason, such as `RESOURCE:FARGATE`.
    pub reason: String,
    /// More about it.
    pub detail: Option<String>,
}

impl Failure {
    /// A failure that has only a reason.
    #[must_use]
    pub fn because(reason: &str) -> Self {
        Self { arn: None, reason: reason.to_owned(), detail: None }
    }

    /// "Capacity is unavailable at this time…", as Fargate says when a zone is full.
    #[must_use]
    pub fn no_capacity() -> Self {
        let text = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
        Self::because(text)
    }

    /// The account's vCPU limit.
    #[must_use]
    pub fn vcpu_limit() -> Self {
        Self::because("You've reached the limit on the number of vCPUs you can run concurrently")
    }

    /// A subnet without a free address.
    #[must_use]
    pub fn no_address(subnet: &str) -> Self {
        let detail = format!("InsufficientFreeAddressesInSubnet: {subnet}");
        Self { arn: None, reason: "RESOURCE:ENI".to_owned(), detail: Some(detail) }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut shown = json!({ "reason": self.reason });
        if let Some(arn) = &self.arn {
            shown["arn"] = json!(arn);
        }
        if let Some(detail) = &self.detail {
            shown["detail"] = json!(detail);
        }
        shown
    }
}
