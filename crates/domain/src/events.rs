//! Events as EventBridge brings them.
//!
//! The wire shapes of S3's "Object Created" and "Object Deleted" and of ECS's "Task State Change", read
//! leniently: fields come and go without notice, so only what nothing works without is required, and a field
//! of a strange type counts as absent. What is kept of each is in `tests/fixtures/events/`.
//!
//! S3's may also come as classic notifications, and any of them wrapped by SNS:
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
//!
//! - <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//! - <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

mod lenient;
mod s3;
mod task;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use s3::{DeletedVersion, S3Change, S3Changes, S3Created, S3Deleted};
pub use task::{Container, TaskStateChange};

/// What a message on one of our queues is.
#[derive(Debug, Clone, PartialEq)]
pub enum Classified {
    /// S3 created or deleted objects: one through EventBridge, and as many as a classic notification names.
    S3(S3Changes),
    /// S3 sent this to the queue when a classic notification of the bucket was set up.
    S3Test {
        /// The bucket's name.
        bucket: String,
    },
    /// An ECS task changed its state. Not only stops: a Spot warning is one too.
    TaskStateChange(Box<TaskStateChange>),
    /// A well-formed event of another kind: nothing to do with it.
    Foreign {
        /// Its `source`, such as `aws.ec2`.
        source: String,
        /// Its `detail-type`.
        detail_type: String,
    },
    /// Not an event, or one that lacks what nothing works without.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

/// Says what this message body is.
#[must_use]
pub fn classify(body: &str) -> Classified {
    match parse(body).and_then(read) {
        Ok(classified) => classified,
        Err(reason) => Classified::Malformed { reason },
    }
}

/// A message body as JSON, or why it is none. What SNS has wrapped is unwrapped.
pub(crate) fn parse(body: &str) -> Result<Value, String> {
    let json =
        |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("it is not JSON: {error}"));
    let value = json(body)?;
    let is_of_sns = value["TopicArn"].is_string();
    match (value["Type"].as_str(), value["Message"].as_str()) {
        (Some("Notification"), Some(message)) if is_of_sns => {
            json(message).map_err(|error| format!("the message that SNS has wrapped: {error}"))
        }
        (Some("SubscriptionConfirmation"), _) if is_of_sns => Err(format!(
            "SNS asks to confirm the subscription of this queue to {}; confirm it with the message's SubscribeURL",
            value["TopicArn"].as_str().unwrap_or_default()
        )),
        _ => Ok(value),
    }
}

/// Says what this event is, or why it is none.
pub(crate) fn read(mut event: Value) -> Result<Classified, String> {
    if event["Event"] == "s3:TestEvent" {
        return Ok(Classified::S3Test { bucket: event["Bucket"].as_str().unwrap_or_default().to_owned() });
    }
    if let Some(records) = event["Records"].as_array().filter(|all| all.iter().any(s3::is_classic)) {
        return Ok(Classified::S3(s3::read_classic(records)));
    }
    let detail = event.get_mut("detail").map(Value::take).unwrap_or_default();
    let (Some(source), Some(detail_type)) = (event["source"].as_str(), event["detail-type"].as_str()) else {
        return Err("it is no EventBridge event: source or detail-type is missing".to_owned());
    };
    let one = |change| Classified::S3(S3Changes { changes: vec![change], malformed: Vec::new() });
    match (source, detail_type) {
        ("aws.s3", "Object Created") => s3::read_created(&detail, &event).map(one),
        ("aws.s3", "Object Deleted") => s3::read_deleted(&detail, &event).map(one),
        ("aws.ecs", "ECS Task State Change") => {
            task::read(detail).map(|change| Classified::TaskStateChange(Box::new(change)))
        }
        _ => Ok(Classified::Foreign { source: source.to_owned(), detail_type: detail_type.to_owned() }),
    }
}
