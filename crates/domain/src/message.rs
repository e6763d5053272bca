//! The messages of the uploads, jobs and stops queues, besides AWS's own events.
//!
//! Ours are small JSON objects marked by `"tidemill": 1`, their layout's version. The queue of jobs is a public
//! entrance: any program may put an [`ObjectMessage`] there, or hand on S3's own notification of either kind.
//!
//! | message | says |
//! | --- | --- |
//! | `{"tidemill":1,"job":"<id>","attempt":2}` | this attempt of this job is due ([`JobMessage`]) |
//! | `{"tidemill":1,"bucket":"b","key":"uploads/a.csv"}` | process this object ([`ObjectMessage`]) |
//! | the same with `"version_id":"<id>","deleted":true` | this delete marker hides the object |
//! | `{"tidemill":1,"failed":"<id>"}` | this job has failed for good; send its failure mail ([`FailureMessage`]) |
//! | S3's *Object Created* or *Object Deleted* through EventBridge, or its classic notification | process these objects |
//! | any of these in the envelope of SNS | the same |

mod unusable;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    events::{self, Classified, S3Changes, TaskStateChange},
    job::JobId,
};

pub use unusable::Unusable;

/// The layout of the messages written today.
pub const LAYOUT: u32 = 1;

/// An attempt of a job is due: a task is launched for it, or a pooled worker takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// The layout of this message.
    pub tidemill: u32,
    /// The id of the job that is due.
    pub job: JobId,
    /// Which attempt is due. A message for an attempt that is past is a duplicate.
    pub attempt: u32,
    /// How often a launch of this attempt was deferred; its delays grow with it.
    #[serde(default)]
    pub times_deferred: u32,
}

/// An object that a person or the sweep asks to process. Missing fields are looked up in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMessage {
    /// The layout of this message.
    pub tidemill: u32,
    /// The bucket's name.
    pub bucket: String,
    /// The key, raw: never URL-encoded.
    pub key: String,
    /// The version id. Optional; defaults to the newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Whether the version is a delete marker: the object is not processed, but its deletion, whose event was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// A job has failed for good outside λ stops, which then mails the failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureMessage {
    /// The layout of this message.
    pub tidemill: u32,
    /// The id of the job that failed.
    pub failed: JobId,
}

/// What a message body is.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// An attempt is due.
    Job(JobMessage),
    /// An object is asked for.
    Object(ObjectMessage),
    /// A job has failed for good.
    Failed(FailureMessage),
    /// S3 created or deleted objects: one, through EventBridge, or a classic notification's several.
    S3(S3Changes),
    /// S3 announces the classic notifications of this bucket. There is nothing to do.
    S3Test {
        /// The bucket's name.
        bucket: String,
    },
    /// An ECS task changed its state.
    Task(Box<TaskStateChange>),
    /// Well formed and nothing to do with us.
    Foreign,
    /// None of these.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

impl JobMessage {
    /// A message of today's layout.
    #[must_use]
    pub fn new(job: JobId, attempt: u32, times_deferred: u32) -> Self {
        Self { tidemill: LAYOUT, job, attempt, times_deferred }
    }

    /// The message's body: ASCII JSON.
    #[must_use]
    pub fn to_body(&self) -> String {
        to_ascii_json(self)
    }
}

impl ObjectMessage {
    /// A message of today's layout.
    #[must_use]
    pub fn new(bucket: &str, key: &str, version_id: Option<&str>) -> Self {
        let version_id = version_id.map(str::to_owned);
        Self { tidemill: LAYOUT, bucket: bucket.to_owned(), key: key.to_owned(), version_id, deleted: false }
    }

    /// A message of today's layout about the delete marker of this id.
    #[must_use]
    pub fn of_deletion(bucket: &str, key: &str, marker: &str) -> Self {
        Self { deleted: true, ..Self::new(bucket, key, Some(marker)) }
    }

    /// The message's body: ASCII JSON.
    #[must_use]
    pub fn to_body(&self) -> String {
        to_ascii_json(self)
    }
}

impl FailureMessage {
    /// A message of today's layout.
    #[must_use]
    pub fn new(job: JobId) -> Self {
        Self { tidemill: LAYOUT, failed: job }
    }

    /// The message's body: ASCII JSON.
    #[must_use]
    pub fn to_body(&self) -> String {
        to_ascii_json(self)
    }
}

/// JSON in which every character beyond ASCII is escaped: SQS refuses a body with U+FFFE or U+FFFF, which S3 allows in
/// keys (SendMessage, "A message can include only XML, JSON, and unformatted text"). Any JSON parser reads it back.
fn to_ascii_json(message: &impl Serialize) -> String {
    use std::fmt::Write as _;
    let json = serde_json::json!(message).to_string();
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        // JSON escapes control characters itself, all but DEL, which is ASCII and allowed. A character beyond ASCII only
        // occurs within a string.
        if c.is_ascii() {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

/// Says what this message body is.
#[must_use]
pub fn read(body: &str) -> Message {
    parse(body).unwrap_or_else(|reason| Message::Malformed { reason })
}

fn parse(body: &str) -> Result<Message, String> {
    let value = events::parse(body)?;
    if value.get("tidemill").is_some() {
        return ours(&value);
    }
    Ok(match events::read(value)? {
        Classified::S3(changes) => Message::S3(changes),
        Classified::S3Test { bucket } => Message::S3Test { bucket },
        Classified::TaskStateChange(change) => Message::Task(change),
        Classified::Foreign { .. } => Message::Foreign,
        Classified::Malformed { reason } => Message::Malformed { reason },
    })
}

fn ours(value: &Value) -> Result<Message, String> {
    let version = &value["tidemill"];
    if *version != LAYOUT {
        return Err(format!("its layout \"tidemill\": {version} is not known here; known: {LAYOUT}"));
    }
    if value.get("job").is_some() {
        let message: JobMessage = parsed(value)?;
        return match JobId::parse(message.job.as_str()) {
            Some(_) => Ok(Message::Job(message)),
            None => Err("its \"job\" is no job id: 32 hex digits".to_owned()),
        };
    }
    if value.get("failed").is_some() {
        return parsed(value).map(Message::Failed);
    }
    let message: ObjectMessage = parsed(value)?;
    match (message.bucket.is_empty(), message.key.is_empty()) {
        (false, false) => Ok(Message::Object(message)),
        _ => Err("its \"bucket\" or \"key\" is empty".to_owned()),
    }
}

fn parsed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| {
        format!("it has neither job and attempt, nor failed, nor bucket and key, as it should: {error}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::S3Change;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn malformed(body: &str) -> String {
        match read(body) {
            Message::Malformed { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_message_reads_back() {
        let id = JobId::parse(ID).unwrap();
        let job = JobMessage::new(id.clone(), 2, 1);
        assert_eq!(read(&job.to_body()), Message::Job(job));
        let object = ObjectMessage::new("b", "uploads/ä+b.csv", Some("v"));
        assert_eq!(read(&object.to_body()), Message::Object(object));
        let deletion = ObjectMessage::of_deletion("b", "uploads/a.csv", "m");
        assert_eq!(read(&deletion.to_body()), Message::Object(deletion));
        let failed = FailureMessage::new(id);
        assert_eq!(read(&failed.to_body()), Message::Failed(failed));
    }

    #[test]
    fn bodies_are_ascii_and_both_forms_read_back() {
        let key = "uploads/\u{fffe} \u{ffff} ü \u{1f30a}.csv";
        let object = ObjectMessage::new("b", key, None);
        let body = object.to_body();
        assert_eq!(
            body,
            r#"{"bucket":"b","key":"uploads/\ufffe \uffff \u00fc \ud83c\udf0a.csv","tidemill":1}"#
        );
        assert_eq!(read(&body), Message::Object(object.clone()));
        let raw = format!(r#"{{"tidemill":1,"bucket":"b","key":"{key}"}}"#);
        assert_eq!(read(&raw), Message::Object(object));
    }

    #[test]
    fn the_first_layout_is_read_for_ever() {
        let old = format!(r#"{{"tidemill":1,"job":"{ID}","attempt":3}}"#);
        assert!(matches!(read(&old), Message::Job(JobMessage { attempt: 3, times_deferred: 0, .. })));
        let bare = r#"{"tidemill":1,"bucket":"b","key":"k","since":"then"}"#;
        assert!(matches!(read(bare), Message::Object(ObjectMessage { version_id: None, .. })));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(malformed(r#"{"tidemill":2,"job":"x"}"#).contains("known: 1"));
        assert!(malformed(r#"{"tidemill":1}"#).contains("bucket"));
        assert!(malformed(r#"{"tidemill":1,"bucket":"b","key":""}"#).contains("empty"));
        assert!(malformed(r#"{"tidemill":1,"job":"x","attempt":1}"#).contains("32 hex"));
        assert!(malformed(&format!(r#"{{"tidemill":1,"job":"{ID}"}}"#)).contains("attempt"));
        assert!(malformed("no JSON").contains("JSON"));
    }

    #[test]
    fn a_classic_notification_is_the_objects_it_names() {
        let body = include_str!("../../../tests/fixtures/events/s3-classic-notification.json");
        let Message::S3(S3Changes { changes, malformed }) = read(body) else { panic!("{body}") };
        let uris: Vec<_> = changes.iter().map(S3Change::uri).collect();
        assert_eq!(
            (uris, malformed),
            (vec!["s3://tidemill-uploads/uploads/air ports.csv".to_owned()], vec![])
        );
    }

    fn wrapped(message: &str) -> String {
        serde_json::json!({
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:eu-north-1:111122223333:uploads",
            "Message": message,
            "Timestamp": "2026-03-14T09:26:53.123Z",
        })
        .to_string()
    }

    #[test]
    fn what_sns_has_wrapped_is_read_as_what_it_is() {
        for body in [
            include_str!("../../../tests/fixtures/events/s3-classic-notification.json"),
            include_str!("../../../tests/fixtures/events/s3-put-object.json"),
            include_str!("../../../tests/fixtures/events/s3-test-event.json"),
            r#"{"tidemill":1,"bucket":"b","key":"uploads/a.csv"}"#,
        ] {
            assert!(!matches!(read(body), Message::Malformed { .. } | Message::Foreign), "{body}");
            assert_eq!(read(&wrapped(body)), read(body));
        }
        assert!(malformed(&wrapped("hello")).starts_with("the message that SNS has wrapped: it is not JSON"));
        let confirm = wrapped("").replace("Notification", "SubscriptionConfirmation");
        assert!(malformed(&confirm).contains("confirm it with the message's SubscribeURL"));
        // An application's own field of that name is no envelope.
        assert!(malformed(r#"{"Type":"Notification","Message":"{}"}"#).contains("no EventBridge event"));
    }
}
