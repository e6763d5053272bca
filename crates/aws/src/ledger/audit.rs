//! The audit of a job: what happened to it beside the changes of its state.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{
    Changed, Ledger,
    write::{Write, notes},
};
use crate::{
    CallError,
    attributes::{number, text, time},
};
use domain::{
    audit::{AuditEntry, AuditKind, MAX_AUDIT_ENTRIES},
    job::{Job, JobId},
};

impl Ledger {
    /// Notes the task that was launched for this attempt, and on what. No change when the attempt is past or settled.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn launched(
        &self,
        id: &JobId,
        attempt: u32,
        task: &str,
        note: &AuditEntry,
    ) -> Result<Changed, CallError> {
        // As many notes as there may be attempts: the audit's bound is not looked at.
        let change = Write::new(
            &format!("SET task = :task{}", adding(Some(note))),
            "attempt = :attempt AND #state IN (:waiting, :running) AND (attribute_not_exists(task) OR task <> :task)",
        )
        .value(":task", text(task))
        .value(":attempt", number(attempt))
        .value(":waiting", text("waiting"))
        .value(":running", text("running"))
        .noting(Some(note))?;
        self.update(id, "note the task of", change).await
    }

    /// Notes that a message brings this attempt to its launch again, not before `until`: another message for it before
    /// then is one too many. The note becomes part of the audit if it says something else than the last, and there is
    /// room.
    ///
    /// # Errors
    /// [`CallError`]: it may be noted.
    pub async fn defer(&self, job: &Job, until: Timestamp, note: &AuditEntry) -> Result<Changed, CallError> {
        let is_new = job.audit.last().is_none_or(|last| (last.kind, &last.words) != (note.kind, &note.words));
        let note = fitting(job, note).filter(|_| is_new);
        let write = Write::new(
            &format!("SET deferred_until = :until{}", adding(note)),
            "attempt = :attempt AND #state = :waiting",
        )
        .value(":until", time(until))
        .value(":attempt", number(job.attempt))
        .value(":waiting", text("waiting"))
        .noting(note)?;
        self.update(&job.id, "defer the launch of", write).await
    }

    /// Notes that the event of a job came again at this time.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn duplicate(&self, id: &JobId, now: Timestamp) -> Result<Changed, CallError> {
        self.note(
            id,
            &AuditEntry::new(now, AuditKind::Duplicate, "its event came again, and changed nothing"),
        )
        .await
    }

    /// Adds a note to the job's audit, unless that is full. A repeat adds it twice.
    ///
    /// # Errors
    /// [`CallError`]: it may be added.
    pub async fn note(&self, id: &JobId, note: &AuditEntry) -> Result<Changed, CallError> {
        let write = Write::new(
            &format!("SET {}", adding(Some(note)).trim_start_matches(", ")),
            // Absent on jobs from before audits were kept.
            "(attribute_not_exists(audit) OR size(audit) < :most)",
        )
        .value(":most", number(MAX_AUDIT_ENTRIES))
        .noting(Some(note))?;
        self.update(id, "note what happened to", write).await
    }
}

/// The note, if the job's audit has room for it.
pub(super) fn fitting<'a>(job: &Job, note: &'a AuditEntry) -> Option<&'a AuditEntry> {
    (job.audit.len() < MAX_AUDIT_ENTRIES).then_some(note)
}

/// The part of an update that adds a note to the audit; nothing without one.
pub(super) fn adding(note: Option<&AuditEntry>) -> &'static str {
    note.map_or("", |_| ", audit = list_append(if_not_exists(audit, :none), :note)")
}

impl Write {
    /// The values of that part.
    pub(super) fn noting(self, note: Option<&AuditEntry>) -> Result<Self, CallError> {
        let Some(note) = note else { return Ok(self) };
        Ok(self.value(":none", AttributeValue::L(Vec::new())).value(":note", notes(note)?))
    }
}
