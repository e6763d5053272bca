//! The operations as clients call them: AWS JSON 1.0, by queue URL.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Attributes, QueueSettings, Received, Sqs, attributes,
    batch::{self, WireAttribute},
    input::{missing, parse},
    message::{self, Draft},
    queue::Queue,
    settings::{self, invalid, no_such_queue},
};
use crate::wire::{ACCOUNT, ApiError};

impl Sqs {
    /// Answers one operation of the SQS API.
    ///
    /// # Errors
    /// What AWS refuses, and operations this cloud does not have.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "SendMessage" => self.wire_send(input),
            "ReceiveMessage" => self.wire_receive(input).await,
            "DeleteMessage" => {
                let input: ReceiptInput = parse(input)?;
                self.delete_by_name(self.queue_of(&input.queue_url)?, &input.receipt_handle)?;
                Ok(json!({}))
            }
            "ChangeMessageVisibility" => {
                let input: ReceiptInput = parse(input)?;
                let timeout = settings::seconds("VisibilityTimeout", input.visibility_timeout)?;
                let timeout = timeout.ok_or_else(|| missing("VisibilityTimeout"))?;
                self.change_by_name(self.queue_of(&input.queue_url)?, &input.receipt_handle, timeout)?;
                Ok(json!({}))
            }
            "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
                let input: batch::Input = parse(input)?;
                let name = self.queue_of(&input.queue_url)?;
                match operation {
                    "SendMessageBatch" => self.send_batch(name, input.entries),
                    "DeleteMessageBatch" => self.delete_batch(name, input.entries),
                    _ => self.change_batch(name, input.entries),
                }
            }
            "CreateQueue" => self.wire_create(input),
            "DeleteQueue" => {
                let input: QueueInput = parse(input)?;
                let name = self.queue_of(&input.queue_url)?;
                self.change(|state, now| state.remove(name, now))?;
                Ok(json!({}))
            }
            "GetQueueUrl" => {
                let input: NameInput = parse(input)?;
                if input.queue_owner_aws_account_id.is_some_and(|owner| owner != ACCOUNT) {
                    return Err(no_such_queue());
                }
                self.state().queue(&input.queue_name)?;
                Ok(json!({ "QueueUrl": self.url(&input.queue_name) }))
            }
            "ListQueues" => self.list(input),
            "GetQueueAttributes" => self.attributes(input),
            "SetQueueAttributes" => self.set_attributes(input),
            "PurgeQueue" => {
                let input: QueueInput = parse(input)?;
                let name = self.queue_of(&input.queue_url)?;
                self.change(|state, now| state.queue(name)?.purge(now))?;
                Ok(json!({}))
            }
            "TagQueue" | "UntagQueue" | "ListQueueTags" => self.tags(operation, input),
            "ListDeadLetterSourceQueues" => {
                let input: QueueInput = parse(input)?;
                let name = self.queue_of(&input.queue_url)?;
                self.state().queue(name)?;
                let sources = self.sources_of(&Self::arn(name));
                let urls: Vec<String> = sources.iter().map(|source| self.url(source)).collect();
                Ok(json!({ "queueUrls": urls }))
            }
            "StartMessageMoveTask" => self.start_move(input),
            "ListMessageMoveTasks" => self.list_moves(input),
            _ => Err(ApiError::unsupported("SQS", operation)),
        }
    }

    /// The queue's name in its URL. Any host will do: a client may know this cloud by another one.
    pub(super) fn queue_of<'a>(&self, url: &'a str) -> Result<&'a str, ApiError> {
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        let mut parts = path.rsplit('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(ACCOUNT), Some(_)) if !name.is_empty() => Ok(name),
            (Some(_), Some(account), Some(_)) if account.len() == 12 => Err(no_such_queue()),
            _ => Err(ApiError::client(
                "InvalidAddress",
                format!("The address {url} is not valid for this endpoint."),
            )),
        }
    }

    fn wire_send(&self, input: Value) -> Result<Value, ApiError> {
        let queue: QueueInput = parse(input.clone())?;
        let entry: batch::Entry = parse(input)?;
        self.send_entry(self.queue_of(&queue.queue_url)?, entry)
    }

    async fn wire_receive(&self, input: Value) -> Result<Value, ApiError> {
        let input: ReceiveInput = parse(input)?;
        let name = self.queue_of(&input.queue_url)?;
        let max = settings::natural("MaxNumberOfMessages", input.max_number_of_messages)?.unwrap_or(1);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let wait = settings::seconds("WaitTimeSeconds", input.wait_time_seconds)?;
        let visibility = settings::seconds("VisibilityTimeout", input.visibility_timeout)?;
        let received = self.receive_by_name(name, max, wait, visibility).await?;
        let system: Vec<String> =
            [input.attribute_names, input.message_system_attribute_names].into_iter().flatten().collect();
        let messages: Vec<Value> = received
            .iter()
            .map(|message| message_json(message, &system, &input.message_attribute_names))
            .collect();
        // AWS leaves the member out when there is nothing, and clients test for that.
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    fn wire_create(&self, input: Value) -> Result<Value, ApiError> {
        let input: CreateInput = parse(input)?;
        let now = self.clock.now();
        let mut state = self.state();
        let existing = state.queues.get(&input.queue_name);
        // Attributes that are not given do not count as different.
        let mut settings =
            existing.map_or_else(|| QueueSettings::named(&input.queue_name), |queue| queue.settings.clone());
        let mut documents = existing.map(|queue| queue.documents.clone()).unwrap_or_default();
        attributes::apply(&input.attributes, &mut settings, &mut documents)?;
        match existing {
            Some(queue) if queue.settings == settings && queue.documents == documents => {}
            Some(_) => return Err(settings::exists_otherwise(&input.queue_name)),
            None => {
                state.check(&settings)?;
                self.attach(&input.queue_name, &input.attributes)?;
                let mut queue = Queue::new(settings, now);
                (queue.documents, queue.tags) = (documents, input.tags);
                state.add(queue)?;
            }
        }
        drop(state);
        Ok(json!({ "QueueUrl": self.url(&input.queue_name) }))
    }

    fn list(&self, input: Value) -> Result<Value, ApiError> {
        let input: ListInput = parse(input)?;
        let names: Vec<String> = self.state().queues.keys().cloned().collect();
        let chosen = names.iter().filter(|name| name.starts_with(&input.queue_name_prefix)).take(1_000);
        let urls: Vec<String> = chosen.map(|name| self.url(name)).collect();
        Ok(if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) })
    }

    fn tags(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let input: TagsInput = parse(input)?;
        let mut state = self.state();
        let queue = state.queue(self.queue_of(&input.queue_url)?)?;
        match operation {
            "TagQueue" => queue.tags.extend(input.tags),
            "UntagQueue" => queue.tags.retain(|key, _| !input.tag_keys.contains(key)),
            _ => return Ok(json!({ "Tags": queue.tags })),
        }
        Ok(json!({}))
    }

    pub(super) fn send_entry(&self, name: &str, entry: batch::Entry) -> Result<Value, ApiError> {
        let body = entry.message_body.ok_or_else(|| missing("MessageBody"))?;
        let attributes = batch::attributes(entry.message_attributes)?;
        let mut system = entry.message_system_attributes;
        let trace_header = match system.remove("AWSTraceHeader") {
            Some(attribute) => {
                Some(attribute.string_value.ok_or_else(|| invalid("AWSTraceHeader is a String."))?)
            }
            None => None,
        };
        if let Some(name) = system.keys().next() {
            return Err(invalid(format!("Message system attribute name '{name}' is invalid.")));
        }
        let mut answer = json!({ "MD5OfMessageBody": message::md5_of_body(&body) });
        if let Some(digest) = message::md5_of_attributes(&attributes) {
            answer["MD5OfMessageAttributes"] = digest.into();
        }
        if let Some(header) = &trace_header {
            answer["MD5OfMessageSystemAttributes"] =
                message::md5_of_attributes(&message::trace_attribute(header)).into();
        }
        let delay = settings::seconds("DelaySeconds", entry.delay_seconds)?;
        let draft = Draft { body, attributes, delay, trace_header, group: entry.message_group_id };
        answer["MessageId"] = self.enqueue(name, draft)?.into();
        Ok(answer)
    }
}

fn message_json(message: &Received, system: &[String], names: &[String]) -> Value {
    let mut answer = json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": message.md5_of_body(),
        "Body": message.body,
    });
    let all = system.iter().any(|name| name == "All");
    let chosen: BTreeMap<_, _> =
        message.system.iter().filter(|(name, _)| all || system.contains(name)).collect();
    if !chosen.is_empty() {
        answer["Attributes"] = json!(chosen);
    }
    let wanted: Attributes = message
        .attributes
        .iter()
        .filter(|(name, _)| names.iter().any(|pattern| selects(pattern, name)))
        .map(|(name, attribute)| (name.clone(), attribute.clone()))
        .collect();
    // The digest is of what is handed out, which is what the client can check.
    if let Some(digest) = message::md5_of_attributes(&wanted) {
        answer["MD5OfMessageAttributes"] = digest.into();
        let wire: BTreeMap<_, _> =
            wanted.iter().map(|(name, attribute)| (name, WireAttribute::from(attribute).to_json())).collect();
        answer["MessageAttributes"] = json!(wire);
    }
    answer
}

/// `All`, `.*`, `prefix.*` or a name.
fn selects(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(".*") {
        _ if pattern == "All" => true,
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueInput {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameInput {
    queue_name: String,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    queue_owner_aws_account_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    // Lower case in AWS's model, and only here.
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    #[serde(default)]
    queue_name_prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagsInput {
    queue_url: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiptInput {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveInput {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    wait_time_seconds: Option<i64>,
    visibility_timeout: Option<i64>,
    /// The older name of the next one.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}
