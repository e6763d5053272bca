//! The ledger's index `by_status`: the jobs that are open, and those that settled in one hour; and what happens to a job
//! after it has settled.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Select, Update};
use jiff::Timestamp;

use super::{Changed, Ledger, Write, job_item::status};
use crate::{
    CallError,
    attributes::{Item, text, time},
};
use domain::job::{Job, JobId, State, collected_shard};

/// The index's name (template.yaml).
const INDEX: &str = "by_status";

/// How many ids a page holds at most: what is then read by id is held in memory at once.
const PAGE: i32 = 200;

/// Where the next page of a shard starts.
#[derive(Debug, Clone)]
pub struct StatusPage(Item);

/// A job on a shard, and when it was put there.
pub type IndexEntry = (JobId, Timestamp);

/// What of a shard is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// What was put there since then.
    Since(Timestamp),
    /// The same, from its end.
    Backwards(Timestamp),
}

impl Ledger {
    /// A page of the jobs on a shard, those put there first first, and the token of the next. An index is a moment
    /// behind its table: a job may have left the shard by now, or be missing although it has just been put there.
    /// [`Ledger::read_all`] reads how it stands.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn by_status(
        &self,
        status_shard: &str,
        from: Option<StatusPage>,
    ) -> Result<(Vec<JobId>, Option<StatusPage>), CallError> {
        let (found, next) = self.by_status_page(status_shard, Part::Whole, from).await?;
        Ok((found.into_iter().map(|(id, _)| id).collect(), next))
    }

    pub(super) async fn by_status_page(
        &self,
        status_shard: &str,
        part: Part,
        from: Option<StatusPage>,
    ) -> Result<(Vec<IndexEntry>, Option<StatusPage>), CallError> {
        let attempt = || format!("read the status_shard {status_shard}");
        let call = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .select(Select::AllProjectedAttributes)
            .expression_attribute_values(":status_shard", text(status_shard))
            .limit(PAGE)
            .set_exclusive_start_key(from.map(|from| from.0));
        let since = "status_shard = :status_shard AND status_at >= :since";
        let call = match part {
            Part::Whole => call.key_condition_expression("status_shard = :status_shard"),
            Part::Since(at) => {
                call.key_condition_expression(since).expression_attribute_values(":since", time(at))
            }
            Part::Backwards(at) => call
                .key_condition_expression(since)
                .expression_attribute_values(":since", time(at))
                .scan_index_forward(false),
        };
        let answer = call.send().await.map_err(|e| CallError::of(attempt(), e))?;
        let shelved = |item: &Item| {
            let word = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
            Some((JobId::parse(word("job")?)?, word("status_at")?.parse().ok()?))
        };
        let found = answer.items().iter().map(|item| {
            shelved(item).ok_or_else(|| {
                CallError::malformed_response(attempt(), "an item without a job id and a time")
            })
        });
        let found = found.collect::<Result<_, _>>()?;
        Ok((found, answer.last_evaluated_key.map(StatusPage)))
    }

    /// The write that notes, as a part of the publish transaction, that this job's records are not visible any more, and puts
    /// the job on the shard of this hour: its rows are collected a day from now. Refused if that was noted before.
    pub(crate) fn replaced(
        &self,
        id: &JobId,
        by_deletion: bool,
        now: Timestamp,
    ) -> Result<Update, CallError> {
        let write = replacing(id, by_deletion, now);
        Update::builder()
            .table_name(&self.table)
            .key("job", text(id))
            .update_expression(write.update)
            // An update of a job that is not there would make one.
            .condition_expression(format!("attribute_exists(job) AND {}", write.condition))
            .set_expression_attribute_values(Some(write.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .build()
            .map_err(|e| CallError::malformed_response(format!("note that job {id} is replaced"), e))
    }

    /// Notes that this job's records are not visible any more because their object was deleted. The rows are collected a
    /// day from now. A repeat is refused, as is a job that is not in the ledger.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn object_deleted(&self, id: &JobId, now: Timestamp) -> Result<Changed, CallError> {
        self.update(id, "note the deletion of the object of", replacing(id, true, now)).await
    }

    /// Notes that the rows of a job that nobody can see are being deleted, until this time at the latest. Refused
    /// when the job is not in this state any more. A replay must make it a condition that
    /// `collecting_until` is not there or past: else rows that the replay writes would be deleted with the old.
    /// A repeat moves the time.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn collecting(&self, id: &JobId, state: State, until: Timestamp) -> Result<Changed, CallError> {
        let write = Write::new("SET collecting_until = :until", "#state = :state");
        let write = write.value(":until", time(until)).value(":state", text(state.as_str()));
        self.update(id, "collect the rows of", write).await
    }

    /// Notes that a job's rows are deleted, and moves it from its shard to the one of the collected: no sweep looks at
    /// it again, and a query of that hour still finds it. A repeat is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn collected(&self, job: &Job, now: Timestamp) -> Result<Changed, CallError> {
        let (status_shard, _) = status(job);
        let write = Write::new(
            "SET collected_at = :now, status_shard = :status_shard REMOVE collecting_until",
            // What is collected has settled.
            "attribute_exists(collecting_until)",
        )
        .value(":status_shard", text(collected_shard(&status_shard).unwrap_or(status_shard)))
        .value(":now", time(now));
        self.update(&job.id, "note that nothing is left of", write).await
    }
}

fn replacing(id: &JobId, by_deletion: bool, now: Timestamp) -> Write {
    let deleted = if by_deletion { ", object_deleted = :deleted" } else { "" };
    let write = Write::new(
        &format!("SET replaced_at = :now, status_shard = :status_shard, status_at = :now{deleted}"),
        "attribute_not_exists(replaced_at)",
    )
    .indexed_by_status(id, now);
    if by_deletion { write.value(":deleted", AttributeValue::Bool(true)) } else { write }
}
