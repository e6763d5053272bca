//! The actions that CloudFormation requires of its callers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn};

/// The actions that an operation requires; none for an operation that is not known.
pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
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
