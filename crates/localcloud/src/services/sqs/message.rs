//! Messages: what may be in one, its digests, and what a receiver gets.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::settings::invalid;
use crate::wire::{ACCOUNT, ApiError};

/// A message's id. A duplicate delivery has the same.
pub type MessageId = String;

/// A message's attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// One message attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, possibly with a label of the sender's own, such as `Number.int`.
    pub data_type: String,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of a message attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// A string, or a number in digits.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Attribute {
    /// A string attribute.
    #[must_use]
    pub fn text(value: impl Into<String>) -> Self {
        Self { data_type: "String".into(), value: AttributeValue::Text(value.into()) }
    }

    /// A string attribute; `-` in place of an empty one, which SQS refuses: a dead letter must not be lost over one.
    #[must_use]
    pub(crate) fn text_or_dash(value: &str) -> Self {
        Self::text(if value.is_empty() { "-" } else { value })
    }

    fn bytes(&self) -> &[u8] {
        match &self.value {
            AttributeValue::Text(text) => text.as_bytes(),
            AttributeValue::Binary(bytes) => bytes,
        }
    }
}

/// A message as a receiver gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message's id.
    pub message_id: MessageId,
    /// What deletes it or changes its visibility.
    pub receipt: String,
    /// The text that was sent.
    pub body: String,
    /// The attributes that were sent.
    pub attributes: Attributes,
    /// What SQS says about it, such as `SentTimestamp` and `ApproximateReceiveCount`.
    pub system: BTreeMap<String, String>,
}

impl Received {
    /// The MD5 of the body, in hex.
    #[must_use]
    pub fn md5_of_body(&self) -> String {
        md5_of_body(&self.body)
    }
}

/// A message to be sent.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) delay: Option<Duration>,
    pub(super) trace_header: Option<String>,
    pub(super) group: Option<String>,
}

/// A message in a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) trace_header: Option<String>,
    pub(super) group: Option<String>,
    /// First enqueued, in whichever queue.
    pub(super) sent: Timestamp,
    /// Enqueued here.
    pub(super) arrived: Timestamp,
    pub(super) receive_count: u32,
    pub(super) first_received: Option<Timestamp>,
    /// The queue this message died in.
    pub(super) source_arn: Option<String>,
    #[serde(skip)]
    pub(super) receipt: Option<Receipt>,
    pub(super) place: Place,
}

/// The latest receive: only its receipt handle counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    pub(super) nonce: u64,
    pub(super) at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    Visible,
    InFlight(Timestamp),
    Delayed(Timestamp),
}

impl Draft {
    pub(super) fn new(body: &str, attributes: Attributes) -> Self {
        Self { body: body.into(), attributes, ..Self::default() }
    }
}

impl From<Message> for Draft {
    /// The message to be sent once more.
    fn from(message: Message) -> Self {
        let Message { body, attributes, trace_header, group, .. } = message;
        Self { body, attributes, delay: None, trace_header, group }
    }
}

impl Message {
    /// A message that nobody has received yet. The draft's delay is the caller's to heed.
    pub(super) fn new(draft: Draft, place: Place, now: Timestamp) -> Self {
        Self {
            id: new_id(),
            body: draft.body,
            attributes: draft.attributes,
            trace_header: draft.trace_header,
            group: draft.group,
            sent: now,
            arrived: now,
            receive_count: 0,
            first_received: None,
            source_arn: None,
            receipt: None,
            place,
        }
    }

    pub(super) fn as_received(&self, receipt: &str) -> Received {
        let mut system = BTreeMap::from([
            // The id of who sent it. This cloud has one account and says so.
            ("SenderId".to_owned(), ACCOUNT.to_owned()),
            ("SentTimestamp".to_owned(), self.sent.as_millisecond().to_string()),
            ("ApproximateReceiveCount".to_owned(), self.receive_count.to_string()),
        ]);
        let optional = [
            (
                "ApproximateFirstReceiveTimestamp",
                self.first_received.map(|at| at.as_millisecond().to_string()),
            ),
            ("DeadLetterQueueSourceArn", self.source_arn.clone()),
            ("MessageGroupId", self.group.clone()),
            ("AWSTraceHeader", self.trace_header.clone()),
        ];
        system.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Received {
            message_id: self.id.clone(),
            receipt: receipt.into(),
            body: self.body.clone(),
            attributes: self.attributes.clone(),
            system,
        }
    }
}

pub(super) fn md5_of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// The digest clients check, over the attributes in name order; none without attributes. Its layout:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
pub(super) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    for (name, attribute) in attributes {
        any = true;
        add_field(&mut digest, name.as_bytes());
        add_field(&mut digest, attribute.data_type.as_bytes());
        digest.update([match attribute.value {
            AttributeValue::Text(_) => 1,
            AttributeValue::Binary(_) => 2,
        }]);
        add_field(&mut digest, attribute.bytes());
    }
    any.then(|| hex::encode(digest.finalize()))
}

fn add_field(digest: &mut Md5, bytes: &[u8]) {
    digest.update((bytes.len() as u32).to_be_bytes());
    digest.update(bytes);
}

/// The trace header as the attribute its digest is made of.
pub(super) fn trace_attribute(header: &str) -> Attributes {
    Attributes::from([("AWSTraceHeader".to_owned(), Attribute::text(header))])
}

/// What a message counts against the size limits.
pub(super) fn size_bytes(body: &str, attributes: &Attributes) -> usize {
    let of = |(name, attribute): (&String, &Attribute)| {
        name.len() + attribute.data_type.len() + attribute.bytes().len()
    };
    body.len() + attributes.iter().map(of).sum::<usize>()
}

pub(super) fn check(body: &str, attributes: &Attributes, max_bytes: usize) -> Result<(), ApiError> {
    if body.is_empty() {
        return Err(ApiError::client(
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ));
    }
    if size_bytes(body, attributes) > max_bytes {
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {max_bytes} bytes."
        )));
    }
    if !body.chars().all(is_carried) {
        return Err(ApiError::client(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
             #xFFFD | #x10000 to #x10FFFF",
        ));
    }
    if attributes.len() > 10 {
        return Err(invalid(
            "Number of message attributes [".to_owned()
                + &attributes.len().to_string()
                + "] exceeds the allowed maximum [10].",
        ));
    }
    attributes.iter().try_for_each(|(name, attribute)| check_attribute(name, attribute))
}

/// The characters of XML 1.0, which SQS still carries and no others.
fn is_carried(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn check_attribute(name: &str, attribute: &Attribute) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let lower = name.to_ascii_lowercase();
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    let reserved = lower.starts_with("aws.") || lower.starts_with("amazon.");
    if name.is_empty() || name.len() > 256 || !name.chars().all(legal) || dots || reserved {
        return Err(invalid(format!("The message attribute name '{name}' is invalid.")));
    }
    let kind = attribute.data_type.split('.').next().unwrap_or_default();
    let fits = match (kind, &attribute.value) {
        ("String", AttributeValue::Text(text)) => text.chars().all(is_carried),
        ("Number", AttributeValue::Text(text)) => {
            !text.is_empty() && text.len() <= 128 && text.parse::<f64>().is_ok_and(f64::is_finite)
        }
        ("Binary", AttributeValue::Binary(_)) => true,
        _ => false,
    };
    if attribute.bytes().is_empty() {
        return Err(invalid(format!(
            "The message attribute '{name}' must contain a non-empty value of type '{kind}'."
        )));
    }
    if !fits || attribute.data_type.len() > 256 {
        return Err(invalid(format!(
            "The type '{}' of the message attribute '{name}' does not fit its value: it must be String, Number or \
             Binary, with a value of that type.",
            attribute.data_type
        )));
    }
    Ok(())
}

fn new_id() -> MessageId {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}
