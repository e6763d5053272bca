//! The operations that this S3 has. What is not here, [`s3s`] answers with `NotImplemented`.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{S3, bucket::Versioning, headers::timestamp, journal::Change, refuse};
use crate::wire::{ACCOUNT, REGION};

impl S3 {
    async fn make_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = req.input.bucket;
        let mut buckets = self.store.lock();
        // In us-east-1, and there only, a repeat by the owner is a success.
        if !buckets.named.contains_key(&name) {
            let change = Change::Bucket {
                name: name.clone(),
                created: self.clock.now(),
                versioning: Versioning::Off,
                eventbridge: false,
                destinations: Vec::new(),
            };
            buckets.commit(change).map_err(refuse::storage)?;
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{name}")) }))
    }

    fn set_versioning(&self, bucket: &str, status: &str) -> S3Result<()> {
        let versioning = match status {
            BucketVersioningStatus::ENABLED => Versioning::Enabled,
            BucketVersioningStatus::SUSPENDED => Versioning::Suspended,
            _ => return Err(s3_error!(MalformedXML, "The versioning status must be Enabled or Suspended.")),
        };
        let mut buckets = self.store.lock();
        let found = buckets.bucket(bucket)?;
        let change = Change::Bucket {
            name: bucket.to_owned(),
            created: found.created,
            versioning,
            eventbridge: found.eventbridge,
            destinations: found.destinations.clone(),
        };
        buckets.commit(change).map_err(refuse::storage)
    }
}

#[async_trait::async_trait]
impl s3s::S3 for S3 {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.make_bucket(req).await
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let name = req.input.bucket;
        let mut buckets = self.store.lock();
        if !buckets.bucket(&name)?.keys.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        buckets.commit(Change::Drop { name }).map_err(refuse::storage)?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.store.lock().bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() }))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.store.lock();
        let listed = buckets.named.iter().map(|(name, bucket)| s3s::dto::Bucket {
            bucket_region: None,
            creation_date: Some(timestamp(bucket.created)),
            name: Some(name.clone()),
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(listed.collect()),
            owner: Some(Owner { display_name: None, id: Some(ACCOUNT.to_owned()) }),
            ..Default::default()
        }))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.store.lock().bucket(&req.input.bucket)?;
        // us-east-1 is said by saying nothing.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let versioning = self.store.lock().bucket(&req.input.bucket)?.versioning;
        let status = match versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        let status = status.map(BucketVersioningStatus::from_static);
        Ok(S3Response::new(GetBucketVersioningOutput { mfa_delete: None, status }))
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let status = req.input.versioning_configuration.status;
        let status = status.as_ref().map(BucketVersioningStatus::as_str).unwrap_or_default();
        self.set_versioning(&req.input.bucket, status)?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn get_bucket_notification_configuration(
        &self,
        req: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        self.notifications(&req.input.bucket)
    }

    async fn put_bucket_notification_configuration(
        &self,
        req: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        self.set_notifications(req)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.put(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.get(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.head(req).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(req).await
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.delete(req).await
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.delete_many(req).await
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.list(req).await
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        self.list_versions(req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begin_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.put_part(req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_upload(req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort_upload(req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(req).await
    }
}
