//! What a person does to a job: has it run again, or stops it; and the jobs that were made so.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{
    Changed, Ledger, UnreadableJob, Write,
    audit::{adding, fitting},
    write::{attempts, reason_value},
};
use crate::{
    CallError,
    attributes::{number, text, time},
};
use domain::{
    audit::AuditEntry,
    job::{Attempt, Change, Job, JobId, Reason, State, open_shard},
    object::Object,
};

impl Ledger {
    /// Reads all jobs of these object versions, each with pipelines of this name, those that replays have made included; in
    /// no order, strongly consistent. One whose item cannot be read keeps no other from being read.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn read_versions(
        &self,
        versions: &[(&str, &Object)],
    ) -> Result<Vec<Result<Job, UnreadableJob>>, CallError> {
        let (mut jobs, mut number) = (Vec::new(), 0);
        let mut with_more = versions.to_vec();
        while !with_more.is_empty() {
            let ids = |&(pipeline, object): &(&str, &Object)| JobId::of_replay(pipeline, object, number);
            let ids: Vec<JobId> = with_more.iter().map(ids).collect();
            let found = self.read_all(&ids).await?;
            let id = |job: &Result<Job, UnreadableJob>| match job {
                Ok(job) => job.id.to_string(),
                Err(error) => error.job().to_owned(),
            };
            let known: HashSet<String> = found.iter().map(id).collect();
            // Numbers have no gaps.
            let mut ids = ids.iter();
            with_more.retain(|_| ids.next().is_some_and(|id| known.contains(id.as_str())));
            jobs.extend(found);
            number += 1;
        }
        Ok(jobs)
    }

    /// A failed job, as it was read, waits for another attempt, with the image that is deployed now, and all that have
    /// ended count towards no limit any more. Refused where [`domain::replay::refusal`] says why, or when somebody else has changed the job since.
    ///
    /// Durable on return, and nothing more: a message has to bring the job to a worker. If the process dies before it
    /// sends the message, the job waits, and the sweep relaunches it.
    ///
    /// # Errors
    /// [`CallError`]: it may be waiting.
    pub async fn replay(&self, job: &Job, note: &AuditEntry, now: Timestamp) -> Result<Changed, CallError> {
        let note = fitting(job, note);
        let write = Write::new(
            &format!(
                "SET #state = :to, attempt = attempt + :one, counted_attempts = :zero, replayed_from = :ended, \
                 records = :zero, rejected = :zero, repaired = :zero, status_shard = :status_shard, status_at = :now{} \
                 REMOVE settled_at, notified_at, notify_lease_until, collecting_until, reason, task, lease_until, \
                 claimed_at, deferred_until, revision, rejects",
                adding(note)
            ),
            // The rows that a replay writes would be deleted with the old ones. And a process that is just sending the failure
            // mail would mark the replayed job as notified, and the mail of its own failure would be missing.
            "attempt = :attempt AND size(#history) = :ended \
             AND (attribute_not_exists(collecting_until) OR collecting_until < :now) \
             AND (attribute_exists(notified_at) OR attribute_not_exists(notify_lease_until) OR notify_lease_until < :now)",
        )
        .moving(Change::Replay)
        .name("#history", "history")
        .value(":one", number(1))
        .value(":zero", number(0))
        .value(":ended", number(job.history.len()))
        .value(":attempt", number(job.attempt))
        .value(":status_shard", text(open_shard(job.id.shard())))
        .value(":now", time(now))
        .noting(note)?;
        let is_replayed = |found: &Job| {
            let ended = u32::try_from(job.history.len()).unwrap_or(u32::MAX);
            (found.state(), found.attempt, found.replayed_from)
                == (State::Waiting, job.attempt.saturating_add(1), ended)
        };
        Ok(match self.update(&job.id, "replay", write).await? {
            // The SDK repeats a write whose answer was lost: then it is our own that refuses.
            Changed::Rejected(Some(found)) if is_replayed(&found) => Changed::Applied(found),
            changed => changed,
        })
    }

    /// An open job, as it was read, has failed because a person stopped it; `ended` is its attempt, if one was under
    /// way. A worker that has it is refused with its next renewal and leaves it. Refused when somebody else has changed
    /// the job since. Durable on return; the failure mail is still due.
    ///
    /// # Errors
    /// [`CallError`]: it may have failed.
    pub async fn cancel(
        &self,
        job: &Job,
        reason: &Reason,
        ended: Option<&Attempt>,
        note: &AuditEntry,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let note = fitting(job, note);
        let history = if ended.is_some() { ", #history = list_append(#history, :ended)" } else { "" };
        let task = if job.task.is_some() { "task = :task" } else { "attribute_not_exists(task)" };
        let mut write = Write::new(
            &format!(
                "SET #state = :to, reason = :reason, settled_at = :now, status_shard = :status_shard, status_at = :now{history}{} \
                 REMOVE lease_until",
                adding(note)
            ),
            &format!("#state = :was AND attempt = :attempt AND fence = :fence AND {task}"),
        )
        .moving(Change::Fail)
        .value(":was", text(job.state().as_str()))
        .value(":reason", reason_value(reason))
        .value(":attempt", number(job.attempt))
        .value(":fence", number(job.fence))
        .indexed_by_status(&job.id, now)
        .noting(note)?;
        if let Some(task) = &job.task {
            write = write.value(":task", text(task));
        }
        if let Some(ended) = ended {
            write = write.name("#history", "history").value(":ended", attempts(ended)?);
        }
        let is_cancelled = |found: &Job| {
            (found.state(), found.attempt) == (State::Failed, job.attempt) && found.reason() == Some(reason)
        };
        Ok(match self.update(&job.id, "stop", write).await? {
            Changed::Rejected(Some(found)) if is_cancelled(&found) => Changed::Applied(found),
            changed => changed,
        })
    }
}
