//! What a person reads when something stops: whole runs as real processes, kept as transcripts.
//!
//! Each scenario has a cloud of its own, whose functions and workers are processes, and in the end is asked what
//! happened: by `tidemill explain` and by the mails that went out. `UPDATE_GOLDEN=1` writes the transcripts anew.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod harness;
mod plain;
mod scenarios;

pub(crate) use harness::compare;
pub(crate) use plain::plain;
pub(crate) use scenarios::play;
