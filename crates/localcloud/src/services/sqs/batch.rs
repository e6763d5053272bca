//! Batches: the rules of their ids, and entries that fail alone.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Attribute, AttributeValue, Attributes, Sqs,
    input::parse,
    settings::{invalid, seconds},
};
use crate::wire::ApiError;

/// The most bytes the messages of one batch may have together.
const MAX_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) entries: Vec<Value>,
}

/// An entry of SendMessageBatch, or SendMessage itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) message_body: Option<String>,
    pub(super) delay_seconds: Option<i64>,
    #[serde(default)]
    pub(super) message_attributes: BTreeMap<String, WireAttribute>,
    #[serde(default)]
    pub(super) message_system_attributes: BTreeMap<String, WireAttribute>,
    pub(super) message_group_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiptEntry {
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireAttribute {
    data_type: String,
    pub(super) string_value: Option<String>,
    binary_value: Option<String>,
}

impl Sqs {
    pub(super) fn send_batch(&self, name: &str, entries: Vec<Value>) -> Result<Value, ApiError> {
        self.state().queue(name)?;
        let entries = identified(entries)?;
        let sends: Vec<(String, Entry)> = entries
            .into_iter()
            .map(|(id, entry)| Ok((id, parse(entry)?)))
            .collect::<Result<_, ApiError>>()?;
        let bytes = |(_, entry): &(String, Entry)| {
            let body = entry.message_body.as_ref().map_or(0, String::len);
            body + entry.message_attributes.iter().map(|(name, a)| name.len() + a.size_bytes()).sum::<usize>()
        };
        let total: usize = sends.iter().map(bytes).sum();
        if total > MAX_BYTES {
            return Err(ApiError::client(
                "BatchRequestTooLong",
                format!(
                    "Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {total} bytes."
                ),
            ));
        }
        Ok(outcome(sends.into_iter().map(|(id, entry)| (id, self.send_entry(name, entry)))))
    }

    pub(super) fn delete_batch(&self, name: &str, entries: Vec<Value>) -> Result<Value, ApiError> {
        self.state().queue(name)?;
        let delete = |entry| {
            let entry: ReceiptEntry = parse(entry)?;
            self.delete_by_name(name, &entry.receipt_handle).map(|()| json!({}))
        };
        Ok(outcome(identified(entries)?.into_iter().map(|(id, entry)| (id, delete(entry)))))
    }

    pub(super) fn change_batch(&self, name: &str, entries: Vec<Value>) -> Result<Value, ApiError> {
        self.state().queue(name)?;
        let change = |entry| {
            let entry: ReceiptEntry = parse(entry)?;
            let timeout = seconds("VisibilityTimeout", entry.visibility_timeout)?.unwrap_or_default();
            self.change_by_name(name, &entry.receipt_handle, timeout).map(|()| json!({}))
        };
        Ok(outcome(identified(entries)?.into_iter().map(|(id, entry)| (id, change(entry)))))
    }
}

/// The entries with their ids. What is wrong with the ids or their number fails the whole batch.
fn identified(entries: Vec<Value>) -> Result<Vec<(String, Value)>, ApiError> {
    let refuse = |code, message: &str| Err(ApiError::client(code, message));
    match entries.len() {
        0 => {
            return refuse("EmptyBatchRequest", "There should be at least one entry in the request.");
        }
        1..=10 => {}
        n => {
            let message = format!("Maximum number of entries per request are 10. You have sent {n}.");
            return refuse("TooManyEntriesInBatchRequest", &message);
        }
    }
    let mut seen = BTreeSet::new();
    let mut identified = Vec::new();
    for entry in entries {
        let id = entry["Id"].as_str().unwrap_or_default().to_owned();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > 80 || !id.chars().all(legal) {
            return refuse(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                 most 80 letters long.",
            );
        }
        if !seen.insert(id.clone()) {
            return refuse("BatchEntryIdsNotDistinct", &format!("Id {id} repeated"));
        }
        identified.push((id, entry));
    }
    Ok(identified)
}

fn outcome(results: impl Iterator<Item = (String, Result<Value, ApiError>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(mut entry) => {
                entry["Id"] = id.into();
                successful.push(entry);
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "Code": super::query_error(&error.code),
                "Message": error.message,
                "SenderFault": error.status < 500,
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

pub(super) fn attributes(wire: BTreeMap<String, WireAttribute>) -> Result<Attributes, ApiError> {
    let read = |(name, attribute): (String, WireAttribute)| {
        let value = match (attribute.string_value, attribute.binary_value) {
            (Some(text), None) => AttributeValue::Text(text),
            (None, Some(base64)) => {
                let bytes = STANDARD.decode(base64);
                let bytes =
                    bytes.map_err(|error| ApiError::client("SerializationException", error.to_string()))?;
                AttributeValue::Binary(bytes)
            }
            _ => {
                return Err(invalid(format!(
                    "The message attribute '{name}' must have exactly one of StringValue and BinaryValue."
                )));
            }
        };
        Ok((name, Attribute { data_type: attribute.data_type, value }))
    };
    wire.into_iter().map(read).collect()
}

impl WireAttribute {
    /// What it counts against the batch's limit.
    fn size_bytes(&self) -> usize {
        let binary = self.binary_value.as_ref().map_or(0, |base64| base64.len() / 4 * 3);
        self.data_type.len() + self.string_value.as_ref().map_or(0, String::len) + binary
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.binary_value {
            Some(base64) => json!({ "DataType": self.data_type, "BinaryValue": base64 }),
            None => json!({ "DataType": self.data_type, "StringValue": self.string_value }),
        }
    }
}

impl From<&Attribute> for WireAttribute {
    fn from(attribute: &Attribute) -> Self {
        let (string_value, binary_value) = match &attribute.value {
            AttributeValue::Text(text) => (Some(text.clone()), None),
            AttributeValue::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
        };
        Self { data_type: attribute.data_type.clone(), string_value, binary_value }
    }
}
