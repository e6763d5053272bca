//! What happened to a job beside the attempts that its history holds, for the person who asks later.
//!
//! The ordinary course of a job is in its own fields and costs no extra write: recorded, claimed, settled, notified.
//! An [`AuditEntry`] is written where something else happened: a duplicate event, a deferred launch, a replay.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many entries a job keeps, so that its item stays small. Later ones are dropped.
pub const MAX_AUDIT_ENTRIES: usize = 60;

/// AuditKind an [`AuditEntry`] records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// Its event came again.
    Duplicate,
    /// A task was launched for it.
    Launched,
    /// Its launch found no room and waits.
    Deferred,
    /// Its launch is paused until the configuration is fixed.
    Paused,
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

impl AuditKind {
    /// The word that is stored and printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Launched => "launched",
            Self::Deferred => "deferred",
            Self::Paused => "paused",
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
pub struct AuditEntry {
    /// When it happened.
    pub at: Timestamp,
    /// AuditKind kind of event it was.
    pub kind: AuditKind,
    /// In words, which may hold what others say: to be escaped where it is shown.
    pub words: String,
}

impl AuditEntry {
    /// An entry of kind happened at this time.
    #[must_use]
    pub fn new(at: Timestamp, kind: AuditKind, words: impl Into<String>) -> Self {
        Self { at, kind, words: words.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_and_one_of_a_newer_kind_keeps_its_words() {
        let note = AuditEntry::new(Timestamp::UNIX_EPOCH, AuditKind::Deferred, "throttled");
        let text = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<AuditEntry>(&text).unwrap(), note);
        let newer = text.replace("deferred", "teleported");
        let read: AuditEntry = serde_json::from_str(&newer).unwrap();
        assert_eq!((read.kind, read.words.as_str()), (AuditKind::Other, "throttled"));
    }
}
