//! S3, whose actions are mostly called otherwise than its operations.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::services::iam::{RequiredAction, text};

/// What an operation needs, from the bucket, key and query of its request.
pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let of_version = input["versionId"].as_str();
    let versioned = |plain: &'static str, of_a_version: &'static str| match of_version {
        Some(version) => object(input, of_a_version).with("s3:VersionId", version),
        None => object(input, plain),
    };
    let required = match operation {
        "ListBuckets" => RequiredAction::new("s3:ListAllMyBuckets", "*"),
        "GetBucketVersioning"
        | "PutBucketVersioning"
        | "GetBucketLocation"
        | "CreateBucket"
        | "DeleteBucket" => bucket(input, &format!("s3:{operation}")),
        "GetBucketNotificationConfiguration" => bucket(input, "s3:GetBucketNotification"),
        "PutBucketNotificationConfiguration" => bucket(input, "s3:PutBucketNotification"),
        "HeadBucket" => bucket(input, "s3:ListBucket"),
        "ListObjects" | "ListObjectsV2" => listing(input, "s3:ListBucket"),
        "ListObjectVersions" => listing(input, "s3:ListBucketVersions"),
        "ListMultipartUploads" => listing(input, "s3:ListBucketMultipartUploads"),
        "GetObject" | "HeadObject" => versioned("s3:GetObject", "s3:GetObjectVersion"),
        "DeleteObject" => versioned("s3:DeleteObject", "s3:DeleteObjectVersion"),
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" | "PostObject" => {
            object(input, "s3:PutObject")
        }
        "CopyObject" | "UploadPartCopy" => {
            return Some(vec![copied(text(input, "CopySource")), object(input, "s3:PutObject")]);
        }
        "AbortMultipartUpload" => object(input, "s3:AbortMultipartUpload"),
        "ListParts" => object(input, "s3:ListMultipartUploadParts"),
        _ => return None,
    };
    Some(vec![required])
}

/// What tells a missing object from one that is kept from the caller: with it, what is missing is answered 404.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
pub(crate) fn to_know_what_is_missing(input: &Value) -> RequiredAction {
    bucket(input, "s3:ListBucket")
}

fn bucket(input: &Value, action: &str) -> RequiredAction {
    RequiredAction::new(action, format!("arn:aws:s3:::{}", text(input, "Bucket")))
}

fn object(input: &Value, action: &str) -> RequiredAction {
    RequiredAction::new(action, format!("arn:aws:s3:::{}/{}", text(input, "Bucket"), text(input, "Key")))
}

fn listing(input: &Value, action: &str) -> RequiredAction {
    let mut required = bucket(input, action);
    for (name, key) in [("prefix", "s3:prefix"), ("delimiter", "s3:delimiter")] {
        if let Some(value) = input[name].as_str() {
            required = required.with(key, value);
        }
    }
    required
}

/// What is copied: `/BUCKET/KEY?versionId=…`, escaped.
fn copied(source: &str) -> RequiredAction {
    let (path, version) = match source.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (source, None),
    };
    let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    RequiredAction::new(action, format!("arn:aws:s3:::{path}"))
}
