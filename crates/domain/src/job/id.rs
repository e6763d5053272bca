//! Which job it is: derived, so that a duplicate event derives the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    events::{DeletedVersion, S3Deleted},
    object::Object,
};

/// A job's id: the first 128 bits, in hex, of a SHA-256 over (pipeline, bucket, key, version). A duplicate event
/// derives the same id, which is what makes it the same job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// The id of the job that processes `object` with the pipeline of this name.
    ///
    /// Without a version id, the etag and sequencer tell versions apart.
    ///
    /// ```
    /// use domain::{job::JobId, object::Object};
    ///
    /// let version = |id: &str| Object {
    ///     bucket: "my-bucket".to_owned(),
    ///     key: "uploads/orders.csv".to_owned(),
    ///     version_id: Some(id.to_owned()),
    ///     etag: None,
    ///     sequencer: Default::default(),
    ///     size_bytes: None,
    /// };
    /// let id = JobId::derive("orders", &version("v1"));
    /// assert_eq!(id.as_str().len(), 32);
    /// // A duplicate event means the same job; a new version or another pipeline means another.
    /// assert_eq!(id, JobId::derive("orders", &version("v1")));
    /// assert_ne!(id, JobId::derive("orders", &version("v2")));
    /// assert_ne!(id, JobId::derive("everything", &version("v1")));
    /// ```
    #[must_use]
    pub fn derive(pipeline: &str, object: &Object) -> Self {
        Self::of_replay(pipeline, object, 0)
    }

    /// The id of the `number`-th job that a person had made of `object` with the pipeline of this name, after the first
    /// one, which is number 0.
    #[must_use]
    pub fn of_replay(pipeline: &str, object: &Object, number: u32) -> Self {
        let version = match &object.version_id {
            Some(id) => ["version", id, ""],
            None => ["etag", object.etag.as_deref().unwrap_or_default(), object.sequencer.padded()],
        };
        let number = (number > 0).then(|| number.to_string());
        let replay = number.iter().flat_map(|number| ["replay", number]);
        Self(digest(["job", pipeline, &object.bucket, &object.key].into_iter().chain(version).chain(replay)))
    }

    /// The id of the job that removes what a deletion takes from a table of the user's own. Where nothing is to be removed, no
    /// job has it, and it stands for the deletion where a manifest names a job. A duplicate event derives the same.
    #[must_use]
    pub fn of_deletion(deletion: &S3Deleted) -> Self {
        let version = match &deletion.version {
            DeletedVersion::Hidden(id) => ["hidden", id.as_deref().unwrap_or_default()],
            DeletedVersion::Version(id) => ["version", id],
            DeletedVersion::Unversioned => ["unversioned", ""],
        };
        let of = ["deletion", &deletion.bucket, &deletion.key, deletion.sequencer.padded()];
        Self(digest(of.into_iter().chain(version)))
    }

    /// The id in this text, if it has an id's form: a foreign task's `startedBy` has not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
    }

    /// The id as text: 32 lower-case hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which part of a shard it is in: the first digit.
    #[must_use]
    pub fn shard(&self) -> char {
        self.0.chars().next().unwrap_or('0')
    }

    /// RunTask's client token for one attempt. It must contain the attempt: ECS answers a repeated token with
    /// the task of the first call, which for a retry is the dead one.
    #[must_use]
    pub fn launch_token(&self, attempt: u32) -> String {
        digest(["launch", &self.0, &attempt.to_string()])
    }

    /// The publish transaction's client token: the same for every repeat by the same holder of the claim.
    #[must_use]
    pub fn publish_token(&self, fence: u64) -> String {
        digest(["publish", &self.0, &fence.to_string()])
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 bits in hex over length-prefixed parts, so that no two lists of parts run together.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version_id: Option<&str>, etag: &str, sequencer: &str) -> Object {
        Object {
            bucket: "b".into(),
            key: "k".into(),
            version_id: version_id.map(Into::into),
            etag: Some(etag.into()),
            sequencer: sequencer.to_owned().into(),
            size_bytes: None,
        }
    }

    #[test]
    fn the_same_event_twice_is_the_same_job() {
        let id = JobId::derive("p", &object(Some("v1"), "e", "01"));
        assert_eq!(
            id,
            JobId::derive("p", &object(Some("v1"), "other", "02")),
            "the version id decides alone"
        );
        assert_ne!(id, JobId::derive("q", &object(Some("v1"), "e", "01")));
        assert_ne!(id, JobId::derive("p", &object(Some("v2"), "e", "01")));
        let replays = [0, 1, 2].map(|number| JobId::of_replay("p", &object(Some("v1"), "e", "01"), number));
        assert!(replays[0] == id && replays[1] != id && replays[2] != replays[1]);
        let unversioned = JobId::derive("p", &object(None, "e", "01"));
        assert_ne!(unversioned, JobId::derive("p", &object(None, "e", "02")), "the same bytes put twice");
        assert_eq!(JobId::parse(id.as_str()), Some(id));
        assert_eq!(JobId::parse("ecs-svc/1234567890123456789"), None);
    }

    #[test]
    fn every_attempt_has_a_launch_token_of_its_own_that_ecs_accepts() {
        let id = JobId::derive("p", &object(Some("v1"), "e", "01"));
        assert_ne!(id.launch_token(1), id.launch_token(2));
        assert!(id.launch_token(1).len() <= 64);
    }
}
