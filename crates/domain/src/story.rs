//! What happened to a job beside the attempts that its history holds, for the person who asks later.
//!
//! The ordinary way of a job is told by its own fields, so that it costs no write: recorded, claimed, settled, told.
//! A [`Note`] is written where something else happened: a duplicate event, a launch that was put off, a replay.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many notes a job keeps. Its item stays small, and whoever has read so many knows the rest.
pub const MOST_NOTES: usize = 60;

/// What a [`Note`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Its event came again.
    Duplicate,
    /// A task was launched for it.
    Launched,
    /// Its launch found no room and waits.
    PutOff,
    /// Its launch waits until somebody has mended the configuration.
    Parked,
    /// It was given to the pooled workers.
    Pooled,
    /// The sweep brought it back.
    Relaunched,
    /// A person had it run again.
    Replayed,
    /// A person stopped it.
    Cancelled,
    /// Something that a newer version of this program writes.
    #[serde(other)]
    Other,
}

impl What {
    /// The word that is stored and printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Launched => "launched",
            Self::PutOff => "put_off",
            Self::Parked => "parked",
            Self::Pooled => "pooled",
            Self::Relaunched => "relaunched",
            Self::Replayed => "replayed",
            Self::Cancelled => "cancelled",
            Self::Other => "other",
        }
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// In words, which may hold what others say: to be escaped where it is shown.
    pub words: String,
}

impl Note {
    /// A note of what happened now.
    #[must_use]
    pub fn new(at: Timestamp, what: What, words: impl Into<String>) -> Self {
        Self { at, what, words: words.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_and_one_of_a_newer_kind_keeps_its_words() {
        let note = Note::new(Timestamp::UNIX_EPOCH, What::PutOff, "throttled");
        let text = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), note);
        let newer = text.replace("put_off", "teleported");
        let read: Note = serde_json::from_str(&newer).unwrap();
        assert_eq!((read.what, read.words.as_str()), (What::Other, "throttled"));
    }
}
