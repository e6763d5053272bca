//! The ledger's index `shelf`: the jobs that are open, and those that settled in one hour; and what happens to a job
//! after it has settled.

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Select, Update};
use jiff::Timestamp;

use super::{Changed, Item, Ledger, Write, text, time};
use crate::{
    adapter::CallError,
    job::{JobId, State, settled_shelf},
};

/// The index's name (template.yaml).
const INDEX: &str = "shelf";

/// How many ids a page holds at most: what is then read by id is held in memory at once.
const PAGE: i32 = 200;

/// Where the next page of a shelf starts.
#[derive(Debug, Clone)]
pub struct ShelfPage(Item);

impl Ledger {
    /// A page of the jobs on a shelf, those put there first first, and the token of the next. An index is a moment
    /// behind its table: a job may have left the shelf by now, or be missing although it has just been put there.
    /// [`Ledger::read_all`] tells how it stands.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn shelf(
        &self,
        shelf: &str,
        from: Option<ShelfPage>,
    ) -> Result<(Vec<JobId>, Option<ShelfPage>), CallError> {
        let attempt = || format!("read the shelf {shelf}");
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .select(Select::AllProjectedAttributes)
            .key_condition_expression("shelf = :shelf")
            .expression_attribute_values(":shelf", text(shelf))
            .limit(PAGE)
            .set_exclusive_start_key(from.map(|from| from.0))
            .send()
            .await
            .map_err(|e| CallError::of(attempt(), e))?;
        let id =
            |item: &Item| item.get("job").and_then(|job| job.as_s().ok()).and_then(|job| JobId::parse(job));
        let ids = answer.items().iter().map(|item| {
            id(item).ok_or_else(|| CallError::nonsense(attempt(), "an item whose key is no job id"))
        });
        let ids = ids.collect::<Result<_, _>>()?;
        Ok((ids, answer.last_evaluated_key.map(ShelfPage)))
    }

    /// The write that notes, as a part of the publish transaction, that a newer version's records took the place of
    /// this job's, and puts the job on the shelf of this hour: its rows are to be collected a day from now.
    pub(crate) fn replaced(&self, id: &JobId, now: Timestamp) -> Result<Update, CallError> {
        Update::builder()
            .table_name(&self.table)
            .key("job", text(id))
            .update_expression("SET replaced_at = :now, shelf = :shelf, shelf_at = :now")
            // An update of a job that is not there would make one.
            .condition_expression("attribute_exists(job)")
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":shelf", text(settled_shelf(id.part(), now)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .build()
            .map_err(|e| CallError::nonsense(format!("note that job {id} is replaced"), e))
    }

    /// Notes that the rows of a job that nobody can see are being deleted, until this time at the latest. Refused
    /// when the job is not in this state any more. Whoever replays a job must make it a condition that
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

    /// Notes that a job's rows are deleted, and takes it from its shelf: no sweep looks at it again. A repeat is
    /// refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn collected(&self, id: &JobId, now: Timestamp) -> Result<Changed, CallError> {
        let write = Write::new(
            "SET collected_at = :now REMOVE collecting_until, shelf, shelf_at",
            "attribute_exists(collecting_until)",
        );
        self.update(id, "note that nothing is left of", write.value(":now", time(now))).await
    }
}
