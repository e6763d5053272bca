//! Deleting the rows of jobs that nobody can see any more.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};

use super::{
    CallError,
    attributes::{Item, text},
    rate_limit::RateLimit,
    records::{BATCH_ITEMS, Records},
    unprocessed::Unprocessed,
};
use domain::{job::JobId, manifest};

/// How many batches of deletes are sent within a second. A partition takes 1,000 write units a second, and a delete of
/// a small row is one: slower than that, the workers' own writes keep most of the table.
const BATCHES: usize = 20;

/// Deletes rows, at most 20 batches a second.
#[derive(Debug, Clone)]
pub struct RowDeleter {
    records: Records,
    rate_limit: RateLimit,
}

impl RowDeleter {
    /// Deletes rows of this table.
    #[must_use]
    pub fn new(records: Records) -> Self {
        Self { records, rate_limit: RateLimit::new(BATCHES, Duration::from_secs(1)) }
    }

    /// Deletes all rows of one partition of a write epoch of a job and returns how many there were. The caller has made sure
    /// that no manifest names them, and that nobody writes more of them. A repeat deletes what is left.
    ///
    /// # Errors
    /// [`CallError`]: some may be deleted.
    pub async fn delete_rows(&self, job: &JobId, write_epoch: u64, partition: u32) -> Result<u64, CallError> {
        let part = manifest::rows_partition(job, write_epoch, u64::from(partition), u32::MAX);
        let attempt = || format!("delete the rows of {part}");
        let (mut from, mut deleted) = (None, 0);
        loop {
            let page = self
                .records
                .client()
                .query()
                .table_name(&self.records.table)
                .key_condition_expression("#part = :part")
                .projection_expression("#part, #row")
                .expression_attribute_names("#part", manifest::PART)
                .expression_attribute_names("#row", manifest::ROW)
                .expression_attribute_values(":part", text(&part))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|e| CallError::of(attempt(), e))?;
            let keys = page.items.unwrap_or_default();
            deleted += keys.len() as u64;
            self.delete_keys(keys, &attempt).await?;
            match page.last_evaluated_key {
                Some(next) => from = Some(next),
                None => return Ok(deleted),
            }
        }
    }

    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// Deletes the items of these keys.
    pub(super) async fn delete_keys(
        &self,
        keys: Vec<Item>,
        attempt: impl Fn() -> String,
    ) -> Result<(), CallError> {
        let mut deletes = Vec::with_capacity(keys.len());
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(key)).build();
            let delete = delete.map_err(|e| CallError::malformed_response(attempt(), e))?;
            deletes.push(WriteRequest::builder().delete_request(delete).build());
        }
        self.delete(deletes, attempt).await
    }

    /// Sends deletes until DynamoDB has taken all: what it leaves undone is sent again, later.
    async fn delete(
        &self,
        mut left: Vec<WriteRequest>,
        attempt: impl Fn() -> String,
    ) -> Result<(), CallError> {
        let mut unprocessed = Unprocessed::default();
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(BATCH_ITEMS));
            let call = self.records.client().batch_write_item().request_items(&self.records.table, left);
            let answer = self.rate_limit.run(call.send()).await.map_err(|e| CallError::of(attempt(), e))?;
            let undone: Vec<_> =
                answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
            let is_left = !undone.is_empty();
            left = rest;
            left.extend(undone);
            unprocessed.after(is_left, &attempt).await?;
        }
        Ok(())
    }
}
