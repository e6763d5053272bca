//! The actions that SNS requires of its callers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn, text};

/// The actions that an operation requires; none for an operation that is not known.
pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let action = format!("sns:{operation}");
    match operation {
        // To a phone or an endpoint there is no topic.
        "Publish"
        | "Subscribe"
        | "GetTopicAttributes"
        | "SetTopicAttributes"
        | "ListSubscriptionsByTopic" => {
            let topic = input["TopicArn"].as_str().or_else(|| input["TargetArn"].as_str());
            Some(vec![RequiredAction::new(&action, topic.unwrap_or("*"))])
        }
        "CreateTopic" => Some(vec![RequiredAction::new(&action, arn("sns", text(input, "Name")))]),
        // The topic is the subscription's ARN without its last part.
        "SetSubscriptionAttributes" => {
            let subscription = text(input, "SubscriptionArn");
            let topic = subscription.rsplit_once(':').map_or(subscription, |(topic, _)| topic);
            Some(vec![RequiredAction::new(&action, topic)])
        }
        "ListTopics" => Some(vec![RequiredAction::new(&action, "*")]),
        _ => None,
    }
}
