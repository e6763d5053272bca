//! Uploading files to the bucket, as any S3 client would.

use anyhow::Context;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::{
    Client,
    config::Credentials,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_object::PutObjectError,
    primitives::ByteStream,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tidemill_cloud::wire::{OWNER_KEY, REGION, SECRET};
use tidemill_core::{
    adapter::sdk_loader,
    job::JobId,
    object::{Object, Sequencer},
    pipelines::Pipelines,
};

use super::files::Upload;

/// How many files are uploaded at once.
const AT_ONCE: usize = 8;

/// A file that is in the bucket.
pub(crate) struct Uploaded {
    /// The file.
    pub(crate) upload: Upload,
    /// When the PUT was answered.
    pub(crate) at: Timestamp,
    /// The job it becomes; none where no pipeline takes it.
    pub(crate) job: Option<JobId>,
}

/// The SDK's configuration for the local cloud at this endpoint. Nothing of the person's own AWS account is read.
pub(crate) async fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(OWNER_KEY, SECRET, None, None, "local cloud");
    let loader = sdk_loader(endpoint).endpoint_url(endpoint).region(Region::from_static(REGION));
    loader.credentials_provider(credentials).load().await
}

/// Uploads every file, in the order given as far as several at once allow.
pub(crate) async fn all(
    config: &SdkConfig,
    bucket: &str,
    uploads: &[Upload],
    pipelines: &Pipelines,
) -> anyhow::Result<Vec<Uploaded>> {
    let client = Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build());
    let one = |upload: &Upload| one(client.clone(), bucket.to_owned(), upload.clone(), pipelines.clone());
    stream::iter(uploads.iter().map(one)).buffered(AT_ONCE).try_collect().await
}

async fn one(
    client: Client,
    bucket: String,
    upload: Upload,
    pipelines: Pipelines,
) -> anyhow::Result<Uploaded> {
    let failed = || format!("cannot upload {:?}", upload.path);
    let body = ByteStream::from_path(&upload.path).await.with_context(failed)?;
    let put = client.put_object().bucket(&bucket).key(&upload.key).body(body);
    let answer = put.send().await.map_err(said).with_context(failed)?;
    let at = Timestamp::now();
    let pipeline = pipelines.route(&upload.key, Some(upload.bytes));
    let object = Object {
        bucket,
        key: upload.key.clone(),
        version_id: answer.version_id,
        etag: answer.e_tag,
        sequencer: Sequencer::default(),
        size_bytes: Some(upload.bytes),
    };
    let job = pipeline.map(|pipeline| JobId::derive(&pipeline.name, &object));
    Ok(Uploaded { upload, at, job })
}

/// What S3 said, in its words, where it said something.
fn said(error: SdkError<PutObjectError>) -> anyhow::Error {
    let words = error.as_service_error().and_then(|error| error.message()).map(ToOwned::to_owned);
    words.map_or_else(|| error.into(), anyhow::Error::msg)
}
