//! The actions that Lambda requires of its callers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn, text};

/// The actions that an operation requires; none for an operation that is not known.
pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let named = text(input, "FunctionName");
    let name = named.rsplit_once(":function:").map_or(named, |(_, name)| name);
    let function = arn("lambda", format_args!("function:{name}"));
    match operation {
        "Invoke" => Some(vec![RequiredAction::new("lambda:InvokeFunction", function)]),
        "ListFunctions" => Some(vec![RequiredAction::new("lambda:ListFunctions", "*")]),
        _ => None,
    }
}
