//! A job: processing one object with one pipeline. Its identity, its states and the one function that moves
//! between them.

mod id;
mod reason;
mod state;
mod status_index;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    id::{JobId, digest},
    reason::{Reason, ReasonCode},
    state::{Change, IllegalChange, State, allowed_from, next},
    status_index::{STATUS_SHARDS, collected_shard, open_shard, settled_shard},
};
use crate::{audit::AuditEntry, object::Object, pipelines::Pipeline};

/// How one attempt ended, as its task's stop or its pooled worker told.
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

/// A job as the ledger holds it. The field names are the table's attribute names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The layout of this item. Functions and worker deploy at different moments: readers accept what they know.
    pub v: u32,
    /// The table's key.
    #[serde(rename = "job")]
    pub id: JobId,
    /// What it processes.
    pub object: Object,
    /// How: the pipeline as it was when the job was recorded, so that a replay means the same thing later.
    pub pipeline: Pipeline,
    /// Where it is.
    pub state: State,
    /// Which try this is, from 1. Part of the launch token.
    pub attempt: u32,
    /// How many attempts its own failures have used up; infrastructure failures do not count.
    #[serde(default)]
    pub counted_attempts: u32,
    /// Raised by every claim; whoever holds an older one can change nothing.
    #[serde(default)]
    pub fence: u64,
    /// Who made the last claim: a worker whose claim was answered into the void recognises its own. Unique to the
    /// claim; a pooled worker's begins with its name and a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Until when the claim holds if it is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// The task definition's revision that its first claim was made under, and so the image: retries have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The task launched for this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Rows written so far by the holder of the claim, and in the end the records published.
    #[serde(default)]
    pub records: u64,
    /// How far the pipeline's command says it is, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Rows that the pipeline's policy let it leave out.
    #[serde(default)]
    pub rejected: u64,
    /// The format found, such as `csv.gz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Why it is where it is, when that is not plain success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Write request units that its records took, estimated from their sizes.
    #[serde(default)]
    pub write_units: u64,
    /// When its object was created, as its event tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_at: Option<Timestamp>,
    /// The id of that event, from which logs and manifest can be told to be of it. None of an object that somebody asked
    /// for, or that the sweep found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// When λ uploads recorded it.
    pub created_at: Timestamp,
    /// Until when its launch is put off: a message comes for it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_until: Option<Timestamp>,
    /// When it was first claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// When its mail was handed to SNS, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_at: Option<Timestamp>,
    /// Until when λ stops has the telling of its failure to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_lease_until: Option<Timestamp>,
    /// Until when, at the latest, the sweep deletes rows that nobody can see: it may not be replayed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collecting_until: Option<Timestamp>,
    /// Attempts that have ended.
    #[serde(default)]
    pub history: Vec<Attempt>,
    /// How many of those ended before a person last had it run again: they count towards no limit any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replayed_from: u32,
    /// What else happened to it, oldest first; at most [`audit::MAX_AUDIT_ENTRIES`](crate::audit::MAX_AUDIT_ENTRIES).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<AuditEntry>,
    /// Where the ledger's index `by_status` has it: [`open_shard`] or [`settled_shard`]. Absent on jobs older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_shard: Option<String>,
    /// When it was put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_at: Option<Timestamp>,
    /// When a newer version's records took the place of this job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The layout of [`Job`] items written today.
pub const LAYOUT: u32 = 1;

impl Job {
    /// A job nobody has tried yet.
    #[must_use]
    pub fn new(object: Object, pipeline: Pipeline, now: Timestamp) -> Self {
        Self {
            v: LAYOUT,
            id: JobId::derive(&pipeline.name, &object),
            object,
            pipeline,
            state: State::Waiting,
            attempt: 1,
            counted_attempts: 0,
            fence: 0,
            holder: None,
            lease_until: None,
            revision: None,
            task: None,
            records: 0,
            progress: None,
            rejected: 0,
            format: None,
            reason: None,
            write_units: 0,
            event_at: None,
            trace: None,
            created_at: now,
            deferred_until: None,
            claimed_at: None,
            settled_at: None,
            notified_at: None,
            notify_lease_until: None,
            collecting_until: None,
            history: Vec::new(),
            replayed_from: 0,
            audit: Vec::new(),
            status_shard: None,
            status_at: Some(now),
            replaced_at: None,
        }
        .in_open_shard()
    }

    /// Whether nothing is left to be done for it: it has settled, and if it failed, people were told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.is_settled() && (self.state != State::Failed || self.notified_at.is_some())
    }

    /// The name of the pooled worker that made the last claim, if one did.
    #[must_use]
    pub fn pooled_worker(&self) -> Option<&str> {
        self.holder.as_deref()?.rsplit_once('/').map(|(worker, _)| worker)
    }

    fn in_open_shard(mut self) -> Self {
        self.status_shard = Some(open_shard(self.id.shard()));
        self
    }
}

#[cfg(any(test, feature = "samples"))]
impl Job {
    /// A job of a pipeline with these keys, for tests.
    #[must_use]
    pub fn sample(pipeline: &str, now: Timestamp) -> Self {
        let text = format!("version = 1\n[[pipeline]]\nname = \"p\"\n{pipeline}");
        let pipelines =
            crate::pipelines::Pipelines::parse(&text, "pipelines.toml").expect("a pipelines file");
        let object = Object {
            bucket: "b".into(),
            key: "k".into(),
            version_id: None,
            etag: None,
            sequencer: Default::default(),
            size_bytes: None,
        };
        Self::new(object, pipelines.get("p").expect("a pipeline").clone(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_before_stories_were_kept_reads_as_one_without_any() {
        let text = "version = 1\n[[pipeline]]\nname = \"p\"\n";
        let pipelines = crate::pipelines::Pipelines::parse(text, "pipelines.toml").unwrap();
        let job: Job = serde_json::from_value(serde_json::json!({
            "v": 1,
            "job": "00112233445566778899aabbccddeeff",
            "object": { "bucket": "b", "key": "k", "sequencer": "01" },
            "pipeline": pipelines.get("p").unwrap(),
            "state": "waiting",
            "attempt": 2,
            "created_at": "2026-01-01T00:00:00Z",
            "history": [{
                "number": 1,
                "task": "t",
                "verdict": { "code": "crashed", "message": "" },
                "stopped_at": "2026-01-01T00:01:00Z",
            }],
        }))
        .unwrap();
        assert!(job.audit.is_empty() && !job.history[0].paused);
        assert_eq!((job.replayed_from, job.deferred_until, job.event_at), (0, None, None));
        // Nor does a job that has nothing to tell carry any of it.
        let item = serde_json::to_value(&job).unwrap();
        let absent = ["audit", "replayed_from", "deferred_until", "event_at"];
        assert!(absent.iter().all(|name| item.get(name).is_none()), "{item}");
    }
}
