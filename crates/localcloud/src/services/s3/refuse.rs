//! S3's refusals, in its own words.

use std::io;

use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode, s3_error};

use super::bucket::Version;

pub(super) fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

pub(super) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub(super) fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed."
    )
}

pub(super) fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// A key whose newest version is a delete marker.
pub(super) fn deleted(marker: &Version) -> S3Error {
    let mut error = no_such_key();
    error.set_headers(marker_headers(marker));
    error
}

/// A delete marker asked for by its id.
pub(super) fn is_marker(marker: &Version) -> S3Error {
    let mut error = s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.");
    let mut headers = marker_headers(marker);
    headers.insert(http::header::ALLOW, HeaderValue::from_static("DELETE"));
    error.set_headers(headers);
    error
}

fn marker_headers(marker: &Version) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(marker.name()) {
        headers.insert("x-amz-version-id", id);
    }
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers
}

/// The bytes cannot be stored or read.
pub(super) fn storage(error: io::Error) -> S3Error {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if full {
        let code = S3ErrorCode::Custom("InsufficientStorage".into());
        let mut api_error = S3Error::with_message(
            code,
            "The disk that holds the local cloud's objects is full; nothing was stored.",
        );
        api_error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
        api_error.set_source(Box::new(error));
        return api_error;
    }
    let text = format!("The local cloud failed to store or read the object: {error}");
    let mut api_error = S3Error::with_message(S3ErrorCode::InternalError, text);
    api_error.set_source(Box::new(error));
    api_error
}
