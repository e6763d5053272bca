//! Topics and subscriptions of a template.

use serde::Deserialize;

use super::Sns;
use crate::{
    resource::{Flag, ResourceError, read},
    template::{Identity, Resource, ResourceType},
};

pub(crate) const TOPIC: ResourceType = ResourceType::new("AWS::SNS::Topic", |it| {
    let arn = it.arn("sns", &it.name);
    let attributes = vec![("TopicArn", arn.clone()), ("TopicName", it.name.clone())];
    Identity { attributes, ..it.by_arn(arn, "TopicArn") }
})
.named("TopicName", 256);

pub(crate) const SUBSCRIPTION: ResourceType = ResourceType::new("AWS::SNS::Subscription", |it| {
    it.by_arn(format!("{}:{}", it.property("TopicArn"), it.uuid()), "Arn")
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Subscription {
    topic_arn: String,
    protocol: String,
    endpoint: String,
    #[serde(default)]
    raw_message_delivery: Flag,
    redrive_policy: Option<SubscriptionRedrive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubscriptionRedrive {
    dead_letter_target_arn: String,
}

/// Creates a topic.
pub(crate) fn topic(sns: &Sns, resource: &Resource) -> Result<(), ResourceError> {
    let created = sns.create_topic(&resource.name);
    created.map_err(ResourceError::from)?;
    Ok(())
}

/// Subscribes to a topic.
pub(crate) fn subscription(sns: &Sns, resource: &Resource) -> Result<(), ResourceError> {
    let Subscription { topic_arn, protocol, endpoint, raw_message_delivery, redrive_policy } =
        read(resource, &[])?;
    let subscribed = sns.subscribe(&topic_arn, &protocol, &endpoint).and_then(|subscription| {
        sns.set_raw(&subscription, raw_message_delivery.0)?;
        redrive_policy.map_or(Ok(()), |it| sns.set_redrive(&subscription, &it.dead_letter_target_arn))
    });
    subscribed.map_err(ResourceError::from)
}
