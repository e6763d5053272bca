//! Parses the arguments that name an object or a job.

use domain::{job::JobId, object};

/// The key of an object, of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectUri {
    /// The bucket's name.
    pub(super) bucket: String,
    /// The key, raw.
    pub(super) key: String,
}

/// Why an argument names no object and no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UriError {
    /// Not an object.
    #[error("{0:?} is not the S3 URI of an object; write s3://BUCKET/KEY")]
    Object(String),
    /// Not a job.
    #[error("{0:?} is not a job id (32 characters of 0-9 and a-f); `tidemill jobs` lists the ids")]
    Job(String),
    /// Neither.
    #[error("{0:?} is neither an object (s3://BUCKET/KEY) nor a job id (32 characters of 0-9 and a-f)")]
    Either(String),
}

/// An object or a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// All versions of this object, or one.
    Object(ObjectUri),
    /// This job.
    Job(JobId),
}

impl ObjectUri {
    /// Parses `s3://bucket/key`; nothing in the key is decoded.
    pub(super) fn parse(text: &str) -> Result<Self, UriError> {
        let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        match parts {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
            }
            _ => Err(UriError::Object(text.to_owned())),
        }
    }
}

impl std::fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&object::uri(&self.bucket, &self.key))
    }
}

/// Parses the id of a job.
pub(super) fn job(text: &str) -> Result<JobId, UriError> {
    JobId::parse(text).ok_or_else(|| UriError::Job(text.to_owned()))
}

/// Parses an object or the id of a job.
pub(super) fn subject(text: &str) -> Result<Subject, UriError> {
    match (JobId::parse(text), text.starts_with("s3:")) {
        (Some(job), _) => Ok(Subject::Job(job)),
        (None, true) => ObjectUri::parse(text).map(Subject::Object),
        (None, false) => Err(UriError::Either(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_jobs_are_distinguished() {
        let uri = ObjectUri { bucket: "b".into(), key: "uploads/a b+ü.csv".into() };
        assert_eq!(subject("s3://b/uploads/a b+ü.csv"), Ok(Subject::Object(uri)));
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(subject(id), Ok(Subject::Job(job(id).unwrap())));
        for wrong in ["s3://b", "s3://b/", "s3:///k", "s3:/b/k"] {
            assert_eq!(subject(wrong), Err(UriError::Object(wrong.into())));
        }
        for wrong in ["", "b/k", "0011"] {
            assert_eq!(subject(wrong), Err(UriError::Either(wrong.into())));
            assert!(job(wrong).is_err());
        }
    }
}
