//! Headers of requests and answers that several operations share.

use std::collections::BTreeMap;

use jiff::Timestamp;
use s3s::{
    S3Request, S3Result,
    dto::{ETagCondition, Metadata},
    s3_error,
};

use crate::wire::RequestId;

/// User metadata may have this many bytes, names and values together.
const MAX_METADATA_BYTES: usize = 2 * 1024;

/// Whether an `If-Match` of this condition holds for an object with `etag`.
pub(super) fn holds(condition: &ETagCondition, etag: &str) -> bool {
    condition.as_etag().is_none_or(|expected| expected.value() == etag)
}

pub(super) fn request_id<T>(req: &S3Request<T>) -> String {
    req.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// The header that names the checksums which follow the body.
pub(super) fn trailer<T>(req: &S3Request<T>) -> Option<String> {
    req.headers.get("x-amz-trailer")?.to_str().ok().map(str::to_owned)
}

pub(super) fn timestamp(at: Timestamp) -> s3s::dto::Timestamp {
    std::time::SystemTime::from(at).into()
}

/// User metadata within S3's limit, in a fixed order.
pub(super) fn metadata(metadata: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = metadata.unwrap_or_default().into_iter().collect();
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size ({MAX_METADATA_BYTES} bytes)"
        ));
    }
    Ok(metadata)
}

/// `aws-chunked` says how the body travelled, not what the object is.
pub(super) fn without_aws_chunked(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let rest: Vec<&str> = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
    (!rest.is_empty()).then(|| rest.join(","))
}
