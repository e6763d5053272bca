//! An object: one version of one S3 key, and the order of a key's versions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One version of one S3 key, as its event describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The bucket's name.
    pub bucket: String,
    /// The key, raw: never URL-encoded.
    pub key: String,
    /// The version id, where the bucket has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The entity tag without its quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Orders the versions of this key.
    #[serde(default)]
    pub sequencer: Sequencer,
    /// The size in bytes, as its event has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

impl Object {
    /// `s3://bucket/key`, the key raw.
    #[must_use]
    pub fn uri(&self) -> String {
        uri(&self.bucket, &self.key)
    }
}

/// `s3://bucket/key`, the key raw.
#[must_use]
pub fn uri(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// The key of the object with the rejected rows of a job, under `prefix`, which no rule watches. A key has at most 1,024 bytes
/// and must end with the job's id, so a long object key is cut.
#[must_use]
pub fn rejects_key(prefix: &str, key: &str, job: &str) -> String {
    let kept = key.floor_char_boundary(1_024_usize.saturating_sub(prefix.len() + 40));
    format!("{prefix}{}/{job}.jsonl", &key[..kept])
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)?;
        self.version_id.as_ref().map_or(Ok(()), |id| write!(f, "?versionId={id}"))
    }
}

/// Orders the events of one key. Sequencers of different keys cannot be compared.
///
/// S3's sequencers are hexadecimal texts of varying length: the shorter one is padded with zeros on its right,
/// then they compare as text. Stored padded, so that DynamoDB's conditions compare them alike. An event without
/// one comes before all.
///
/// ```
/// use domain::object::Sequencer;
///
/// let sequencer = |text: &str| Sequencer::from(text.to_owned());
/// assert!(sequencer("0055AED6DCD90281E5") < sequencer("0055AED6DCD90281E6"));
/// // The shorter text is padded on its right: these are fractions, not integers.
/// assert!(sequencer("9") > sequencer("10"));
/// assert_eq!(sequencer("0055AED6"), sequencer("0055AED600"));
/// // An event without a sequencer comes before all others.
/// assert!(Sequencer::default() < sequencer("01"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Sequencer(String);

/// Longer than any sequencer seen (S3's have 16 to 18 digits; 64 leaves room).
const SEQUENCER_LEN: usize = 64;

/// The last digits, which [`Sequencer::after`] counts in.
const OUR_DIGITS: usize = 8;

impl From<String> for Sequencer {
    fn from(raw: String) -> Self {
        Self(format!("{:0<SEQUENCER_LEN$}", raw.to_ascii_uppercase()))
    }
}

impl Default for Sequencer {
    fn default() -> Self {
        Self::from(String::new())
    }
}

impl From<Sequencer> for String {
    fn from(padded: Sequencer) -> Self {
        padded.0
    }
}

impl Sequencer {
    /// The place `steps` (at least 1) after this one, before every later place that S3 gives: S3's own sequencers
    /// leave the last digits zero. For versions whose event, and so whose sequencer, was lost.
    #[must_use]
    pub fn after(&self, steps: u32) -> Self {
        let (given, ours) = self.0.split_at_checked(SEQUENCER_LEN - OUR_DIGITS).unwrap_or((&self.0, ""));
        let before = u32::from_str_radix(ours, 16).unwrap_or_default();
        Self(format!("{given}{:0OUR_DIGITS$X}", before.saturating_add(steps.max(1))))
    }

    /// The padded text, as it is stored and compared.
    #[must_use]
    pub fn padded(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Sequencer, rejects_key};

    #[test]
    fn the_key_of_rejected_rows_is_no_longer_than_s3_allows() {
        let job = "0".repeat(32);
        assert_eq!(
            rejects_key("rejects/", "uploads/a.csv", &job),
            format!("rejects/uploads/a.csv/{job}.jsonl")
        );
        let cut = rejects_key("rejects/", &"ü".repeat(512), &job);
        assert!((1_020..=1_024).contains(&cut.len()) && cut.ends_with(&format!("ü/{job}.jsonl")), "{cut}");
    }

    #[test]
    fn sequencers_are_padded_on_the_right_and_compared_as_text() {
        let earlier = Sequencer::from("0055AED6DCD90281E5".to_owned());
        let later = Sequencer::from("0055AED6DCD90281E6".to_owned());
        let shorter = Sequencer::from("0055AED6DCD90281".to_owned());
        assert!(shorter < earlier && earlier < later);
        assert_eq!(shorter, Sequencer::from("0055AED6DCD9028100".to_owned()), "trailing zeros are padding");
        assert!(Sequencer::from("9".to_owned()) > Sequencer::from("10".to_owned()), "never as integers");
        assert!(Sequencer::default() < shorter);
    }

    #[test]
    fn a_place_after_another_is_before_all_that_s3_gives_later() {
        let given = Sequencer::from("0055AED6DCD90281E5".to_owned());
        let later = Sequencer::from("0055AED6DCD90281E6".to_owned());
        assert!(given < given.after(1) && given.after(1) < given.after(2) && given.after(2) < later);
        assert!(given.after(1).after(1) == given.after(2));
        assert!(Sequencer::default().after(9) < given);
        assert_eq!(String::from(given.after(1)).len(), 64);
    }
}
