//! S3: how a bucket is set up, for those who check a deployment.

use aws_sdk_s3::types::BucketVersioningStatus;

use super::{CallError, objects::Objects};

impl Objects {
    /// Whether a bucket sends its events to EventBridge.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn sends_events(&self, bucket: &str) -> Result<bool, CallError> {
        let answer = self.client().get_bucket_notification_configuration().bucket(bucket).send().await;
        let answer = answer.map_err(|e| CallError::of(format!("read what bucket {bucket} notifies"), e))?;
        Ok(answer.event_bridge_configuration().is_some())
    }

    /// Whether a bucket keeps versions.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn keeps_versions(&self, bucket: &str) -> Result<bool, CallError> {
        let answer = self.client().get_bucket_versioning().bucket(bucket).send().await;
        let answer =
            answer.map_err(|e| CallError::of(format!("read the versioning of bucket {bucket}"), e))?;
        Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
    }
}
