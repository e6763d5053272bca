//! Listing keys: prefixes, delimiters and pages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{S3, bucket::Bucket, headers::timestamp};
use crate::wire::ACCOUNT;

/// What `encoding-type=url` leaves as it is.
const KEY_ENCODING: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Key(String),
    /// All keys that begin so.
    Group(String),
}

/// A page of the keys that `wanted` accepts: those with `prefix` after `after`, those that share the text up to
/// `delimiter` as one line; and whether more follow.
fn page(
    bucket: &Bucket,
    prefix: &str,
    delimiter: Option<&str>,
    after: &str,
    limit: usize,
    wanted: impl Fn(&str) -> bool,
) -> (Vec<Line>, bool) {
    let mut lines: Vec<Line> = Vec::new();
    let start = if after > prefix { after } else { prefix };
    let keys = bucket.keys.range::<str, _>((std::ops::Bound::Included(start), std::ops::Bound::Unbounded));
    for key in keys.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)) {
        // An earlier page ended with this key, or with the group it belongs to.
        if key.as_str() <= after && !after.is_empty() || !wanted(key) {
            continue;
        }
        let rest = key.get(prefix.len()..).unwrap_or_default();
        let group = delimiter.and_then(|delimiter| {
            let at = rest.find(delimiter)?;
            key.get(..prefix.len() + at + delimiter.len())
        });
        let line = match group {
            Some(group) if group == after => continue,
            Some(group) => Line::Group(group.to_owned()),
            None => Line::Key(key.clone()),
        };
        if lines.last() == Some(&line) {
            continue;
        }
        if lines.len() == limit {
            return (lines, true);
        }
        lines.push(line);
    }
    (lines, false)
}

/// How texts of keys are written in an answer.
#[derive(Debug, Clone, Copy)]
struct Spelling {
    encoded: bool,
}

impl Spelling {
    fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { encoded: false }),
            Some("url") => Ok(Self { encoded: true }),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    fn spell(self, text: &str) -> String {
        if !self.encoded {
            return text.to_owned();
        }
        // A space is written as a plus sign, as in a form. A plus sign itself, and a `%`, are encoded by then.
        utf8_percent_encode(text, KEY_ENCODING).to_string().replace("%20", "+")
    }
}

fn limit(max_keys: Option<i32>) -> S3Result<usize> {
    let max = usize::try_from(max_keys.unwrap_or(1000)).map_err(|_| {
        s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647")
    })?;
    Ok(max.min(1000))
}

fn owner() -> Owner {
    Owner { display_name: None, id: Some(ACCOUNT.to_owned()) }
}

fn some_unless_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl S3 {
    pub(super) async fn list(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let spelling = Spelling::of(input.encoding_type.as_ref())?;
        let limit = limit(input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = some_unless_empty(input.delimiter.clone());
        let after = match &input.continuation_token {
            Some(token) => hex::decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let buckets = self.store.lock();
        let bucket = buckets.bucket(&input.bucket)?;
        let shown = |key: &str| bucket.current(key).is_some();
        let (lines, truncated) = match limit {
            0 => (Vec::new(), false),
            limit => page(bucket, &prefix, delimiter.as_deref(), &after, limit, shown),
        };
        let next = truncated.then(|| match lines.last() {
            Some(Line::Key(text) | Line::Group(text)) => hex::encode(text),
            None => String::new(),
        });
        let (mut contents, mut groups) = (Vec::new(), Vec::new());
        for line in &lines {
            match line {
                Line::Group(prefix) => groups.push(CommonPrefix { prefix: Some(spelling.spell(prefix)) }),
                Line::Key(key) => {
                    let version = bucket.keys.get(key).and_then(|versions| versions.last());
                    let Some((version, object)) =
                        version.and_then(|version| Some((version, version.object.as_ref()?)))
                    else {
                        continue;
                    };
                    contents.push(Object {
                        key: Some(spelling.spell(key)),
                        e_tag: Some(ETag::Strong(object.etag.clone())),
                        last_modified: Some(timestamp(version.modified)),
                        size: i64::try_from(object.size).ok(),
                        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                        owner: input.fetch_owner.unwrap_or_default().then(owner),
                        ..Default::default()
                    });
                }
            }
        }
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(lines.len()).ok(),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(truncated),
            next_continuation_token: next,
            continuation_token: input.continuation_token,
            contents: Some(contents),
            common_prefixes: Some(groups),
            delimiter: delimiter.map(|text| spelling.spell(&text)),
            encoding_type: input.encoding_type,
            prefix: Some(spelling.spell(&prefix)),
            start_after: input.start_after.map(|text| spelling.spell(&text)),
            name: Some(input.bucket),
            ..Default::default()
        }))
    }

    pub(super) async fn list_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = req.input;
        let spelling = Spelling::of(input.encoding_type.as_ref())?;
        let limit = limit(input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = some_unless_empty(input.delimiter.clone());
        let key_marker = input.key_marker.clone().unwrap_or_default();
        let version_marker = some_unless_empty(input.version_id_marker.clone());
        if version_marker.is_some() && key_marker.is_empty() {
            return Err(s3_error!(
                InvalidArgument,
                "A version-id marker cannot be specified without a key marker."
            ));
        }
        let buckets = self.store.lock();
        let bucket = buckets.bucket(&input.bucket)?;
        let mut output = ListObjectVersionsOutput::default();
        let (mut versions, mut markers, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        let mut last: Option<(String, Option<String>)> = None;
        let mut truncated = false;
        let mut full = |last: &Option<(String, Option<String>)>, count: usize| {
            truncated = count >= limit && last.is_some();
            truncated
        };
        // The rest of the key at which the page before ended comes first.
        let resumed = (version_marker.is_some() && limit > 0).then(|| Line::Key(key_marker.clone()));
        let (lines, _) = match limit {
            // Nobody asked for any: that is all, and not a page to go on from.
            0 => (Vec::new(), false),
            // Each line has an entry at least, and one more than asked for tells that more follow.
            _ => page(bucket, &prefix, delimiter.as_deref(), &key_marker, limit + 1, |_| true),
        };
        'lines: for line in resumed.into_iter().chain(lines) {
            match line {
                Line::Group(group) => {
                    if full(&last, versions.len() + markers.len() + groups.len()) {
                        break;
                    }
                    groups.push(CommonPrefix { prefix: Some(spelling.spell(&group)) });
                    last = Some((group, None));
                }
                Line::Key(key) => {
                    let all = bucket.keys.get(&key).map(Vec::as_slice).unwrap_or_default();
                    let newest = all.len().saturating_sub(1);
                    // A version that went since the page before is no place to go on from: better some again
                    // than those behind it never.
                    let marker = version_marker.as_deref().filter(|_| key == key_marker);
                    let mut passed = marker.is_none_or(|name| all.iter().all(|it| it.name() != name));
                    for (index, version) in all.iter().enumerate().rev() {
                        if !passed {
                            passed = Some(version.name()) == marker;
                            continue;
                        }
                        if full(&last, versions.len() + markers.len() + groups.len()) {
                            break 'lines;
                        }
                        last = Some((key.clone(), Some(version.name().to_owned())));
                        match &version.object {
                            Some(object) => versions.push(ObjectVersion {
                                e_tag: Some(ETag::Strong(object.etag.clone())),
                                is_latest: Some(index == newest),
                                key: Some(spelling.spell(&key)),
                                last_modified: Some(timestamp(version.modified)),
                                owner: Some(owner()),
                                size: i64::try_from(object.size).ok(),
                                storage_class: Some(ObjectVersionStorageClass::from_static(
                                    ObjectVersionStorageClass::STANDARD,
                                )),
                                version_id: Some(version.name().to_owned()),
                                ..Default::default()
                            }),
                            None => markers.push(DeleteMarkerEntry {
                                is_latest: Some(index == newest),
                                key: Some(spelling.spell(&key)),
                                last_modified: Some(timestamp(version.modified)),
                                owner: Some(owner()),
                                version_id: Some(version.name().to_owned()),
                            }),
                        }
                    }
                }
            }
        }
        if truncated && let Some((key, version)) = last {
            output.next_key_marker = Some(spelling.spell(&key));
            output.next_version_id_marker = version;
        }
        Ok(S3Response::new(ListObjectVersionsOutput {
            is_truncated: Some(truncated),
            versions: Some(versions),
            delete_markers: Some(markers),
            common_prefixes: Some(groups),
            delimiter: delimiter.map(|text| spelling.spell(&text)),
            encoding_type: input.encoding_type,
            key_marker: Some(spelling.spell(&key_marker)),
            version_id_marker: input.version_id_marker,
            max_keys: i32::try_from(limit).ok(),
            prefix: Some(spelling.spell(&prefix)),
            name: Some(input.bucket),
            ..output
        }))
    }
}
