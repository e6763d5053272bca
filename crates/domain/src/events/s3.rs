//! S3's "Object Created" and "Object Deleted", through EventBridge or as records of a classic notification.
//!
//! - <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//! - <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::object::{self, Object, Sequencer};

/// S3 refuses longer keys, so an event that has one is not from S3.
const LONGEST_KEY_BYTES: usize = 1_024;

/// What S3 reports of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Change {
    /// It was created.
    Created(S3Created),
    /// It was deleted, or one of its versions was.
    Deleted(S3Deleted),
}

impl S3Change {
    /// `s3://bucket/key`, the key raw.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Created(created) => object::uri(&created.bucket, &created.key),
            Self::Deleted(deleted) => object::uri(&deleted.bucket, &deleted.key),
        }
    }
}

/// What one message of S3 reports: one change through EventBridge, or each record of a classic notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Changes {
    /// The changes that can be read, in the order of the message. Records of other kinds, such as of tags, are left out.
    pub changes: Vec<S3Change>,
    /// What is wrong with each record that cannot be read, with its place.
    pub malformed: Vec<String>,
}

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

/// What a deletion took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedVersion {
    /// Nothing: a delete marker is now the newest version, and hides the key. Its id; none while versioning is suspended.
    Hidden(Option<String>),
    /// This version for good, which may be an old one, the newest one or a delete marker.
    Version(String),
    /// The object of a bucket without versions, or the version `null`, which S3 does not tell apart.
    Unversioned,
}

/// An object was deleted, or one of its versions was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Deleted {
    /// The bucket's name.
    pub bucket: String,
    /// The key, raw.
    pub key: String,
    /// What went.
    pub version: DeletedVersion,
    /// Orders this deletion among the events of the key.
    pub sequencer: Sequencer,
    /// How it came about, such as `DeleteObject` or `Lifecycle Expiration`.
    pub reason: Option<String>,
    /// When the event says that it happened.
    pub at: Option<Timestamp>,
    /// The event's own id, as in [`S3Created::event_id`].
    pub event_id: Option<String>,
}

pub(super) fn read_created(detail: &Value, event: &Value) -> Result<S3Change, String> {
    let subject = Subject::of_event("Object Created", detail)?;
    Ok(S3Change::Created(S3Created {
        reason: text(&detail["reason"]),
        at: time(&event["time"]),
        event_id: text(&event["id"]),
        ..subject.created()
    }))
}

pub(super) fn read_deleted(detail: &Value, event: &Value) -> Result<S3Change, String> {
    let subject = Subject::of_event("Object Deleted", detail)?;
    let is_marker = detail["deletion-type"] == "Delete Marker Created";
    Ok(S3Change::Deleted(S3Deleted {
        reason: text(&detail["reason"]),
        at: time(&event["time"]),
        event_id: text(&event["id"]),
        ..subject.deleted(is_marker)?
    }))
}

/// Whether this is a record of a classic notification.
pub(super) fn is_classic(record: &Value) -> bool {
    record["eventSource"] == "aws:s3"
}

/// The changes in a classic notification's records, whose keys are URL-encoded. A record that cannot be read keeps no
/// other from being read.
pub(super) fn read_classic(records: &[Value]) -> S3Changes {
    let mut read = S3Changes::default();
    for (index, record) in records.iter().enumerate() {
        match classic(record) {
            Ok(change) => read.changes.extend(change),
            Err(error) => read.malformed.push(format!("record {} of {}: {error}", index + 1, records.len())),
        }
    }
    read
}

/// The change that a record reports; `None` if it reports something else.
fn classic(record: &Value) -> Result<Option<S3Change>, String> {
    if !is_classic(record) {
        return Err("it is no record of S3".to_owned());
    }
    let Some((event, how)) = record["eventName"].as_str().and_then(|name| name.split_once(':')) else {
        return Err("a classic S3 notification without eventName".to_owned());
    };
    if !matches!(event, "ObjectCreated" | "ObjectRemoved" | "LifecycleExpiration") {
        return Ok(None);
    }
    let subject = Subject::of_record(&record["s3"])?;
    let at = time(&record["eventTime"]);
    let event_id = text(&record["responseElements"]["x-amz-request-id"]);
    if event == "ObjectCreated" {
        let reason = Some(how.to_owned());
        return Ok(Some(S3Change::Created(S3Created { reason, at, event_id, ..subject.created() })));
    }
    // EventBridge's word for it.
    let reason =
        Some(if event == "LifecycleExpiration" { "Lifecycle Expiration" } else { "DeleteObject" }.to_owned());
    let deleted = subject.deleted(how == "DeleteMarkerCreated")?;
    Ok(Some(S3Change::Deleted(S3Deleted { reason, at, event_id, ..deleted })))
}

/// The object that an event is about, whichever way the event came.
struct Subject {
    bucket: String,
    key: String,
    size_bytes: Option<u64>,
    etag: Option<String>,
    /// As the event has it; `null` names no one version.
    version_id: Option<String>,
    sequencer: Option<String>,
}

impl Subject {
    fn of_event(kind: &str, detail: &Value) -> Result<Self, String> {
        let object = &detail["object"];
        let bucket =
            text(&detail["bucket"]["name"]).ok_or_else(|| format!("an {kind} without bucket.name"))?;
        let key = text(&object["key"]).ok_or_else(|| format!("an {kind} without object.key"))?;
        Self::new(bucket, key, object, ["version-id", "etag"])
    }

    fn of_record(s3: &Value) -> Result<Self, String> {
        let object = &s3["object"];
        let bucket = text(&s3["bucket"]["name"]).ok_or("a classic S3 notification without bucket.name")?;
        let encoded =
            text(&object["key"]).ok_or("a classic S3 notification without object.key")?.replace('+', " ");
        let key = percent_decode_str(&encoded).decode_utf8();
        let key = key.map_err(|_| format!("a classic S3 notification whose key {encoded:?} is not UTF-8"))?;
        Self::new(bucket, key.into_owned(), object, ["versionId", "eTag"])
    }

    fn new(
        bucket: String,
        key: String,
        object: &Value,
        [version_id, etag]: [&str; 2],
    ) -> Result<Self, String> {
        if key.len() > LONGEST_KEY_BYTES {
            let bytes = key.len();
            return Err(format!("an event of S3 whose key has {bytes} bytes; S3 allows {LONGEST_KEY_BYTES}"));
        }
        let size = &object["size"];
        Ok(Self {
            bucket,
            key,
            size_bytes: size.as_u64().or_else(|| size.as_str()?.parse().ok()),
            etag: text(&object[etag]).map(|etag| etag.trim_matches('"').to_owned()),
            // "null" names no one version: every put while versioning is suspended has it.
            version_id: text(&object[version_id]).filter(|id| id != "null"),
            sequencer: text(&object["sequencer"]),
        })
    }

    fn created(self) -> S3Created {
        let Self { bucket, key, size_bytes, etag, version_id, sequencer } = self;
        S3Created {
            bucket,
            key,
            size_bytes,
            etag,
            version_id,
            sequencer,
            reason: None,
            at: None,
            event_id: None,
        }
    }

    /// A deletion without a sequencer cannot be told from one that a later upload has made void.
    fn deleted(self, is_marker: bool) -> Result<S3Deleted, String> {
        let Some(sequencer) = self.sequencer else {
            return Err(
                "a deletion without object.sequencer, so its place among the uploads of its key is unknown"
                    .into(),
            );
        };
        let version = match (is_marker, self.version_id) {
            (true, id) => DeletedVersion::Hidden(id),
            (false, Some(id)) => DeletedVersion::Version(id),
            (false, None) => DeletedVersion::Unversioned,
        };
        Ok(S3Deleted {
            bucket: self.bucket,
            key: self.key,
            version,
            sequencer: sequencer.into(),
            reason: None,
            at: None,
            event_id: None,
        })
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|at| at.parse().ok())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
