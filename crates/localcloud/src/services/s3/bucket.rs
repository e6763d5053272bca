//! Buckets and the versions of their objects: plain values and how they change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{blob_store::Content, destinations::Destination};

/// Whether a bucket keeps versions. Once it did, it never is `Off` again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Versioning {
    Off,
    Enabled,
    Suspended,
}

/// One bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: Timestamp,
    pub(super) versioning: Versioning,
    pub(super) eventbridge: bool,
    /// The queues and topics that it notifies itself.
    pub(super) destinations: Vec<Destination>,
    /// The versions of each key, the newest last; no key without one.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// One version of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    /// None is the version `null`, of a bucket that did not keep versions when it was made.
    pub(super) id: Option<String>,
    pub(super) modified: Timestamp,
    /// None is a delete marker.
    pub(super) object: Option<Object>,
}

/// What a version holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) sequencer: String,
    pub(super) headers: Headers,
    pub(super) checksums: Checksums,
    /// The journal names its files instead.
    #[serde(skip)]
    pub(super) content: Content,
}

/// What is stored with an object and said again with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Checksums in base64, as headers carry them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Checksums {
    pub(super) crc32: Option<String>,
    pub(super) crc32c: Option<String>,
    pub(super) crc64nvme: Option<String>,
    pub(super) sha1: Option<String>,
    pub(super) sha256: Option<String>,
    /// Whether they are over the parts' checksums instead of over the bytes.
    pub(super) composite: bool,
}

impl Version {
    /// As requests and answers name it.
    pub(super) fn name(&self) -> &str {
        self.id.as_deref().unwrap_or("null")
    }
}

impl Bucket {
    /// The object that a key shows, unless there is none or its newest version is a delete marker.
    pub(super) fn current(&self, key: &str) -> Option<&Object> {
        self.keys.get(key)?.last()?.object.as_ref()
    }

    /// Adds a version. It takes the place of an earlier `null` version if it is one itself.
    pub(super) fn put(&mut self, key: String, version: Version) {
        let versions = self.keys.entry(key).or_default();
        if version.id.is_none() {
            versions.retain(|other| {
                if other.id.is_none() {
                    discard(other);
                }
                other.id.is_some()
            });
        }
        versions.push(version);
    }

    /// Takes one version away for good.
    pub(super) fn remove(&mut self, key: &str, id: Option<&str>) {
        let Some(versions) = self.keys.get_mut(key) else { return };
        versions.retain(|version| {
            let goes = version.id.as_deref() == id;
            if goes {
                discard(version);
            }
            !goes
        });
        if versions.is_empty() {
            self.keys.remove(key);
        }
    }
}

fn discard(version: &Version) {
    if let Some(object) = &version.object {
        object.content.discard();
    }
}

/// An upload in flight.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) headers: Headers,
    /// The checksum algorithm asked for, by its name in headers.
    pub(super) algorithm: Option<String>,
    /// Whether its checksum is over the whole object instead of over the parts' checksums.
    pub(super) over_all: bool,
    pub(super) parts: BTreeMap<i32, UploadedPart>,
}

#[derive(Debug, Clone)]
pub(super) struct UploadedPart {
    pub(super) md5: [u8; 16],
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    pub(super) checksums: Checksums,
    pub(super) content: Content,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.parts.values().for_each(|part| part.content.discard());
    }
}
