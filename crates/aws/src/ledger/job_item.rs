//! A job as the ledger's table holds it: one flat item, whose attributes come and go with the job's state.
//!
//! | attribute | of a job that is |
//! | --- | --- |
//! | `reason` | waiting after an attempt, failed, superseded, source_deleted |
//! | `lease_until` | running |
//! | `settled_at` | settled |
//! | `notify_lease_until`, `notified_at` | failed |
//! | `write_units`, `replaced_at` | done |
//! | `object_deleted` | done and replaced |
//! | `collecting_until` | failed, superseded, source_deleted, or replaced |
//!
//! Anywhere else one of these contradicts the state, and the item is [not read](UnreadableJob) as a job. Other attributes
//! stay where they say nothing any more, and are passed over there: `holder` after a replay; `records`, `rejected`, `rejects`,
//! `repaired`, `format`, `drifts`, `table_counts` and `progress` of an attempt that ended; `deferred_until` of a launch that
//! came. What only the ledger's own writes use, such as `collected_at`, is not read at all.

use domain::{
    audit::AuditEntry,
    destination::TableCounts,
    drift::Drifts,
    job::{
        Attempt, Claimed, Done, Dropped, Failed, Job, JobId, JobState, Notification, Progress, Reason,
        Removal, Replaced, Running, State, Waiting, open_shard, settled_shard,
    },
    object::Object,
    pipelines::Pipeline,
    reject_counts::RejectCounts,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::Item;

/// The layout of items written today.
const LAYOUT: u32 = 1;

/// The item of a job. The names of its fields are the table's attribute names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobItem {
    /// The layout of this item. Functions and worker deploy at different moments: an item of another layout is not read.
    pub v: u32,
    /// The table's key.
    pub job: JobId,
    /// What it processes.
    pub object: Object,
    /// The pipeline as it was when the job was recorded.
    pub pipeline: Pipeline,
    /// What it removes from a table of the user's own, if it is the job of a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// Where it is.
    pub state: State,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How many attempts its own failures have used up.
    #[serde(default)]
    pub counted_attempts: u32,
    /// Raised by every claim.
    #[serde(default)]
    pub fence: u64,
    /// Who made the last claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Until when the claim holds if it is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// The task definition's revision that its first claim was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The task launched for this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Rows written so far by the holder of the claim, and in the end the records published.
    #[serde(default)]
    pub records: u64,
    /// How far the pipeline's command says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Rows that the pipeline's policy let it leave out.
    #[serde(default)]
    pub rejected: u64,
    /// These rows by reason.
    #[serde(default, skip_serializing_if = "RejectCounts::is_empty")]
    pub rejects: RejectCounts,
    /// Records of rows that were repaired.
    #[serde(default)]
    pub repaired: u64,
    /// The format found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// How the object's columns differ from those of earlier objects of the pipeline.
    #[serde(default, skip_serializing_if = "Drifts::is_empty")]
    pub drifts: Drifts,
    /// What became of the rows in a table of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_counts: Option<TableCounts>,
    /// Why it is where it is, when that is not plain success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Write request units that its records took.
    #[serde(default)]
    pub write_units: u64,
    /// When its object was created, as its event says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_at: Option<Timestamp>,
    /// The id of that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Which of the jobs of its object version and pipeline it is, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replay: u32,
    /// When λ uploads recorded it.
    pub created_at: Timestamp,
    /// Until when its launch is deferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_until: Option<Timestamp>,
    /// When it was first claimed since it was recorded or last replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When it settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// When its mail was handed to SNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_at: Option<Timestamp>,
    /// Until when λ stops has the telling of its failure to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_lease_until: Option<Timestamp>,
    /// Until when, at the latest, the sweep deletes rows that nobody can see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collecting_until: Option<Timestamp>,
    /// Attempts that have ended.
    #[serde(default)]
    pub history: Vec<Attempt>,
    /// How many of those ended before a person last had it run again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replayed_from: u32,
    /// What else happened to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<AuditEntry>,
    /// Where the index `by_status` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_shard: Option<String>,
    /// When it was put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_at: Option<Timestamp>,
    /// When this job's records stopped being visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
    /// Whether that was because the object was deleted, and not because a newer version's records took their place.
    #[serde(default, skip_serializing_if = "is_false")]
    pub object_deleted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An item of the ledger that is not one of a job, and why. Nothing happens to the job until a person corrects the item or
/// deletes it.
#[derive(Debug, thiserror::Error)]
#[error("the item of job {job}, whose state is \"{state}\", is not one of a job")]
pub struct UnreadableJob {
    // Boxed texts: a large error makes every answer large.
    job: Box<str>,
    state: Box<str>,
    #[source]
    problem: Problem,
}

/// What is wrong with an item.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("its layout `v` is {0}, and only {LAYOUT} is known here; update what reads it")]
    Layout(u32),
    #[error(
        "in this state it must have the attribute `{0}`, which is missing; correct the item or delete it"
    )]
    Missing(&'static str),
    #[error("in this state it cannot have the attribute `{0}`; correct the item or delete it")]
    Contradicts(&'static str),
    #[error(transparent)]
    Malformed(Box<serde_dynamo::Error>),
}

impl UnreadableJob {
    /// The id of the job, as the item's key has it.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.job
    }
}

/// The job that an item holds.
pub(super) fn decode(item: Item) -> Result<Job, UnreadableJob> {
    let word =
        |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str).into();
    let (job, state) = (word("job"), word("state"));
    match serde_dynamo::from_item::<_, JobItem>(item) {
        Ok(item) => item.try_into(),
        Err(error) => Err(UnreadableJob { job, state, problem: Problem::Malformed(Box::new(error)) }),
    }
}

/// Where the index has a job, and since when it is there. A job that is replayed is put on its shard anew, and one whose
/// rows are collected on another: by the writes that do so.
pub(super) fn status(job: &Job) -> (String, Timestamp) {
    let part = job.id.shard();
    match job.replaced_at().or(job.settled_at()) {
        None => (open_shard(part), job.created_at),
        Some(at) => (settled_shard(part, at), at),
    }
}

impl TryFrom<JobItem> for Job {
    type Error = UnreadableJob;

    fn try_from(mut item: JobItem) -> Result<Self, UnreadableJob> {
        let state = item.take_state().map_err(|problem| UnreadableJob {
            job: item.job.as_str().into(),
            state: item.state.as_str().into(),
            problem,
        })?;
        Ok(Self {
            id: item.job,
            object: item.object,
            pipeline: item.pipeline,
            removal: item.removal,
            created_at: item.created_at,
            event_at: item.event_at,
            trace: item.trace,
            replay: item.replay,
            attempt: item.attempt,
            task: item.task,
            counted_attempts: item.counted_attempts,
            history: item.history,
            replayed_from: item.replayed_from,
            revision: item.revision,
            fence: item.fence,
            audit: item.audit,
            state,
        })
    }
}

impl JobItem {
    /// What the item says of the job's state.
    fn take_state(&mut self) -> Result<JobState, Problem> {
        if self.v != LAYOUT {
            return Err(Problem::Layout(self.v));
        }
        if let Some(attribute) = self.contradiction() {
            return Err(Problem::Contradicts(attribute));
        }
        Ok(match self.state {
            State::Waiting => JobState::Waiting(Waiting {
                reason: self.reason.take(),
                deferred_until: self.deferred_until,
                claimed: self.take_claimed()?,
            }),
            State::Running => JobState::Running(Running {
                claimed: required("claimed_at", self.take_claimed()?)?,
                lease_until: required("lease_until", self.lease_until)?,
                records: self.records,
                progress: self.progress.take(),
            }),
            State::Done => JobState::Done(Done {
                settled_at: required("settled_at", self.settled_at)?,
                claimed: required("claimed_at", self.take_claimed()?)?,
                progress: self.take_progress(),
                write_units: self.write_units,
                replaced: self.replaced_at.map(|at| Replaced {
                    at,
                    by_deletion: self.object_deleted,
                    collecting_until: self.collecting_until,
                }),
            }),
            State::Failed => JobState::Failed(Failed {
                settled_at: required("settled_at", self.settled_at)?,
                reason: required("reason", self.reason.take())?,
                claimed: self.take_claimed()?,
                progress: self.take_progress(),
                notification: self.notification(),
                collecting_until: self.collecting_until,
            }),
            State::Superseded => JobState::Superseded(self.take_dropped()?),
            State::SourceDeleted => JobState::SourceDeleted(self.take_dropped()?),
        })
    }

    /// An attribute that a job in this state cannot have.
    fn contradiction(&self) -> Option<&'static str> {
        let (is_settled, is_done) = (self.state.is_settled(), self.state == State::Done);
        let (is_running, is_failed) = (self.state == State::Running, self.state == State::Failed);
        let is_invisible = is_settled && (!is_done || self.replaced_at.is_some());
        // Each with whether it is there, and whether it may be.
        let found = [
            ("lease_until", self.lease_until.is_some(), is_running),
            ("reason", self.reason.is_some(), !is_running && !is_done),
            ("settled_at", self.settled_at.is_some(), is_settled),
            ("notified_at", self.notified_at.is_some(), is_failed),
            ("notify_lease_until", self.notify_lease_until.is_some(), is_failed),
            ("write_units", self.write_units > 0, is_done),
            ("replaced_at", self.replaced_at.is_some(), is_done),
            ("object_deleted", self.object_deleted, self.replaced_at.is_some()),
            ("collecting_until", self.collecting_until.is_some(), is_invisible),
        ];
        found.into_iter().find_map(|(attribute, is_there, may_be)| (is_there && !may_be).then_some(attribute))
    }

    /// The claims since the job was recorded or last replayed. A replay leaves the holder of the last one before it.
    fn take_claimed(&mut self) -> Result<Option<Claimed>, Problem> {
        let Some(first_at) = self.claimed_at else { return Ok(None) };
        if self.fence == 0 {
            return Err(Problem::Missing("fence"));
        }
        Ok(Some(Claimed { first_at, holder: required("holder", self.holder.take())? }))
    }

    fn take_progress(&mut self) -> Progress {
        let (records, rejected, repaired) = (self.records, self.rejected, self.repaired);
        let (format, drifts) = (self.format.take(), std::mem::take(&mut self.drifts));
        let rejects = std::mem::take(&mut self.rejects);
        Progress { records, rejected, rejects, repaired, format, drifts, table: self.table_counts }
    }

    fn take_dropped(&mut self) -> Result<Dropped, Problem> {
        Ok(Dropped {
            settled_at: required("settled_at", self.settled_at)?,
            reason: required("reason", self.reason.take())?,
            claimed: required("claimed_at", self.take_claimed()?)?,
            progress: self.take_progress(),
            collecting_until: self.collecting_until,
        })
    }

    /// The lease stays when the mail is sent.
    fn notification(&self) -> Notification {
        match (self.notified_at, self.notify_lease_until) {
            (Some(at), _) => Notification::Sent { at },
            (None, Some(until)) => Notification::Leased { until },
            (None, None) => Notification::Due,
        }
    }
}

fn required<T>(attribute: &'static str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or(Problem::Missing(attribute))
}

impl From<&Job> for JobItem {
    fn from(job: &Job) -> Self {
        let (status_shard, status_at) = status(job);
        let claimed = job.claimed();
        let item = Self {
            v: LAYOUT,
            job: job.id.clone(),
            object: job.object.clone(),
            pipeline: job.pipeline.clone(),
            removal: job.removal,
            state: job.state(),
            attempt: job.attempt,
            counted_attempts: job.counted_attempts,
            fence: job.fence,
            holder: claimed.map(|claimed| claimed.holder.clone()),
            lease_until: None,
            revision: job.revision.clone(),
            task: job.task.clone(),
            records: job.records(),
            progress: None,
            rejected: job.rejected(),
            rejects: job.rejects().cloned().unwrap_or_default(),
            repaired: job.repaired(),
            format: job.format().map(str::to_owned),
            drifts: job.drifts().cloned().unwrap_or_default(),
            table_counts: job.progress().and_then(|progress| progress.table),
            reason: job.reason().cloned(),
            write_units: job.write_units(),
            event_at: job.event_at,
            trace: job.trace.clone(),
            replay: job.replay,
            created_at: job.created_at,
            deferred_until: None,
            claimed_at: job.claimed_at(),
            settled_at: job.settled_at(),
            notified_at: job.notified_at(),
            notify_lease_until: None,
            collecting_until: None,
            history: job.history.clone(),
            replayed_from: job.replayed_from,
            audit: job.audit.clone(),
            status_shard: Some(status_shard),
            status_at: Some(status_at),
            replaced_at: job.replaced_at(),
            object_deleted: job.replaced().is_some_and(|replaced| replaced.by_deletion),
        };
        match &job.state {
            JobState::Waiting(Waiting { deferred_until, .. }) => {
                Self { deferred_until: *deferred_until, ..item }
            }
            JobState::Running(Running { lease_until, progress, .. }) => {
                Self { lease_until: Some(*lease_until), progress: progress.clone(), ..item }
            }
            JobState::Done(Done { replaced, .. }) => {
                Self { collecting_until: replaced.and_then(|replaced| replaced.collecting_until), ..item }
            }
            JobState::Failed(Failed { notification, collecting_until, .. }) => {
                let notify_lease_until = match notification {
                    Notification::Leased { until } => Some(*until),
                    Notification::Due | Notification::Sent { .. } => None,
                };
                Self { notify_lease_until, collecting_until: *collecting_until, ..item }
            }
            JobState::Superseded(dropped) | JobState::SourceDeleted(dropped) => {
                Self { collecting_until: dropped.collecting_until, ..item }
            }
        }
    }
}

#[cfg(test)]
mod tests;
