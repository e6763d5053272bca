//! Events as EventBridge brings them.
//!
//! The wire shapes of S3's "Object Created" and ECS's "Task State Change", read leniently: fields come and
//! go without notice, so only what nothing works without is required, and a field of a strange type counts
//! as absent. What is kept of each is in `tests/fixtures/events/`.
//!
//! - <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//! - <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>

mod lenient;
mod s3;
mod task;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use s3::S3Created;
pub use task::{Container, TaskStateChange};

/// What a message on one of our queues is.
#[derive(Debug, Clone, PartialEq)]
pub enum Classified {
    /// S3 created these objects: one through EventBridge, and as many as a classic notification names.
    S3Created(Vec<S3Created>),
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

/// A message body as JSON, or why it is none.
pub(crate) fn parse(body: &str) -> Result<Value, String> {
    serde_json::from_str(body).map_err(|error| format!("it is not JSON: {error}"))
}

/// Says what this event is, or why it is none.
pub(crate) fn read(mut event: Value) -> Result<Classified, String> {
    // S3 sends this one to a queue when a classic notification is set up.
    if event["Event"] == "s3:TestEvent" {
        return Ok(Classified::Foreign { source: "aws.s3".into(), detail_type: "s3:TestEvent".into() });
    }
    if let Some(records) = event["Records"].as_array().filter(|all| all.iter().any(s3::is_classic)) {
        return s3::read_classic(records).map(Classified::S3Created);
    }
    let detail = event.get_mut("detail").map(Value::take).unwrap_or_default();
    let (Some(source), Some(detail_type)) = (event["source"].as_str(), event["detail-type"].as_str()) else {
        return Err("it is no EventBridge event: source or detail-type is missing".to_owned());
    };
    match (source, detail_type) {
        ("aws.s3", "Object Created") => {
            s3::read(&detail, &event).map(|created| Classified::S3Created(vec![created]))
        }
        ("aws.ecs", "ECS Task State Change") => {
            task::read(detail).map(|change| Classified::TaskStateChange(Box::new(change)))
        }
        _ => Ok(Classified::Foreign { source: source.to_owned(), detail_type: detail_type.to_owned() }),
    }
}
