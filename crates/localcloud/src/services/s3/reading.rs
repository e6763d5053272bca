//! Reading objects.

use std::ops::Range;

use s3s::{S3Error, S3Request, S3Response, S3Result, dto, dto::*, s3_error};

use super::{
    S3,
    bucket::{Bucket, Checksums, Object, Version},
    headers::{holds, timestamp},
    members::with_checksums,
    refuse,
};

/// A version id as requests name it: none of them the bucket's `null`.
pub(super) fn check_version_id(id: Option<&str>) -> S3Result<Option<&str>> {
    match id {
        None | Some("null") => Ok(None),
        Some(id)
            if id.len() == 32
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) =>
        {
            Ok(Some(id))
        }
        Some(_) => Err(s3_error!(InvalidArgument, "Invalid version id specified")),
    }
}

/// The version that a read gets.
pub(super) fn find<'b>(bucket: &'b Bucket, key: &str, version_id: Option<&str>) -> S3Result<&'b Version> {
    let versions = bucket.keys.get(key).map(Vec::as_slice).unwrap_or_default();
    match version_id {
        None => match versions.last() {
            None => Err(refuse::no_such_key()),
            Some(marker) if marker.object.is_none() => Err(refuse::deleted(marker)),
            Some(version) => Ok(version),
        },
        Some(name) => {
            let id = check_version_id(Some(name))?;
            match versions.iter().find(|version| version.id.as_deref() == id) {
                None => Err(s3_error!(NoSuchVersion, "The specified version does not exist.")),
                Some(marker) if marker.object.is_none() => Err(refuse::is_marker(marker)),
                Some(version) => Ok(version),
            }
        }
    }
}

/// What a read asks, the same for GET and HEAD.
struct Question<'a> {
    if_match: Option<&'a ETagCondition>,
    if_none_match: Option<&'a ETagCondition>,
    if_modified_since: Option<&'a dto::Timestamp>,
    if_unmodified_since: Option<&'a dto::Timestamp>,
    range: Option<&'a dto::Range>,
    wants_checksums: bool,
}

/// The question of a `GetObjectInput` or a `HeadObjectInput`.
macro_rules! question {
    ($input:ident) => {
        Question {
            if_match: $input.if_match.as_ref(),
            if_none_match: $input.if_none_match.as_ref(),
            if_modified_since: $input.if_modified_since.as_ref(),
            if_unmodified_since: $input.if_unmodified_since.as_ref(),
            range: $input.range.as_ref(),
            wants_checksums: $input.checksum_mode.is_some(),
        }
    };
}

/// What it gets.
struct Answer {
    range: Range<u64>,
    content_range: Option<String>,
    checksums: Checksums,
}

/// A `GetObjectOutput` or `HeadObjectOutput` with all that both say of a version.
macro_rules! described {
    ($output:ident, $version:expr, $object:expr, $answer:expr) => {{
        let (version, object, answer): (Version, Object, Answer) = ($version, $object, $answer);
        let headers = object.headers;
        $output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: headers.cache_control,
            checksum_type: answer.checksums.kind(),
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_length: i64::try_from(answer.range.end - answer.range.start).ok(),
            content_range: answer.content_range,
            content_type: Some(headers.content_type.unwrap_or_else(|| "binary/octet-stream".to_owned())),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(timestamp(version.modified)),
            metadata: Some(headers.metadata.into_iter().collect()),
            version_id: version.id,
            ..with_checksums!($output, answer.checksums)
        }
    }};
}

impl Question<'_> {
    fn ask(&self, version: &Version, object: &Object) -> S3Result<Answer> {
        self.check_conditions(version, object)?;
        let range = match self.range {
            None => 0..object.size,
            Some(range) => range.check(object.size).map_err(|_| {
                let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
                let mut headers = http::HeaderMap::new();
                headers.extend([(
                    http::header::CONTENT_TYPE,
                    http::HeaderValue::from_static("application/xml"),
                )]);
                if let Ok(value) = http::HeaderValue::try_from(format!("bytes */{}", object.size)) {
                    headers.insert(http::header::CONTENT_RANGE, value);
                }
                error.set_headers(headers);
                error
            })?,
        };
        let content_range = self
            .range
            .map(|_| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), object.size));
        // They are over the whole object: with a part of it they would only mislead.
        let whole = range == (0..object.size);
        let checksums =
            if self.wants_checksums && whole { object.checksums.clone() } else { Checksums::default() };
        Ok(Answer { range, content_range, checksums })
    }

    /// In the order of RFC 9110, 13.2.2: an ETag's condition outranks a date's.
    fn check_conditions(&self, version: &Version, object: &Object) -> S3Result<()> {
        // HTTP dates have whole seconds.
        let second = jiff::Timestamp::from_second(version.modified.as_second()).unwrap_or_default();
        let modified = &timestamp(second);
        match (self.if_match, self.if_unmodified_since) {
            (Some(condition), _) if !holds(condition, &object.etag) => {
                return Err(refuse::precondition_failed());
            }
            (None, Some(since)) if modified > since => return Err(refuse::precondition_failed()),
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(condition), _) if holds(condition, &object.etag) => Err(not_modified(object)),
            (None, Some(since)) if modified <= since => Err(not_modified(object)),
            _ => Ok(()),
        }
    }
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = s3_error!(NotModified, "Not Modified");
    let mut headers = http::HeaderMap::new();
    if let Ok(etag) = http::HeaderValue::try_from(format!("\"{}\"", object.etag)) {
        headers.insert(http::header::ETAG, etag);
    }
    error.set_headers(headers);
    error
}

impl S3 {
    fn look_up(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<(Version, Object)> {
        let buckets = self.store.lock();
        let version = find(buckets.bucket(bucket)?, key, version_id)?.clone();
        let object = version.object.clone().ok_or_else(refuse::no_such_key)?;
        Ok((version, object))
    }

    pub(super) async fn get(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let (version, object) = self.look_up(&input.bucket, &input.key, input.version_id.as_deref())?;
        let answer = question!(input).ask(&version, &object)?;
        let body = StreamingBlob::wrap(futures::stream::iter(object.content.read(answer.range.clone())));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            ..described!(GetObjectOutput, version, object, answer)
        }))
    }

    pub(super) async fn head(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let (version, object) = self.look_up(&input.bucket, &input.key, input.version_id.as_deref())?;
        let answer = question!(input).ask(&version, &object)?;
        Ok(S3Response::new(described!(HeadObjectOutput, version, object, answer)))
    }
}
