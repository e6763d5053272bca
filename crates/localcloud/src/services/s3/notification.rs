//! The events that S3 sends to EventBridge.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bucket::{Object, Version};
use crate::wire::{ACCOUNT, REGION};

/// What has happened to a key.
#[derive(Debug)]
pub(super) struct Notification<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) request_id: &'a str,
    pub(super) at: Timestamp,
}

/// A delete's two kinds, in S3's words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deletion {
    Marked,
    Permanent,
}

impl Notification<'_> {
    /// A version was written, by the operation that `reason` names.
    pub(super) fn created(&self, version: &Version, object: &Object, reason: &str) -> Value {
        let mut subject = json!({
            "key": self.key,
            "size": object.size,
            "etag": object.etag,
            "sequencer": object.sequencer,
        });
        if let Some(id) = &version.id {
            subject["version-id"] = id.as_str().into();
        }
        self.envelope("Object Created", subject, reason)
    }

    /// A version was deleted, or hidden by a delete marker; `version_id` is the one that went or came.
    pub(super) fn deleted(
        &self,
        version_id: Option<&str>,
        etag: Option<&str>,
        sequencer: &str,
        kind: Deletion,
    ) -> Value {
        let mut subject = json!({ "key": self.key, "sequencer": sequencer });
        if let Some(etag) = etag {
            subject["etag"] = etag.into();
        }
        if let Some(id) = version_id {
            subject["version-id"] = id.into();
        }
        let mut event = self.envelope("Object Deleted", subject, "DeleteObject");
        event["detail"]["deletion-type"] = match kind {
            Deletion::Marked => "Delete Marker Created".into(),
            Deletion::Permanent => "Permanently Deleted".into(),
        };
        event
    }

    fn envelope(&self, kind: &str, object: Value, reason: &str) -> Value {
        json!({
            "version": "0",
            "detail-type": kind,
            "source": "aws.s3",
            "account": ACCOUNT,
            "time": self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:s3:::{}", self.bucket)],
            "detail": {
                "version": "0",
                "bucket": { "name": self.bucket },
                "object": object,
                "request-id": self.request_id,
                "requester": ACCOUNT,
                "source-ip-address": "127.0.0.1",
                "reason": reason,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the guide, with this cloud's account, region, requester and address.
    #[test]
    fn the_documented_example_is_what_comes_out() {
        let object = Object {
            etag: "b1946ac92492d2347c6235b4d2611184".into(),
            size: 5,
            sequencer: "617f08299329d189".into(),
            headers: Default::default(),
            checksums: Default::default(),
            content: Default::default(),
        };
        let at: Timestamp = "2021-11-12T00:00:00.5Z".parse().unwrap();
        let version =
            Version { id: Some("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e".into()), modified: at, object: None };
        let notification = Notification {
            bucket: "amzn-s3-demo-bucket1",
            key: "example-key",
            request_id: "N4N7GDK58NMKJ12R",
            at,
        };
        assert_eq!(
            notification.created(&version, &object, "PutObject"),
            json!({
                "version": "0",
                "detail-type": "Object Created",
                "source": "aws.s3",
                "account": "123456789012",
                "time": "2021-11-12T00:00:00Z",
                "region": "us-east-1",
                "resources": ["arn:aws:s3:::amzn-s3-demo-bucket1"],
                "detail": {
                    "version": "0",
                    "bucket": { "name": "amzn-s3-demo-bucket1" },
                    "object": {
                        "key": "example-key",
                        "size": 5,
                        "etag": "b1946ac92492d2347c6235b4d2611184",
                        "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                        "sequencer": "617f08299329d189"
                    },
                    "request-id": "N4N7GDK58NMKJ12R",
                    "requester": "123456789012",
                    "source-ip-address": "127.0.0.1",
                    "reason": "PutObject"
                }
            })
        );
    }
}
