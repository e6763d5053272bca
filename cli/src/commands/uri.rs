//! Parses the arguments that name an object or a job, in whichever way people have them at hand: the S3 URI, the ARN or the
//! URL of an object, its key; the id of a job, or the beginning of one.

use domain::{job::JobId, object};
use percent_encoding::percent_decode_str;

use crate::output::{WrongUse, one_line};

/// The key of an object, of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectUri {
    /// The bucket's name.
    pub(super) bucket: String,
    /// The key, raw.
    pub(super) key: String,
}

/// An object as an argument names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ObjectName {
    /// With its bucket.
    Uri(ObjectUri),
    /// By its key in the deployment's bucket, with or without the watched prefix.
    Key(String),
}

/// A job as an argument names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobName {
    /// By its id.
    Id(JobId),
    /// By the beginning of its id.
    Beginning(String),
}

/// An object or a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// All versions of this object, or one.
    Object(ObjectName),
    /// This job.
    Job(JobName),
}

/// The shortest beginning of an id that names a job.
const SHORTEST: usize = 6;

impl std::fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&object::uri(&self.bucket, &self.key))
    }
}

/// Parses an object. Nothing in the key of a URI or an ARN is decoded, and everything in that of a URL.
pub(super) fn object(text: &str) -> Result<ObjectName, WrongUse> {
    let of = |parts: Option<(&str, &str)>| match parts {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok(ObjectName::Uri(ObjectUri { bucket: bucket.to_owned(), key: key.to_owned() }))
        }
        _ => Err(WrongUse(format!("{text:?} is not an object; write s3://BUCKET/KEY, or its key"))),
    };
    if let Some(rest) = text.strip_prefix("s3:") {
        return of(rest.strip_prefix("//").and_then(|rest| rest.split_once('/')));
    }
    if let Some(rest) = text.strip_prefix("arn:") {
        return of(rest.split_once(":s3:::").and_then(|(_, rest)| rest.split_once('/')));
    }
    if let Some(url) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        let parts = of_url(url);
        return of(parts.as_ref().map(|(bucket, key)| (bucket.as_str(), key.as_str())));
    }
    match text {
        "" => of(None),
        key => Ok(ObjectName::Key(key.to_owned())),
    }
}

/// The bucket and the key in a URL of S3, of its console, or of another endpoint, which has the bucket in its path.
fn of_url(url: &str) -> Option<(String, String)> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (host, path) = address.split_once('/')?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    if host.ends_with("console.aws.amazon.com") {
        let bucket = path.strip_prefix("s3/object/")?;
        let key = query.split('&').find_map(|pair| pair.strip_prefix("prefix="))?;
        return Some((decoded(bucket)?, decoded(&key.replace('+', " "))?));
    }
    let host = host.split(':').next().unwrap_or_default();
    let before =
        host.strip_suffix(".amazonaws.com").and_then(|host| host.split_once(".s3")).map(|(bucket, _)| bucket);
    match before {
        Some(bucket) => Some((bucket.to_owned(), decoded(path)?)),
        None => {
            let (bucket, key) = path.split_once('/')?;
            Some((decoded(bucket)?, decoded(key)?))
        }
    }
}

/// Parses a job.
pub(super) fn job(text: &str) -> Result<JobName, WrongUse> {
    job_name(text).ok_or_else(|| {
        WrongUse(format!(
            "\"{}\" is not a job id (32 characters of 0-9 and a-f, or its first {SHORTEST} or more); `tidemill jobs` lists the ids",
            one_line(text)
        ))
    })
}

fn job_name(text: &str) -> Option<JobName> {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match JobId::parse(text) {
        Some(id) => Some(JobName::Id(id)),
        None if (SHORTEST..32).contains(&text.len()) && text.chars().all(is_hex) => {
            Some(JobName::Beginning(text.to_owned()))
        }
        None => None,
    }
}

/// Parses an object or a job. What may be the id of a job is one.
pub(super) fn subject(text: &str) -> Result<Subject, WrongUse> {
    match job_name(text) {
        Some(job) => Ok(Subject::Job(job)),
        None => object(text).map(Subject::Object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(bucket: &str, key: &str) -> ObjectName {
        ObjectName::Uri(ObjectUri { bucket: bucket.into(), key: key.into() })
    }

    #[test]
    fn an_object_is_found_in_whatever_names_it() {
        for (text, name) in [
            ("s3://b/uploads/a b+ü.csv", uri("b", "uploads/a b+ü.csv")),
            ("arn:aws:s3:::b/uploads/a%20b.csv", uri("b", "uploads/a%20b.csv")),
            (
                "https://my.bucket.s3.eu-central-1.amazonaws.com/uploads/a%20b.csv?versionId=x",
                uri("my.bucket", "uploads/a b.csv"),
            ),
            ("https://s3.us-east-1.amazonaws.com/b/uploads/a.csv", uri("b", "uploads/a.csv")),
            ("http://127.0.0.1:4566/b/uploads/a+b.csv", uri("b", "uploads/a+b.csv")),
            (
                "https://eu-central-1.console.aws.amazon.com/s3/object/b?region=eu-central-1&prefix=uploads/a+b%2Bc.csv",
                uri("b", "uploads/a b+c.csv"),
            ),
            ("uploads/a.csv", ObjectName::Key("uploads/a.csv".into())),
        ] {
            assert_eq!(object(text), Ok(name), "{text}");
        }
        for wrong in [
            "",
            "s3://b",
            "s3://b/",
            "s3:///k",
            "s3:/b/k",
            "arn:aws:sqs:us-east-1:1:q",
            "https://example.com",
        ] {
            let error = object(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?} is not an object; write s3://BUCKET/KEY")), "{error}");
        }
    }

    #[test]
    fn objects_and_jobs_are_distinguished() {
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(subject(id), Ok(Subject::Job(JobName::Id(JobId::parse(id).unwrap()))));
        assert_eq!(subject("00112a"), Ok(Subject::Job(JobName::Beginning("00112a".into()))));
        for key in ["0011", "00112A", "b/k", "a.csv"] {
            assert_eq!(subject(key), Ok(Subject::Object(ObjectName::Key(key.into()))));
            assert!(job(key).is_err());
        }
    }
}
