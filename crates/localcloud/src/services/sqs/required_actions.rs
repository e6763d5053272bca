//! SQS: a batch needs what one of it needs.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn, text};

pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let action = match operation {
        "SendMessage" | "SendMessageBatch" => "SendMessage",
        "DeleteMessage" | "DeleteMessageBatch" => "DeleteMessage",
        "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
        "StartMessageMoveTask" => return Some(moves(input)),
        "ListMessageMoveTasks" => {
            return Some(vec![RequiredAction::new("sqs:ListMessageMoveTasks", text(input, "SourceArn"))]);
        }
        "ListQueues" => return Some(vec![RequiredAction::new("sqs:ListQueues", "*")]),
        "GetQueueUrl" | "CreateQueue" => {
            return Some(vec![RequiredAction::new(
                &format!("sqs:{operation}"),
                arn("sqs", text(input, "QueueName")),
            )]);
        }
        "ReceiveMessage" | "GetQueueAttributes" | "SetQueueAttributes" | "PurgeQueue" | "DeleteQueue" => {
            operation
        }
        _ => return None,
    };
    Some(vec![RequiredAction::new(&format!("sqs:{action}"), queue(text(input, "QueueUrl")))])
}

/// Moving a dead-letter queue's messages is done as the caller.
fn moves(input: &Value) -> Vec<RequiredAction> {
    let source = text(input, "SourceArn");
    let actions = ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
    let mut required: Vec<RequiredAction> =
        actions.iter().map(|action| RequiredAction::new(&format!("sqs:{action}"), source)).collect();
    required.extend(input["DestinationArn"].as_str().map(|to| RequiredAction::new("sqs:SendMessage", to)));
    required
}

/// A queue is named by its URL, which ends in its name.
fn queue(url: &str) -> String {
    arn("sqs", url.rsplit('/').next().unwrap_or_default())
}
