//! Uploading files to the bucket, as any S3 client would.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use aws::sdk_loader;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::{
    Client,
    config::Credentials,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        head_object::HeadObjectError,
        put_object::{PutObjectError, PutObjectOutput},
    },
    primitives::ByteStream,
};
use domain::{
    job::JobId,
    object::{Object, Sequencer},
    pipelines::Pipelines,
};
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use localcloud::wire::{OWNER_KEY, REGION, SECRET};

use crate::files::Upload;

/// How many files are uploaded at once.
const AT_ONCE: usize = 8;

/// A file that was uploaded.
pub(crate) struct Uploaded {
    /// When the PUT was answered.
    pub(crate) at: Timestamp,
    /// The id of its job; none when no pipeline matches it.
    pub(crate) job: Option<JobId>,
}

/// The SDK's configuration for the local cloud at this endpoint. Reads nothing of the user's own AWS configuration.
pub(crate) async fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(OWNER_KEY, SECRET, None, None, "local cloud");
    let loader = sdk_loader(endpoint).endpoint_url(endpoint).region(Region::from_static(REGION));
    loader.credentials_provider(credentials).load().await
}

/// Uploads every file, several at once, and yields them in the order given: those that were uploaded, and why the others
/// were not.
pub(crate) fn all<'u>(
    config: &SdkConfig,
    bucket: &'u str,
    uploads: &'u [Upload],
    pipelines: &'u Pipelines,
) -> impl Stream<Item = anyhow::Result<Uploaded>> {
    let client = client(config);
    let one = move |upload: &'u Upload| one(client.clone(), bucket, upload, pipelines);
    stream::iter(uploads.iter().map(one)).buffered(AT_ONCE)
}

/// A client of the local cloud's S3.
pub(crate) fn client(config: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

async fn one(
    client: Client,
    bucket: &str,
    upload: &Upload,
    pipelines: &Pipelines,
) -> anyhow::Result<Uploaded> {
    let answer = put(&client, bucket, upload, None).await?;
    let at = Timestamp::now();
    let pipeline = pipelines.route(&upload.key, Some(upload.bytes));
    let object = Object {
        bucket: bucket.to_owned(),
        key: upload.key.clone(),
        version_id: answer.version_id,
        etag: answer.e_tag,
        sequencer: Sequencer::default(),
        size_bytes: Some(upload.bytes),
    };
    let job = pipeline.map(|pipeline| JobId::derive(&pipeline.name, &object));
    Ok(Uploaded { at, job })
}

/// Uploads a file. Its time of change, if given, becomes metadata of the object, for [`is_there`].
pub(crate) async fn put(
    client: &Client,
    bucket: &str,
    upload: &Upload,
    modified: Option<SystemTime>,
) -> anyhow::Result<PutObjectOutput> {
    let failed = || format!("cannot upload {:?}", upload.path);
    let body = ByteStream::from_path(&upload.path).await.with_context(failed)?;
    let mut put = client.put_object().bucket(bucket).key(&upload.key).body(body);
    if let Some(modified) = modified {
        put = put.metadata(MODIFIED, nanoseconds(modified));
    }
    put.send().await.map_err(message_of).with_context(failed)
}

/// Whether the newest version of a key is this file: it has the same size and the same time of change. An object that
/// another client uploaded has no such time; then it must not be older than the file.
pub(crate) async fn is_there(
    client: &Client,
    bucket: &str,
    upload: &Upload,
    modified: SystemTime,
) -> anyhow::Result<bool> {
    let answer = client.head_object().bucket(bucket).key(&upload.key).send().await;
    let head = match answer {
        Ok(head) => head,
        Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {
            return Ok(false);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot look for {:?}", upload.key)),
    };
    if head.content_length().and_then(|bytes| u64::try_from(bytes).ok()) != Some(upload.bytes) {
        return Ok(false);
    }
    Ok(match head.metadata().and_then(|all| all.get(MODIFIED)) {
        Some(stored) => *stored == nanoseconds(modified),
        None => head.last_modified().is_some_and(|at| at.as_nanos() >= since_epoch(modified)),
    })
}

/// The metadata that says when an uploaded file was changed, in nanoseconds since 1970.
const MODIFIED: &str = "tidemill-modified";

fn nanoseconds(at: SystemTime) -> String {
    since_epoch(at).to_string()
}

/// Times before 1970 count as 1970.
fn since_epoch(at: SystemTime) -> i128 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

/// S3's own message where there is one; otherwise the SDK's error.
fn message_of(error: SdkError<PutObjectError>) -> anyhow::Error {
    let message = error.as_service_error().and_then(|error| error.message()).map(ToOwned::to_owned);
    message.map_or_else(|| error.into(), anyhow::Error::msg)
}
