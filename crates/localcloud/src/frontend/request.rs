//! Reading what a request asks for: its credential scope, its operation, its input.

use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Whose key signed a request, and for which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) service: String,
}

/// The credential scope (`KEY/20261121/us-east-1/s3/aws4_request`) of the header or of a presigned query.
pub(crate) fn scope(parts: &Parts) -> Option<Scope> {
    let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(header) => {
            let fields = header.strip_prefix("AWS4-HMAC-SHA256")?;
            let field = fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))?;
            field.to_owned()
        }
        None => form(parts.uri.query().unwrap_or_default())
            .into_iter()
            .find_map(|(name, value)| (name == "X-Amz-Credential").then_some(value))?,
    };
    let fields: Vec<&str> = credential.split('/').collect();
    // An access key may hold slashes as far as a parser can know; the scope's four fields are the last.
    let [key @ .., _date, _region, service, "aws4_request"] = fields.as_slice() else { return None };
    Some(Scope { access_key: key.join("/"), service: (*service).to_owned() })
}

/// The service a target's prefix (`DynamoDB_20120810`) belongs to, as credential scopes name it.
pub(crate) fn target_service(prefix: &str) -> Option<&'static str> {
    Some(match prefix {
        "DynamoDB_20120810" => "dynamodb",
        "AmazonSQS" => "sqs",
        "AmazonEC2ContainerServiceV20141113" => "ecs",
        "AWSEvents" => "events",
        "Logs_20140328" => "logs",
        _ => return None,
    })
}

/// A form or query string, decoded, in its order.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Which of S3's operations a request is, and its bucket, key and query as a JSON object, for the faults and the
/// policies that go by operation. What it does not know is named by its method.
pub(crate) fn s3_operation(parts: &Parts) -> (String, Value) {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query = form(parts.uri.query().unwrap_or_default());
    let has = |name: &str| query.iter().any(|(member, _)| member == name);
    let copies = parts.headers.contains_key("x-amz-copy-source");
    let name = match (&parts.method, bucket.is_empty(), key.is_empty()) {
        (&Method::GET, true, _) => "ListBuckets",
        (&Method::GET, false, true) if has("versioning") => "GetBucketVersioning",
        (&Method::GET, false, true) if has("location") => "GetBucketLocation",
        (&Method::GET, false, true) if has("versions") => "ListObjectVersions",
        (&Method::GET, false, true) if has("uploads") => "ListMultipartUploads",
        (&Method::GET, false, true) if has("list-type") => "ListObjectsV2",
        (&Method::GET, false, true) => "ListObjects",
        (&Method::HEAD, false, true) => "HeadBucket",
        (&Method::PUT, false, true) if has("versioning") => "PutBucketVersioning",
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
    (name.to_owned(), input.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scope_names_key_and_service() {
        let header = "AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        let expected = Some(Scope { access_key: "AK".into(), service: "sqs".into() });
        assert_eq!(scope(&parts("POST", "/", Some(header))), expected);
        let presigned = "/b/k?X-Amz-Credential=AK%2F20261121%2Fus-east-1%2Fsqs%2Faws4_request";
        assert_eq!(scope(&parts("GET", presigned, None)), expected);
    }

    #[test]
    fn a_malformed_credential_is_no_credential() {
        for header in ["", "Basic x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b/c, Signature=0"] {
            assert_eq!(scope(&parts("GET", "/", Some(header))), None, "{header:?}");
        }
    }

    #[test]
    fn forms_are_decoded() {
        let pairs = form("Action=Publish&Message=a+b%2Bc%0A&Empty=&Bare");
        let texts: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(texts, [("Action", "Publish"), ("Message", "a b+c\n"), ("Empty", ""), ("Bare", "")]);
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
            assert_eq!(s3_operation(&parts(method, uri, None)).0, expected, "{method} {uri}");
        }
        let (_, input) = s3_operation(&parts("GET", "/b/a%20k/x+y?versionId=v", None));
        assert_eq!(input, serde_json::json!({ "Bucket": "b", "Key": "a k/x+y", "versionId": "v" }));
    }
}
