//! Queues of a template.

use std::time::Duration;

use serde::Deserialize;

use super::{QueueSettings, Redrive, Sqs};
use crate::{
    resource::{Count, ResourceError, read},
    template::{Identity, Resource, ResourceType},
    wire::ACCOUNT,
};

pub(crate) const QUEUE: ResourceType = ResourceType::new("AWS::SQS::Queue", |it| {
    let url = format!("{}/{ACCOUNT}/{}", it.endpoint(), it.name);
    let arn = it.arn("sqs", &it.name);
    Identity {
        physical_id: url.clone(),
        name: it.name.clone(),
        attributes: vec![("Arn", arn.clone()), ("QueueName", it.name.clone()), ("QueueUrl", url)],
        arn,
    }
})
.named("QueueName", 80);

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

/// Creates a queue.
pub(crate) fn queue(sqs: &Sqs, resource: &Resource) -> Result<(), ResourceError> {
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
        max_message_bytes: queue.maximum_message_size.map_or(defaults.max_message_bytes, |it| it.0 as usize),
        redrive: queue.redrive_policy.map(|policy| Redrive {
            dead_letter_arn: policy.dead_letter_target_arn,
            max_receive_count: policy.max_receive_count.0,
        }),
        ..defaults
    };
    sqs.create_queue(settings).map_err(ResourceError::from)?;
    Ok(())
}
