//! The services of which little is used: SNS, CloudWatch Logs, Lambda, EventBridge, CloudFormation, STS.

use serde_json::Value;

use super::{RequiredAction, arn, text};

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html>
pub(super) fn sns(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let action = format!("sns:{operation}");
    match operation {
        // To a phone or an endpoint there is no topic.
        "Publish" | "Subscribe" | "GetTopicAttributes" | "ListSubscriptionsByTopic" => {
            let topic = input["TopicArn"].as_str().or_else(|| input["TargetArn"].as_str());
            Some(vec![RequiredAction::new(&action, topic.unwrap_or("*"))])
        }
        "CreateTopic" => Some(vec![RequiredAction::new(&action, arn("sns", text(input, "Name")))]),
        "ListTopics" => Some(vec![RequiredAction::new(&action, "*")]),
        _ => None,
    }
}

/// An action on a group is, to policies, one on a stream of it that has no name.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html>
pub(super) fn logs(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let action = format!("logs:{operation}");
    let named = input["logGroupName"].as_str().or_else(|| input["logGroupIdentifier"].as_str());
    let named = named.unwrap_or_default();
    let group = named.rsplit_once(":log-group:").map_or(named, |(_, name)| name).trim_end_matches(":*");
    match operation {
        "GetLogEvents" | "PutLogEvents" | "CreateLogStream" => {
            Some(vec![RequiredAction::new(&action, stream(group, text(input, "logStreamName")))])
        }
        "FilterLogEvents" | "DescribeLogStreams" | "CreateLogGroup" => {
            Some(vec![RequiredAction::new(&action, stream(group, ""))])
        }
        "DescribeLogGroups" => Some(vec![RequiredAction::new(&action, stream("", ""))]),
        _ => None,
    }
}

/// The ARN of a log stream.
pub(crate) fn stream(group: &str, stream: &str) -> String {
    arn("logs", format_args!("log-group:{group}:log-stream:{stream}"))
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html>
pub(super) fn lambda(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let named = text(input, "FunctionName");
    let name = named.rsplit_once(":function:").map_or(named, |(_, name)| name);
    let function = arn("lambda", format_args!("function:{name}"));
    (operation == "Invoke").then(|| vec![RequiredAction::new("lambda:InvokeFunction", function)])
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html>
pub(super) fn events(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    if operation != "PutEvents" {
        return None;
    }
    let mut buses: Vec<String> = input["Entries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let bus = entry["EventBusName"].as_str().unwrap_or("default");
            if bus.starts_with("arn:") {
                bus.to_owned()
            } else {
                arn("events", format_args!("event-bus/{bus}"))
            }
        })
        .collect();
    buses.sort_unstable();
    buses.dedup();
    Some(buses.into_iter().map(|bus| RequiredAction::new("events:PutEvents", bus)).collect())
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html>
pub(super) fn cloudformation(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let action = format!("cloudformation:{operation}");
    match operation {
        "ListStacks" | "ListExports" => Some(vec![RequiredAction::new(&action, "*")]),
        "DescribeStacks"
        | "DescribeStackResource"
        | "DescribeStackResources"
        | "ListStackResources"
        | "DescribeStackEvents"
        | "GetTemplate" => {
            let stack = match input["StackName"].as_str() {
                Some(named) if named.starts_with("arn:") => named.to_owned(),
                Some(named) => arn("cloudformation", format_args!("stack/{named}/*")),
                None => "*".to_owned(),
            };
            Some(vec![RequiredAction::new(&action, stack)])
        }
        _ => None,
    }
}

/// Everybody may ask who they are.
pub(super) fn sts(operation: &str) -> Option<Vec<RequiredAction>> {
    (operation == "GetCallerIdentity").then(Vec::new)
}
