//! How the holder of a claim leaves its job: by one write, or, with its records, by one half of the publish transaction.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Update};
use jiff::Timestamp;

use super::{
    Changed, Ledger,
    write::{self, Write},
};
use crate::{
    CallError,
    attributes::{number, text},
};
use domain::destination::TableCounts;
use domain::job::{Attempt, Change, Job, Progress, Reason, State};

/// How a worker leaves a job.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// Failed, superseded, gone, or returned to be tried again.
    pub change: Change,
    /// Why it leaves the job.
    pub reason: &'a Reason,
    /// How far it came.
    pub progress: &'a Progress,
    /// The pooled worker's name, for the history of a failed job; λ stops adds a task's.
    pub worker: Option<&'a str>,
}

impl Ledger {
    /// The holder of the claim leaves the job: failed, superseded, gone, or returned to be tried again. A
    /// returned job stays at its attempt; the caller that decides what follows raises it ([`Ledger::retry`]). A repeat, as the
    /// SDK makes when the answer was lost, is answered that the job is left.
    ///
    /// # Errors
    /// [`CallError`]: the job may be left; if not, its lease runs out.
    pub async fn leave(&self, job: &Job, leaving: Leaving<'_>, now: Timestamp) -> Result<Changed, CallError> {
        let Leaving { change, reason, progress, worker } = leaving;
        let settled = match change {
            // Only the object itself can be at fault here: that uses up an attempt.
            Change::Fail => {
                ", settled_at = :now, status_shard = :status_shard, status_at = :now, counted_attempts = counted_attempts + :one"
            }
            change if change.leads_to().is_settled() => {
                ", settled_at = :now, status_shard = :status_shard, status_at = :now"
            }
            _ => "",
        };
        let format = if progress.format.is_some() { ", #format = :format" } else { "" };
        let drifts = if progress.drifts.is_empty() { "" } else { ", drifts = :drifts" };
        let counts = if progress.table.is_some() { ", table_counts = :table_counts" } else { "" };
        let rejects = if progress.rejects.is_empty() { "" } else { ", rejects = :rejects" };
        let ended = worker.filter(|_| change == Change::Fail).map(|worker| Attempt {
            number: job.attempt,
            task: worker.to_owned(),
            verdict: reason.clone(),
            stopped_at: now,
            paused: false,
        });
        let history = if ended.is_some() { ", #history = list_append(#history, :ended)" } else { "" };
        let mut write = Write::new(
            &format!(
                "SET #state = :to, reason = :reason, records = :records, rejected = :rejected, \
                 repaired = :repaired{settled}{format}{drifts}{counts}{rejects}{history} \
                 REMOVE lease_until"
            ),
            "fence = :fence",
        )
        .moving(change)
        .value(":reason", write::reason_value(reason))
        .value(":records", number(progress.records))
        .value(":rejected", number(progress.rejected))
        .value(":repaired", number(progress.repaired))
        .value(":fence", number(job.fence));
        if !settled.is_empty() {
            write = write.indexed_by_status(&job.id, now);
        }
        if change == Change::Fail {
            write = write.value(":one", number(1));
        }
        if let Some(format) = &progress.format {
            write = write.name("#format", "format").value(":format", text(format));
        }
        if !drifts.is_empty() {
            write = write.value(":drifts", write::drifts_value(&progress.drifts)?);
        }
        if let Some(counts) = progress.table {
            write = write.value(":table_counts", counts_value(counts)?);
        }
        if !rejects.is_empty() {
            write = write.value(":rejects", write::rejects_value(&progress.rejects)?);
        }
        if let Some(ended) = &ended {
            write = write.name("#history", "history").value(":ended", write::attempts(ended)?);
        }
        let is_left = |found: &Job| {
            (found.fence, found.state(), found.attempt) == (job.fence, change.leads_to(), job.attempt)
                && found.reason() == Some(reason)
        };
        Ok(match self.update(&job.id, "leave", write).await? {
            Changed::Rejected(Some(found)) if is_left(&found) => Changed::Applied(found),
            changed => changed,
        })
    }

    /// Marks the job of a deletion done, which has no manifest to publish. A repeat, as the SDK makes when the answer was lost,
    /// is answered that it is done.
    ///
    /// # Errors
    /// [`CallError`]: the job may be done; if not, its lease runs out.
    pub async fn removed(
        &self,
        job: &Job,
        progress: &Progress,
        write_units: u64,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let write = done(job, progress, write_units, now)?;
        Ok(match self.update(&job.id, "mark done", write).await? {
            Changed::Rejected(Some(found)) if found.state() == State::Done && found.fence == job.fence => {
                Changed::Applied(found)
            }
            changed => changed,
        })
    }

    /// The write that marks a job done, as one half of the publish transaction.
    pub(crate) fn done(
        &self,
        job: &Job,
        progress: &Progress,
        write_units: u64,
        now: Timestamp,
    ) -> Result<Update, CallError> {
        let write = done(job, progress, write_units, now)?;
        Update::builder()
            .table_name(&self.table)
            .key("job", text(&job.id))
            .update_expression(write.update)
            .condition_expression(write.condition)
            .set_expression_attribute_names(Some(write.names))
            .set_expression_attribute_values(Some(write.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|e| CallError::malformed_response(format!("publish job {}", job.id), e))
    }
}

fn done(job: &Job, progress: &Progress, write_units: u64, now: Timestamp) -> Result<Write, CallError> {
    // What an earlier attempt found is not what this one found.
    let (set, remove) =
        if progress.drifts.is_empty() { ("", ", drifts") } else { (", drifts = :drifts", "") };
    let (rejects, no_rejects) =
        if progress.rejects.is_empty() { ("", ", rejects") } else { (", rejects = :rejects", "") };
    let counts = if progress.table.is_some() { ", table_counts = :table_counts" } else { "" };
    let mut write = Write::new(
        &format!(
            "SET #state = :to, records = :records, rejected = :rejected, repaired = :repaired, #format = :format, \
             write_units = :units, settled_at = :now, status_shard = :status_shard, status_at = :now{set}{counts}{rejects} \
             REMOVE lease_until, reason, #progress{remove}{no_rejects}"
        ),
        "fence = :fence",
    )
    .moving(Change::Publish)
    .name("#progress", "progress")
    .name("#format", "format")
    .value(":records", number(progress.records))
    .value(":rejected", number(progress.rejected))
    .value(":repaired", number(progress.repaired))
    .value(":format", text(progress.format.as_deref().unwrap_or("unknown")))
    .value(":units", number(write_units))
    .indexed_by_status(&job.id, now)
    .value(":fence", number(job.fence));
    if !set.is_empty() {
        write = write.value(":drifts", write::drifts_value(&progress.drifts)?);
    }
    if !rejects.is_empty() {
        write = write.value(":rejects", write::rejects_value(&progress.rejects)?);
    }
    if let Some(counts) = progress.table {
        write = write.value(":table_counts", counts_value(counts)?);
    }
    Ok(write)
}

fn counts_value(counts: TableCounts) -> Result<AttributeValue, CallError> {
    serde_dynamo::to_attribute_value(counts)
        .map_err(|e| CallError::malformed_response("write the counts of a job", e))
}
