//! S3's "Object Created".

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

pub(super) fn read(detail: &Value) -> Result<S3Created, String> {
    let object = &detail["object"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let bucket = text(&detail["bucket"]["name"]).ok_or("an Object Created without bucket.name")?;
    let key = text(&object["key"]).ok_or("an Object Created without object.key")?;
    if key.len() > LONGEST_KEY_BYTES {
        return Err(format!(
            "an Object Created whose key has {} bytes; S3 allows {LONGEST_KEY_BYTES}",
            key.len()
        ));
    }
    let size = &object["size"];
    Ok(S3Created {
        bucket,
        key,
        size_bytes: size.as_u64().or_else(|| size.as_str()?.parse().ok()),
        etag: text(&object["etag"]).map(|etag| etag.trim_matches('"').to_owned()),
        // "null" names no one version: every put while versioning is suspended has it.
        version_id: text(&object["version-id"]).filter(|id| id != "null"),
        sequencer: text(&object["sequencer"]),
        reason: text(&detail["reason"]),
    })
}
