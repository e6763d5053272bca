//! S3's "Object Created".

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::object::{Object, Sequencer};

/// S3 refuses longer keys, so an event that has one is not from S3.
const LONGEST_KEY_BYTES: usize = 1_024;

/// An object was created. Only bucket and key are certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Created {
    /// The bucket's name.
    pub bucket: String,
    /// The key, raw.
    pub key: String,
    /// The object's size.
    pub size_bytes: Option<u64>,
    /// The entity tag without quotes.
    pub etag: Option<String>,
    /// The version id, in a bucket with versions.
    pub version_id: Option<String>,
    /// Orders the events of this key.
    pub sequencer: Option<String>,
    /// How it was created, such as `PutObject`.
    pub reason: Option<String>,
    /// When the event says that it happened.
    pub at: Option<Timestamp>,
    /// The event's own id: EventBridge's, or of a classic notification that of the request which created the object.
    pub event_id: Option<String>,
}

impl S3Created {
    /// The object that was created.
    #[must_use]
    pub fn object(&self) -> Object {
        Object {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            version_id: self.version_id.clone(),
            etag: self.etag.clone(),
            sequencer: self.sequencer.clone().map(Sequencer::from).unwrap_or_default(),
            size_bytes: self.size_bytes,
        }
    }
}

pub(super) fn read(detail: &Value, event: &Value) -> Result<S3Created, String> {
    let object = &detail["object"];
    let bucket = text(&detail["bucket"]["name"]).ok_or("an Object Created without bucket.name")?;
    let key = text(&object["key"]).ok_or("an Object Created without object.key")?;
    let created = created(bucket, key, object, ["version-id", "etag"])?;
    Ok(S3Created {
        reason: text(&detail["reason"]),
        at: time(&event["time"]),
        event_id: text(&event["id"]),
        ..created
    })
}

/// Whether this is a record of a classic notification.
pub(super) fn is_classic(record: &Value) -> bool {
    record["eventSource"] == "aws:s3"
}

/// The created objects of a classic notification's records. Its keys are URL-encoded.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub(super) fn read_classic(records: &[Value]) -> Result<Vec<S3Created>, String> {
    let tells =
        |record: &&Value| record["eventName"].as_str().is_some_and(|name| name.starts_with("ObjectCreated:"));
    records.iter().filter(tells).map(classic).collect()
}

fn classic(record: &Value) -> Result<S3Created, String> {
    let object = &record["s3"]["object"];
    let bucket =
        text(&record["s3"]["bucket"]["name"]).ok_or("a classic S3 notification without bucket.name")?;
    let encoded =
        text(&object["key"]).ok_or("a classic S3 notification without object.key")?.replace('+', " ");
    let key = percent_decode_str(&encoded).decode_utf8();
    let key = key.map_err(|_| format!("a classic S3 notification whose key {encoded:?} is not UTF-8"))?;
    let reason =
        record["eventName"].as_str().and_then(|name| name.split_once(':')).map(|(_, how)| how.to_owned());
    let created = created(bucket, key.into_owned(), object, ["versionId", "eTag"])?;
    let event_id = text(&record["responseElements"]["x-amz-request-id"]);
    Ok(S3Created { reason, at: time(&record["eventTime"]), event_id, ..created })
}

fn created(
    bucket: String,
    key: String,
    object: &Value,
    [version_id, etag]: [&str; 2],
) -> Result<S3Created, String> {
    if key.len() > LONGEST_KEY_BYTES {
        let bytes = key.len();
        return Err(format!("an Object Created whose key has {bytes} bytes; S3 allows {LONGEST_KEY_BYTES}"));
    }
    let size = &object["size"];
    Ok(S3Created {
        bucket,
        key,
        size_bytes: size.as_u64().or_else(|| size.as_str()?.parse().ok()),
        etag: text(&object[etag]).map(|etag| etag.trim_matches('"').to_owned()),
        // "null" names no one version: every put while versioning is suspended has it.
        version_id: text(&object[version_id]).filter(|id| id != "null"),
        sequencer: text(&object["sequencer"]),
        reason: None,
        at: None,
        event_id: None,
    })
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|at| at.parse().ok())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
