//! SQS: a batch needs what one of it needs.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html>

use serde_json::Value;

use super::{Need, arn, text};

pub(super) fn needs(operation: &str, input: &Value) -> Option<Vec<Need>> {
    let action = match operation {
        "SendMessage" | "SendMessageBatch" => "SendMessage",
        "DeleteMessage" | "DeleteMessageBatch" => "DeleteMessage",
        "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
        "StartMessageMoveTask" => return Some(moves(input)),
        "ListMessageMoveTasks" => {
            return Some(vec![Need::new("sqs:ListMessageMoveTasks", text(input, "SourceArn"))]);
        }
        "ListQueues" => return Some(vec![Need::new("sqs:ListQueues", "*")]),
        "GetQueueUrl" | "CreateQueue" => {
            return Some(vec![Need::new(&format!("sqs:{operation}"), arn("sqs", text(input, "QueueName")))]);
        }
        "ReceiveMessage" | "GetQueueAttributes" | "SetQueueAttributes" | "PurgeQueue" | "DeleteQueue" => {
            operation
        }
        _ => return None,
    };
    Some(vec![Need::new(&format!("sqs:{action}"), queue(text(input, "QueueUrl")))])
}

/// Moving a dead-letter queue's messages is done as the caller.
fn moves(input: &Value) -> Vec<Need> {
    let source = text(input, "SourceArn");
    let actions = ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
    let mut needs: Vec<Need> =
        actions.iter().map(|action| Need::new(&format!("sqs:{action}"), source)).collect();
    needs.extend(input["DestinationArn"].as_str().map(|to| Need::new("sqs:SendMessage", to)));
    needs
}

/// A queue is named by its URL, which ends in its name.
fn queue(url: &str) -> String {
    arn("sqs", url.rsplit('/').next().unwrap_or_default())
}
