//! S3's own notifications, which go to queues and topics without EventBridge.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};
use serde_json::{Value, json};

use super::{
    S3,
    bucket::{Object, Version},
    destinations::{self, Destination},
    headers::request_id,
    journal::Change,
    notification::{Deletion, Notification},
    refuse,
};
use crate::{
    services::{iam::Who, sqs::Attributes},
    wire::{ACCOUNT, ApiError, REGION},
};

/// Who sends.
const S3_SERVICE: Who = Who::Service("s3.amazonaws.com");

/// What topics' mails about notifications are called.
const SUBJECT: &str = "Amazon S3 Notification";

/// What stays as it is in a key: S3 encodes keys as forms do, but for slashes.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b' ');

/// A key as notifications have it.
pub(super) fn encoded(key: &str) -> String {
    utf8_percent_encode(key, PLAIN).to_string().replace(' ', "+")
}

/// A change of an object, without the `s3:` of events' names.
#[derive(Debug)]
pub(super) struct Record {
    event: String,
    object: Value,
}

impl Record {
    /// A version was written, by the operation that `reason` names.
    pub(super) fn created(version: &Version, object: &Object, reason: &str) -> Self {
        let how = match reason {
            "PutObject" => "Put",
            "POST Object" => "Post",
            "CopyObject" => "Copy",
            other => other,
        };
        let mut subject = json!({ "size": object.size, "eTag": object.etag, "sequencer": object.sequencer });
        if let Some(id) = &version.id {
            subject["versionId"] = id.as_str().into();
        }
        Self { event: format!("ObjectCreated:{how}"), object: subject }
    }

    /// A version was deleted, or hidden by a delete marker; `version_id` is the one that went or came.
    pub(super) fn removed(version_id: Option<&str>, sequencer: &str, kind: Deletion) -> Self {
        let how = match kind {
            Deletion::Marked => "DeleteMarkerCreated",
            Deletion::Permanent => "Delete",
        };
        let mut subject = json!({ "sequencer": sequencer });
        if let Some(id) = version_id {
            subject["versionId"] = id.into();
        }
        Self { event: format!("ObjectRemoved:{how}"), object: subject }
    }

    /// The message that says so to one destination.
    fn message(&self, of: &Notification<'_>, key: &str, configuration: &str) -> Value {
        let mut object = self.object.clone();
        object["key"] = key.into();
        json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": of.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "eventName": self.event,
            "userIdentity": { "principalId": format!("AWS:{ACCOUNT}") },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": of.request_id, "x-amz-id-2": of.request_id },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": configuration,
                "bucket": {
                    "name": of.bucket,
                    "ownerIdentity": { "principalId": ACCOUNT },
                    "arn": format!("arn:aws:s3:::{}", of.bucket),
                },
                "object": object,
            },
        }] })
    }
}

impl S3 {
    /// Sends a change to the bucket's queues and topics that take it. One that may not be sent to any more is dropped with a
    /// warning, as S3 drops it.
    pub(super) fn announce(&self, to: &[Destination], of: &Notification<'_>, record: &Record) {
        let key = encoded(of.key);
        let event = format!("s3:{}", record.event);
        for destination in to.iter().filter(|it| it.takes(&event, &key)) {
            let message = record.message(of, &key, &destination.id).to_string();
            if let Err(refused) = self.send_to(destination, of.bucket, &message) {
                tracing::warn!(
                    bucket = of.bucket,
                    destination.arn,
                    error = %refused,
                    "dropped a notification of S3 that could not be delivered"
                );
            }
        }
    }

    fn send_to(&self, destination: &Destination, bucket: &str, message: &str) -> Result<(), ApiError> {
        let bucket = format!("arn:aws:s3:::{bucket}");
        let (who, arn) = ((&S3_SERVICE, bucket.as_str()), destination.arn.as_str());
        let missing = || ApiError::client("NoDestination", "there is nothing to send notifications to");
        if destination.is_topic() {
            let topics = self.topics.as_ref().ok_or_else(missing)?;
            topics.publish_as(who, arn, Some(SUBJECT), message).map(drop)
        } else {
            let queues = self.queues.as_ref().ok_or_else(missing)?;
            queues.send_as(who, arn, message, Attributes::new()).map(drop)
        }
    }

    /// Sets what the bucket notifies. Each queue and topic gets a test message first, and one that refuses it is refused.
    pub(super) fn set_notifications(
        &self,
        req: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        let id = request_id(&req);
        let PutBucketNotificationConfigurationInput {
            bucket,
            notification_configuration,
            skip_destination_validation,
            ..
        } = req.input;
        self.store.lock().bucket(&bucket)?;
        let eventbridge = notification_configuration.event_bridge_configuration.is_some();
        let destinations = destinations::read(notification_configuration)?;
        let test = json!({
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": self.clock.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "Bucket": bucket,
            "RequestId": id,
            "HostId": id,
        });
        if skip_destination_validation != Some(true) {
            for destination in &destinations {
                if let Err(refused) = self.send_to(destination, &bucket, &test.to_string()) {
                    tracing::warn!(bucket, destination.arn, error = %refused, "a destination of notifications refuses S3");
                    return Err(s3_error!(
                        InvalidArgument,
                        "Unable to validate the following destination configurations"
                    ));
                }
            }
        }
        let mut buckets = self.store.lock();
        let found = buckets.bucket(&bucket)?;
        let change = Change::Bucket {
            name: bucket.clone(),
            created: found.created,
            versioning: found.versioning,
            eventbridge,
            destinations,
        };
        buckets.commit(change).map_err(refuse::storage)?;
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
    }

    /// What the bucket notifies.
    pub(super) fn notifications(
        &self,
        bucket: &str,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        let buckets = self.store.lock();
        let found = buckets.bucket(bucket)?;
        let (queues, topics) = destinations::written(&found.destinations);
        Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
            event_bridge_configuration: found.eventbridge.then_some(EventBridgeConfiguration {}),
            lambda_function_configurations: None,
            queue_configurations: (!queues.is_empty()).then_some(queues),
            topic_configurations: (!topics.is_empty()).then_some(topics),
        }))
    }
}
