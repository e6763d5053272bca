//! What a job has in some states only: a claim while it runs, a reason once it has failed.
//!
//! What is of every job, or survives from one state to the next, is in [`Job`](super::Job) itself.

use jiff::Timestamp;

use super::{reason::Reason, state::State};
use crate::destination::TableCounts;
use crate::drift::Drifts;
use crate::reject_counts::RejectCounts;

/// Where a job is, with what only a job there has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// No worker has it: its next launch is due, or a task is starting.
    Waiting(Waiting),
    /// A worker holds its claim.
    Running(Running),
    /// All its records were published.
    Done(Done),
    /// It has failed for good, with a reason.
    Failed(Failed),
    /// A newer version of its key was visible first.
    Superseded(Dropped),
    /// Its object was deleted before its records were published.
    SourceDeleted(Dropped),
}

/// A job that waits for its present attempt to begin, or for the end of it to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Why its worker has just returned it, or how its last attempt ended. None of a job that was recorded or replayed and
    /// not tried since.
    pub reason: Option<Reason>,
    /// Until when its launch is deferred: a message arrives for it then.
    pub deferred_until: Option<Timestamp>,
    /// Its claims since it was recorded or last replayed, if there were any.
    pub claimed: Option<Claimed>,
}

/// A job that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its claims: the last one is the one that holds.
    pub claimed: Claimed,
    /// Until when the claim holds if it is not renewed.
    pub lease_until: Timestamp,
    /// Rows written so far, as of the last renewal.
    pub records: u64,
    /// How far the pipeline's command says it is.
    pub progress: Option<String>,
}

/// A job whose records were published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// When they became visible.
    pub settled_at: Timestamp,
    /// Its claims: the last one published.
    pub claimed: Claimed,
    /// The records published, and the rows left out.
    pub progress: Progress,
    /// Write request units that its records took, estimated from their sizes.
    pub write_units: u64,
    /// That its records are not visible any more.
    pub replaced: Option<Replaced>,
}

/// That a job's records are not visible any more: a newer version's took their place, or their object was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// When the newer version was published, or the deletion processed.
    pub at: Timestamp,
    /// Whether it was the deletion.
    pub by_deletion: bool,
    /// Until when, at the latest, the sweep deletes the rows, which nobody can see any more.
    pub collecting_until: Option<Timestamp>,
}

/// A job that has failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// When.
    pub settled_at: Timestamp,
    /// Why it failed: the reason that the failure mail has.
    pub reason: Reason,
    /// Its claims since it was recorded or last replayed; none if no attempt came so far.
    pub claimed: Option<Claimed>,
    /// How far its last worker came.
    pub progress: Progress,
    /// Whether the failure was mailed.
    pub notification: Notification,
    /// Until when, at the latest, the sweep deletes rows that nobody can see: it may not be replayed before.
    pub collecting_until: Option<Timestamp>,
}

/// Whether the failure of a job was mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// The mail was not sent yet.
    Due,
    /// λ stops has the telling to itself, or died over it.
    Leased {
        /// Until then. After that it is due again.
        until: Timestamp,
    },
    /// Its mail was handed to SNS.
    Sent {
        /// When.
        at: Timestamp,
    },
}

/// A job that settled without records and without a fault: they are not wanted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// When.
    pub settled_at: Timestamp,
    /// Why, in its worker's words.
    pub reason: Reason,
    /// Its claims: the holder of the last one found out.
    pub claimed: Claimed,
    /// How far its worker came.
    pub progress: Progress,
    /// Until when, at the latest, the sweep deletes rows that nobody can see.
    pub collecting_until: Option<Timestamp>,
}

/// The claims of a job since it was recorded or last replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// When the first one was made.
    pub first_at: Timestamp,
    /// Who made the last one: a worker that never received the reply to its claim recognises its own. Unique to the claim;
    /// a pooled worker's begins with its name and a slash.
    pub holder: String,
}

/// A worker's counts when it leaves a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many rows the attempt wrote.
    pub records: u64,
    /// Rows left out by the pipeline's policy.
    pub rejected: u64,
    /// These rows by reason.
    pub rejects: RejectCounts,
    /// Records of rows that were repaired by the pipeline's policy.
    pub repaired: u64,
    /// The format found, such as `csv.gz`.
    pub format: Option<String>,
    /// How the object's columns differ from those of earlier objects.
    pub drifts: Drifts,
    /// What became of the rows in a table of the user's own.
    pub table: Option<TableCounts>,
}

impl Failed {
    /// When its mail was handed to SNS.
    #[must_use]
    pub fn notified_at(&self) -> Option<Timestamp> {
        match self.notification {
            Notification::Sent { at } => Some(at),
            Notification::Due | Notification::Leased { .. } => None,
        }
    }
}

impl JobState {
    /// The plain name of the state.
    #[must_use]
    pub fn name(&self) -> State {
        match self {
            Self::Waiting(_) => State::Waiting,
            Self::Running(_) => State::Running,
            Self::Done(_) => State::Done,
            Self::Failed(_) => State::Failed,
            Self::Superseded(_) => State::Superseded,
            Self::SourceDeleted(_) => State::SourceDeleted,
        }
    }
}
