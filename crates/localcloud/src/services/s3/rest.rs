//! S3's calls: REST with XML, which the crate `s3s` speaks. Here is which operation a call is, and who may learn that an
//! object is missing.

use http::{Method, Response, StatusCode, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{ACCESS_DENIED, S3, required_actions};
use crate::{
    rest::{RestCall, form},
    services::iam::{Iam, Who},
    wire::{ApiError, Body},
};

/// Which of S3's operations a request is, and its bucket, key and query as a JSON object, for the faults and the
/// policies that go by operation. What it does not know is named by its method.
pub(crate) fn operation(parts: &Parts) -> Result<(String, Value), ApiError> {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query = form(parts.uri.query().unwrap_or_default());
    let has = |name: &str| query.iter().any(|(member, _)| member == name);
    let copies = parts.headers.contains_key("x-amz-copy-source");
    let name = match (&parts.method, bucket.is_empty(), key.is_empty()) {
        (&Method::GET, true, _) => "ListBuckets",
        (&Method::GET, false, true) if has("versioning") => "GetBucketVersioning",
        (&Method::GET, false, true) if has("notification") => "GetBucketNotificationConfiguration",
        (&Method::GET, false, true) if has("location") => "GetBucketLocation",
        (&Method::GET, false, true) if has("versions") => "ListObjectVersions",
        (&Method::GET, false, true) if has("uploads") => "ListMultipartUploads",
        (&Method::GET, false, true) if has("list-type") => "ListObjectsV2",
        (&Method::GET, false, true) => "ListObjects",
        (&Method::HEAD, false, true) => "HeadBucket",
        (&Method::PUT, false, true) if has("versioning") => "PutBucketVersioning",
        (&Method::PUT, false, true) if has("notification") => "PutBucketNotificationConfiguration",
        (&Method::PUT, false, true) => "CreateBucket",
        (&Method::DELETE, false, true) => "DeleteBucket",
        (&Method::POST, false, true) if has("delete") => "DeleteObjects",
        (&Method::POST, false, true) => "PostObject",
        (&Method::GET, false, false) if has("uploadId") => "ListParts",
        (&Method::GET, false, false) => "GetObject",
        (&Method::HEAD, false, false) => "HeadObject",
        (&Method::PUT, false, false) if has("uploadId") && copies => "UploadPartCopy",
        (&Method::PUT, false, false) if has("uploadId") => "UploadPart",
        (&Method::PUT, false, false) if copies => "CopyObject",
        (&Method::PUT, false, false) => "PutObject",
        (&Method::POST, false, false) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, false, false) if has("uploadId") => "CompleteMultipartUpload",
        (&Method::DELETE, false, false) if has("uploadId") => "AbortMultipartUpload",
        (&Method::DELETE, false, false) => "DeleteObject",
        (method, ..) => method.as_str(),
    };
    let mut input: Map<String, Value> = query.into_iter().map(|(name, value)| (name, value.into())).collect();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if let Some(source) = parts.headers.get("x-amz-copy-source").and_then(|value| value.to_str().ok()) {
        input.insert("CopySource".to_owned(), source.into());
    }
    input.insert("Bucket".to_owned(), decoded(bucket).into());
    input.insert("Key".to_owned(), decoded(key).into());
    Ok((name.to_owned(), input.into()))
}

/// Answers a call. To a caller who may not list the bucket, an object that is missing is denied.
///
/// # Errors
/// What the frontend writes with [`error`].
pub(crate) async fn serve(s3: &S3, iam: &Iam, call: RestCall<'_>) -> Result<Response<Body>, ApiError> {
    let response = s3.service(call.credentials.clone()).call(call.request).await.map_err(|error| {
        let cause = s3s::StdError::from(error);
        tracing::error!(error = %cause, operation = call.operation, "failed to answer an S3 call");
        ApiError::client("InternalError", "We encountered an internal error.").with_status(500)
    })?;
    if response.status() == StatusCode::NOT_FOUND
        && matches!(call.operation, "GetObject" | "HeadObject")
        && let Some(caller) = call.caller
    {
        let required = required_actions::to_know_what_is_missing(call.input);
        let allowed = iam.authorize(&Who::from(caller), &[required]);
        allowed.map_err(|refused| refused.api_error(ACCESS_DENIED))?;
    }
    Ok(response)
}

/// Writes an error.
pub(crate) fn error(api_error: &ApiError) -> Response<Body> {
    let code = api_error.code.parse().unwrap_or(s3s::S3ErrorCode::InternalError);
    let mut error = s3s::S3Error::with_message(code, api_error.message.clone());
    error
        .set_status_code(StatusCode::from_u16(api_error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, uri: &str) -> Parts {
        http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn s3_operations_are_told_by_method_path_and_query() {
        for (method, uri, expected) in [
            ("GET", "/", "ListBuckets"),
            ("GET", "/b?list-type=2", "ListObjectsV2"),
            ("PUT", "/b/", "CreateBucket"),
            ("GET", "/b/a%20k/x", "GetObject"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            ("POST", "/b?delete", "DeleteObjects"),
        ] {
            assert_eq!(operation(&parts(method, uri)).unwrap().0, expected, "{method} {uri}");
        }
        let (_, input) = operation(&parts("GET", "/b/a%20k/x+y?versionId=v")).unwrap();
        assert_eq!(input, serde_json::json!({ "Bucket": "b", "Key": "a k/x+y", "versionId": "v" }));
    }
}
