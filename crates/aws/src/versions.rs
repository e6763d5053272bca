//! S3: which object versions a bucket holds.

use std::{borrow::Cow, str::Utf8Error};

use aws_sdk_s3::{primitives::DateTime, types::EncodingType};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::{CallError, objects::Objects};
use domain::object::{self, Object, Sequencer};

/// One object version that a bucket holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The key, raw.
    pub key: String,
    /// The version id; `null` for what was put before the bucket had versions.
    pub version_id: String,
    /// The entity tag without quotes.
    pub etag: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// When it was put.
    pub modified_at: Timestamp,
}

impl Version {
    /// Whether it has no version id of its own: what is put next takes its place, as in a bucket without versions.
    #[must_use]
    pub fn is_unversioned(&self) -> bool {
        self.version_id == NULL
    }

    /// The object that this version is, in this place among its key's versions. One without a version id is read by its etag,
    /// so that no other bytes are read in its name.
    #[must_use]
    pub fn object(&self, bucket: &str, sequencer: Sequencer) -> Object {
        Object {
            bucket: bucket.to_owned(),
            key: self.key.clone(),
            version_id: (!self.is_unversioned()).then(|| self.version_id.clone()),
            etag: self.etag.clone(),
            sequencer,
            size_bytes: Some(self.size_bytes),
        }
    }
}

/// Where the next page of versions starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage {
    key: String,
    version_id: Option<String>,
}

/// A delete marker, which hides the older versions of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The key, raw.
    pub key: String,
    /// Its version id; `null` if it was made while versioning was suspended.
    pub version_id: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether it is the newest of its key: nothing was put since.
    pub is_newest: bool,
}

impl Marker {
    /// Whether it hides this version of its key. A listing has times of whole seconds: of the same second, the marker is
    /// taken for the later one.
    #[must_use]
    pub fn hides(&self, version: &Version) -> bool {
        self.key == version.key && self.made_at >= version.modified_at
    }
}

/// A page of versions: by key, and newest first within a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most 1,000, with the markers.
    pub versions: Vec<Version>,
    /// The delete markers in between.
    pub markers: Vec<Marker>,
    /// Where to go on, if there is more.
    pub next: Option<NextPage>,
}

impl Objects {
    /// A page of the versions whose keys begin with `prefix`.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn versions(
        &self,
        bucket: &str,
        prefix: &str,
        from: Option<NextPage>,
    ) -> Result<Page, CallError> {
        let attempt = || format!("list the versions under {}", object::uri(bucket, prefix));
        let call = self.client().list_object_versions().bucket(bucket).prefix(prefix);
        // Keys may hold what XML cannot.
        let call = call.encoding_type(EncodingType::Url);
        let call = match from {
            Some(from) => call.key_marker(from.key).set_version_id_marker(from.version_id),
            None => call,
        };
        let answer = call.send().await.map_err(|e| CallError::of(attempt(), e))?;
        // Who does not say that it encodes, does not.
        let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let raw = |key: &str| match is_encoded {
            true => decoded(key).map_err(|e| CallError::malformed_response(attempt(), e)),
            false => Ok(key.to_owned()),
        };
        let mut versions = Vec::with_capacity(answer.versions().len());
        for version in answer.versions() {
            let (key, modified_at) = place(version.key(), version.last_modified(), attempt)?;
            versions.push(Version {
                key: raw(key)?,
                version_id: version.version_id().unwrap_or(NULL).to_owned(),
                etag: version.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
                size_bytes: version.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                modified_at,
            });
        }
        let mut markers = Vec::with_capacity(answer.delete_markers().len());
        for marker in answer.delete_markers() {
            let (key, made_at) = place(marker.key(), marker.last_modified(), attempt)?;
            let version_id = marker.version_id().unwrap_or(NULL).to_owned();
            let is_newest = marker.is_latest().unwrap_or_default();
            markers.push(Marker { key: raw(key)?, version_id, made_at, is_newest });
        }
        let next = match answer.next_key_marker() {
            Some(key) if answer.is_truncated() == Some(true) => Some(NextPage {
                key: raw(key)?,
                version_id: answer.next_version_id_marker().map(str::to_owned),
            }),
            _ => None,
        };
        Ok(Page { versions, markers, next })
    }

    /// All versions of one key, newest first.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn versions_of(&self, bucket: &str, key: &str) -> Result<KeyVersions, CallError> {
        let mut found = KeyVersions::default();
        let mut from = None;
        loop {
            let page = self.versions(bucket, key, from).await?;
            let listed = page.versions.len();
            // A key comes before all keys that only begin with it.
            found.versions.extend(page.versions.into_iter().take_while(|version| version.key == key));
            found.markers.extend(page.markers.into_iter().take_while(|marker| marker.key == key));
            match page.next {
                Some(next) if next.key == key || listed == 0 => from = Some(next),
                _ => return Ok(found),
            }
        }
    }
}

/// What a bucket has under one key, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyVersions {
    /// The versions.
    pub versions: Vec<Version>,
    /// The delete markers.
    pub markers: Vec<Marker>,
}

impl KeyVersions {
    /// Whether the key shows an object: it has a version that no delete marker hides.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.versions.first().is_some_and(|newest| !self.markers.iter().any(|marker| marker.hides(newest)))
    }
}

/// The version id of what was put or deleted while the bucket did not keep versions.
const NULL: &str = "null";

/// The key and the time of an entry of a listing.
fn place<'a>(
    key: Option<&'a str>,
    time: Option<&DateTime>,
    attempt: impl Fn() -> String,
) -> Result<(&'a str, Timestamp), CallError> {
    let (Some(key), Some(time)) = (key, time) else {
        return Err(CallError::malformed_response(attempt(), "a version without key or time"));
    };
    let time = Timestamp::from_nanosecond(time.as_nanos());
    Ok((key, time.map_err(|e| CallError::malformed_response(attempt(), e))?))
}

/// A key of a listing as it is. S3 writes a space as a plus sign there, and a plus sign as `%2B`.
fn decoded(key: &str) -> Result<String, Utf8Error> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_listings_are_read_as_s3_writes_them() {
        for (written, key) in [
            ("a+b.txt", "a b.txt"),
            ("a%2Bb.txt", "a+b.txt"),
            ("a%20b.txt", "a b.txt"),
            ("100%25.csv", "100%.csv"),
            ("%ED%95%9C%EA%B8%80/x%0A.txt", "한글/x\n.txt"),
        ] {
            assert_eq!(decoded(written).as_deref(), Ok(key));
        }
        assert!(decoded("%FF").is_err());
    }
}
