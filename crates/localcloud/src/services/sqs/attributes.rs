//! Queue attributes on the wire: all of a queue's settings and counts, as text under AWS's names.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{QueueSettings, Sqs, input::parse, settings};
use crate::wire::ApiError;

impl Sqs {
    pub(super) fn attributes(&self, input: Value) -> Result<Value, ApiError> {
        let input: AttributesInput = parse(input)?;
        let name = self.queue_of(&input.queue_url)?;
        let now = self.clock.now();
        let mut state = self.state();
        let queue = state.queue(name)?;
        let counts = queue.answered_counts(now);
        let mut all = queue.settings.attributes();
        all.extend(queue.documents.clone());
        all.extend(
            [
                ("ApproximateNumberOfMessages", counts.visible.to_string()),
                ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
                ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
                ("CreatedTimestamp", queue.created.as_second().to_string()),
                ("LastModifiedTimestamp", queue.modified.as_second().to_string()),
                ("QueueArn", Self::arn(name)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        all.entry("SqsManagedSseEnabled".into()).or_insert_with(|| "true".into());
        if let Some(unknown) = input.attribute_names.iter().find(|name| !is_attribute(name) && *name != "All")
        {
            return Err(unknown_attribute(unknown));
        }
        if !input.attribute_names.iter().any(|name| name == "All") {
            all.retain(|name, _| input.attribute_names.contains(name));
        }
        Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
    }

    pub(super) fn set_attributes(&self, input: Value) -> Result<Value, ApiError> {
        let input: SetAttributesInput = parse(input)?;
        let name = self.queue_of(&input.queue_url)?;
        let now = self.clock.now();
        let mut state = self.state();
        let queue = state.queue(name)?;
        let (mut settings, mut documents) = (queue.settings.clone(), queue.documents.clone());
        apply(&input.attributes, &mut settings, &mut documents)?;
        state.check(&settings)?;
        self.attach(name, &input.attributes)?;
        let queue = state.queue(name)?;
        (queue.settings, queue.documents, queue.modified) = (settings, documents, now);
        Ok(json!({}))
    }
}

impl Sqs {
    /// Has the queue's policy heeded, if it is among the attributes given; an empty one is none.
    pub(super) fn attach(&self, queue: &str, given: &BTreeMap<String, String>) -> Result<(), ApiError> {
        let Some(text) = given.get(POLICY) else { return Ok(()) };
        let document: Option<Value> = match text.as_str() {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|_| settings::bad_attribute(POLICY))?),
        };
        self.iam.attach(&Self::arn(queue), document.as_ref()).map_err(|why| {
            let message = format!("Invalid value for the parameter Policy: {why}");
            ApiError::client("InvalidAttributeValue", message)
        })
    }
}

/// The attribute that says who may use the queue.
const POLICY: &str = "Policy";

pub(super) fn apply(
    given: &BTreeMap<String, String>,
    settings: &mut QueueSettings,
    documents: &mut BTreeMap<String, String>,
) -> Result<(), ApiError> {
    for (name, text) in given {
        if settings.set(name, text)? {
            continue;
        }
        if !DOCUMENTS.contains(&name.as_str()) {
            return Err(unknown_attribute(name));
        }
        let is_json = name.ends_with("Policy");
        if is_json && !text.is_empty() && serde_json::from_str::<Value>(text).is_err() {
            return Err(settings::bad_attribute(name));
        }
        if text.is_empty() {
            documents.remove(name);
        } else {
            documents.insert(name.clone(), text.clone());
        }
    }
    Ok(())
}

/// Attributes this cloud keeps and shows as they are given.
const DOCUMENTS: [&str; 5] =
    [POLICY, "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];

fn is_attribute(name: &str) -> bool {
    DOCUMENTS.contains(&name)
        || matches!(
            name,
            "ApproximateNumberOfMessages"
                | "ApproximateNumberOfMessagesNotVisible"
                | "ApproximateNumberOfMessagesDelayed"
                | "CreatedTimestamp"
                | "LastModifiedTimestamp"
                | "QueueArn"
                | "VisibilityTimeout"
                | "DelaySeconds"
                | "MessageRetentionPeriod"
                | "ReceiveMessageWaitTimeSeconds"
                | "MaximumMessageSize"
                | "RedrivePolicy"
        )
}

fn unknown_attribute(name: &str) -> ApiError {
    ApiError::client("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributesInput {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetAttributesInput {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}
