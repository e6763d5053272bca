//! The actions that CloudWatch Logs requires of its callers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn, text};

/// The actions that an operation requires; none for an operation that is not known.
///
/// To policies, an action on a group is one on a stream of it that has no name.
pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
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
