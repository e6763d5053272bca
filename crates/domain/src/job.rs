//! A job: processing one object with one pipeline. Its identity, its attempts, its states with what belongs to each, and the
//! one function that moves between them.

mod id;
mod job_state;
mod reason;
mod removal;
#[cfg(any(test, feature = "samples"))]
mod samples;
mod state;
mod status_index;
mod views;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    id::{JobId, digest},
    job_state::{
        Claimed, Done, Dropped, Failed, JobState, Notification, Progress, Replaced, Running, Waiting,
    },
    reason::{Reason, ReasonCode},
    removal::Removal,
    state::{Change, IllegalChange, State, allowed_from, next},
    status_index::{STATUS_SHARDS, collected_shard, open_shard, settled_shard},
};
use crate::{
    audit::AuditEntry,
    events::{DeletedVersion, S3Deleted},
    object::{Object, Sequencer},
    pipelines::Pipeline,
};

/// How one attempt ended, by its task's stop or by its pooled worker's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which try it was, from 1.
    pub number: u32,
    /// The task's ARN, or the name of the pooled worker that had the job: `drain/<slot>/<generation>`.
    pub task: String,
    /// The verdict's code and sentence.
    pub verdict: Reason,
    /// When the task stopped.
    pub stopped_at: Timestamp,
    /// Whether the configuration was known to be wrong then, and launches held back: it counts towards no limit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
}

/// A job: the processing of one object version with one pipeline. What it has in some states only is in [`JobState`].
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id, which follows from the object and the pipeline's name.
    pub id: JobId,
    /// What it processes.
    pub object: Object,
    /// How: the pipeline as it was when the job was recorded, so that a replay means the same thing later.
    pub pipeline: Pipeline,
    /// What it removes from a table of the user's own, if it is the job of a deletion. Then its object has the version id of the
    /// delete marker, or of the version that was deleted, and the place up to which items are removed.
    pub removal: Option<Removal>,
    /// When λ uploads recorded it.
    pub created_at: Timestamp,
    /// When its object was created, as its event says.
    pub event_at: Option<Timestamp>,
    /// The id of that event, by which logs and manifest are traced to it. None when a person asked for the object, or the
    /// sweep found it.
    pub trace: Option<String>,
    /// Which of the jobs of its object version and pipeline this is: 0 is the first, and each replay that does not run the
    /// same job again makes another. Part of the id.
    pub replay: u32,
    /// Which try this is, from 1. Part of the launch token.
    pub attempt: u32,
    /// The task of its own that was launched for this attempt.
    pub task: Option<String>,
    /// How many attempts its own failures have used up since it was recorded or last replayed; infrastructure failures do
    /// not count.
    pub counted_attempts: u32,
    /// Attempts that have ended.
    pub history: Vec<Attempt>,
    /// How many of those ended before a person last had it run again: they count towards no limit any more.
    pub replayed_from: u32,
    /// The task definition's revision that its first claim was made under, and so the image: retries have the same.
    pub revision: Option<String>,
    /// Raised by every claim; a worker with an older one can change nothing. 0 if it was never claimed.
    pub fence: u64,
    /// What else happened to it, oldest first; at most [`audit::MAX_AUDIT_ENTRIES`](crate::audit::MAX_AUDIT_ENTRIES).
    pub audit: Vec<AuditEntry>,
    /// Where it is, with what only a job there has.
    pub state: JobState,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Job {
    /// A job nobody has tried yet.
    #[must_use]
    pub fn new(object: Object, pipeline: Pipeline, now: Timestamp) -> Self {
        Self {
            id: JobId::derive(&pipeline.name, &object),
            object,
            pipeline,
            removal: None,
            created_at: now,
            event_at: None,
            trace: None,
            replay: 0,
            attempt: 1,
            task: None,
            counted_attempts: 0,
            history: Vec::new(),
            replayed_from: 0,
            revision: None,
            fence: 0,
            audit: Vec::new(),
            state: JobState::Waiting(Waiting::default()),
        }
    }

    /// The same, where a person has the object processed once more: the `number`-th job after the first one.
    #[must_use]
    pub fn replayed(object: Object, pipeline: Pipeline, number: u32, now: Timestamp) -> Self {
        let id = JobId::of_replay(&pipeline.name, &object, number);
        Self { id, replay: number, ..Self::new(object, pipeline, now) }
    }

    /// The job that removes what a deletion takes from a table of the user's own, up to this place.
    #[must_use]
    pub fn of_deletion(
        deletion: &S3Deleted,
        place: Sequencer,
        removal: Removal,
        pipeline: Pipeline,
        now: Timestamp,
    ) -> Self {
        let version_id = match &deletion.version {
            DeletedVersion::Hidden(id) => id.clone(),
            DeletedVersion::Version(id) => Some(id.clone()),
            DeletedVersion::Unversioned => None,
        };
        let object = Object {
            bucket: deletion.bucket.clone(),
            key: deletion.key.clone(),
            version_id,
            etag: None,
            sequencer: place,
            size_bytes: None,
        };
        Self {
            id: JobId::of_deletion(deletion),
            event_at: deletion.at,
            trace: deletion.event_id.clone(),
            removal: Some(removal),
            ..Self::new(object, pipeline, now)
        }
    }

    /// Whether it needs no more work: it has settled, and if it failed, the failure was mailed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.state {
            JobState::Waiting(_) | JobState::Running(_) => false,
            JobState::Failed(failed) => failed.notified_at().is_some(),
            JobState::Done(_) | JobState::Superseded(_) | JobState::SourceDeleted(_) => true,
        }
    }
}
