//! Queues, topics and rules.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    DeployError, Deployment,
    properties::{Count, read},
};
use crate::{
    events::{Input, Pattern, Rule, Target},
    sqs::{QueueSettings, Redrive},
    template::Resource,
    wire::ApiError,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Queue {
    delay_seconds: Option<Count>,
    maximum_message_size: Option<Count>,
    message_retention_period: Option<Count>,
    receive_message_wait_time_seconds: Option<Count>,
    redrive_policy: Option<RedrivePolicy>,
    visibility_timeout: Option<Count>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Count,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Subscription {
    topic_arn: String,
    protocol: String,
    endpoint: String,
    redrive_policy: Option<SubscriptionRedrive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubscriptionRedrive {
    dead_letter_target_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EventRule {
    event_pattern: Option<Value>,
    schedule_expression: Option<String>,
    #[serde(default = "enabled")]
    state: String,
    #[serde(default)]
    targets: Vec<RuleTarget>,
}

fn enabled() -> String {
    "ENABLED".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleTarget {
    id: String,
    arn: String,
    retry_policy: Option<RetryPolicy>,
    dead_letter_config: Option<DeadLetter>,
    input: Option<String>,
    input_path: Option<String>,
    input_transformer: Option<Transformer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Transformer {
    #[serde(default)]
    input_paths_map: BTreeMap<String, String>,
    input_template: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct RetryPolicy {
    pub(super) maximum_event_age_in_seconds: Option<Count>,
    pub(super) maximum_retry_attempts: Option<Count>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DeadLetter {
    pub(super) arn: String,
}

impl Deployment<'_> {
    pub(super) fn queue(&self, resource: &Resource) -> Result<(), DeployError> {
        let passed_over = [
            "KmsDataKeyReusePeriodSeconds",
            "KmsMasterKeyId",
            "QueueName",
            "RedriveAllowPolicy",
            "SqsManagedSseEnabled",
            "Tags",
        ];
        let queue: Queue = read(resource, &passed_over)?;
        let defaults = QueueSettings::named(&resource.name);
        let seconds = |given: Option<Count>, default: Duration| given.map_or(default, Count::seconds);
        let settings = QueueSettings {
            visibility_timeout: seconds(queue.visibility_timeout, defaults.visibility_timeout),
            delay: seconds(queue.delay_seconds, defaults.delay),
            retention: seconds(queue.message_retention_period, defaults.retention),
            receive_wait: seconds(queue.receive_message_wait_time_seconds, defaults.receive_wait),
            max_message_bytes: queue
                .maximum_message_size
                .map_or(defaults.max_message_bytes, |it| it.0 as usize),
            redrive: queue.redrive_policy.map(|policy| Redrive {
                dead_letter_arn: policy.dead_letter_target_arn,
                max_receive_count: policy.max_receive_count.0,
            }),
            ..defaults
        };
        self.services.sqs.create_queue(settings).map_err(|error| self.refused(resource, error))?;
        Ok(())
    }

    pub(super) fn topic(&self, resource: &Resource) -> Result<(), DeployError> {
        let created = self.services.sns.create_topic(&resource.name);
        created.map_err(|error| self.refused(resource, error))?;
        Ok(())
    }

    pub(super) fn subscription(&self, resource: &Resource) -> Result<(), DeployError> {
        let Subscription { topic_arn, protocol, endpoint, redrive_policy } = read(resource, &[])?;
        let sns = &self.services.sns;
        let subscribed = sns.subscribe(&topic_arn, &protocol, &endpoint).and_then(|subscription| {
            redrive_policy.map_or(Ok(()), |it| sns.set_redrive(&subscription, &it.dead_letter_target_arn))
        });
        subscribed.map_err(|error| self.refused(resource, error))
    }

    pub(super) fn rule(&self, resource: &Resource) -> Result<(), DeployError> {
        let rule: EventRule = read(resource, &["Description", "Name"])?;
        let enabled = rule.state == "ENABLED";
        let pattern = match (rule.event_pattern, rule.schedule_expression) {
            (Some(_), Some(_)) => {
                let message = "The local cloud's rules have a pattern or a schedule, and not both.";
                return Err(self.refused(resource, ApiError::client("ValidationException", message)));
            }
            (None, Some(text)) => self.scheduled(resource, &text, enabled)?,
            (pattern, None) => pattern.unwrap_or_default(),
        };
        let pattern = Pattern::parse(&pattern).map_err(|source| DeployError::Pattern {
            resource: resource.logical_id.clone(),
            line: resource.line,
            source,
        })?;
        let put = self.services.events.put_rule(Rule {
            name: resource.name.clone(),
            pattern,
            enabled,
            targets: rule.targets.into_iter().map(RuleTarget::heeded).collect(),
        });
        put.map_err(|error| self.refused(resource, error))?;
        Ok(())
    }
}

impl RuleTarget {
    fn heeded(self) -> Target {
        let defaults = Target::new(&self.id, &self.arn);
        let (attempts, age) = match self.retry_policy {
            Some(policy) => (policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds),
            None => (None, None),
        };
        let input = match (self.input, self.input_path, self.input_transformer) {
            (Some(text), ..) => Input::Constant(text),
            (_, Some(path), _) => Input::Path(path),
            (.., Some(it)) => Input::Transformer { paths: it.input_paths_map, template: it.input_template },
            _ => Input::Event,
        };
        Target {
            max_attempts: attempts.map_or(defaults.max_attempts, |it| it.0),
            max_age: age.map_or(defaults.max_age, Count::seconds),
            dead_letter_arn: self.dead_letter_config.map(|it| it.arn),
            input,
            ..defaults
        }
    }
}
