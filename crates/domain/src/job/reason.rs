//! Why a job, an attempt or a message came to its end: a typed code, and a sentence.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{bad_input, message::Unusable, verdict::Kind};

/// A named reason, for programs (`code`) and for people (`message`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The code, for programs: a stable word.
    pub code: ReasonCode,
    /// A sentence, for people. It may quote the object.
    pub message: String,
}

impl Reason {
    /// A reason of this code and sentence.
    #[must_use]
    pub fn new(code: impl Into<ReasonCode>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// The code of a reason. It is stored, sent and printed as one `snake_case` word.
///
/// ```
/// use domain::{bad_input, job::ReasonCode, verdict::Kind};
///
/// assert_eq!(ReasonCode::parse("spot_reclaimed"), ReasonCode::Verdict(Kind::SpotReclaimed));
/// assert_eq!(ReasonCode::parse("ragged_row"), ReasonCode::BadInput(bad_input::Reason::RaggedRow));
/// // A word of AWS, or of a newer release, is carried.
/// assert_eq!(ReasonCode::parse("AccessDeniedException").as_str(), "AccessDeniedException");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// A verdict on a task, or a worker's own on its attempt.
    Verdict(Kind),
    /// What is wrong with the object, or with what a command printed for it.
    BadInput(bad_input::Reason),
    /// Why a message cannot be acted on.
    Message(Unusable),
    /// A word that none of the tables has: an error code of AWS, or what another release wrote.
    Other(Box<str>),
}

impl ReasonCode {
    /// The code of this word. Every word reads.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        Kind::parse(word)
            .map(Self::Verdict)
            .or_else(|| bad_input::Reason::parse(word).map(Self::BadInput))
            .or_else(|| Unusable::parse(word).map(Self::Message))
            .unwrap_or_else(|| Self::Other(word.into()))
    }

    /// The word that is stored, sent and printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Verdict(kind) => kind.code(),
            Self::BadInput(reason) => reason.code(),
            Self::Message(unusable) => unusable.code(),
            Self::Other(word) => word,
        }
    }

    /// The verdict it comes under: every fault of an object is bad input.
    #[must_use]
    pub fn verdict(&self) -> Option<Kind> {
        match self {
            Self::Verdict(kind) => Some(*kind),
            Self::BadInput(_) => Some(Kind::BadInput),
            Self::Message(_) | Self::Other(_) => None,
        }
    }

    /// What a person can do about a job that failed for this reason. The command that replays the job follows it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Verdict(kind @ Kind::BadInput) => uploaded(kind.row().advice),
            Self::BadInput(reason) => uploaded(reason.row().advice),
            Self::Verdict(kind) => kind.row().advice.to_owned(),
            Self::Message(unusable) => unusable.row().advice.to_owned(),
            Self::Other(_) => Kind::Unknown.row().advice.to_owned(),
        }
    }
}

/// Advice that ends in a new upload, with what follows from it.
pub(super) fn uploaded(advice: &str) -> String {
    format!(
        "{advice} The new version is processed automatically. If only the pipelines file has changed, replay this job instead."
    )
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<Kind> for ReasonCode {
    fn eq(&self, kind: &Kind) -> bool {
        matches!(self, Self::Verdict(own) if own == kind)
    }
}

impl FromStr for ReasonCode {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(word))
    }
}

impl From<Kind> for ReasonCode {
    fn from(kind: Kind) -> Self {
        Self::Verdict(kind)
    }
}

impl From<bad_input::Reason> for ReasonCode {
    fn from(reason: bad_input::Reason) -> Self {
        Self::BadInput(reason)
    }
}

impl From<Unusable> for ReasonCode {
    fn from(unusable: Unusable) -> Self {
        Self::Message(unusable)
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ReasonCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::parse(&word))
    }
}

#[cfg(test)]
mod tests;
