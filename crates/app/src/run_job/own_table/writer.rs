//! Writing items, many at a time.

use aws::CallError;
use domain::{destination::TableItem, job::Job, manifest::provenance, record::Record};
use futures::{StreamExt, stream::FuturesUnordered};

use super::OwnTable;
use crate::run_job::job_progress::JobProgress;

/// How many calls that write or delete one item each are in flight. At some 5 ms a call these are 25,000 a second; the SDK's
/// adaptive mode slows them down to what the table takes.
pub(crate) const CALLS_IN_FLIGHT: usize = 128;

impl OwnTable {
    /// Whether each write is conditional on the item that is there. Without provenance, items go by BatchWriteItem.
    pub(crate) fn is_guarded(&self) -> bool {
        self.destination.provenance.is_some()
    }

    /// The table that batches without conditions go to.
    pub(crate) fn table(&self) -> &aws::tables::Table {
        &self.table
    }

    /// Writes one item, and counts what became of it.
    pub(crate) async fn write_item(
        &self,
        job: &Job,
        item: TableItem,
        progress: &JobProgress,
    ) -> Result<(), CallError> {
        let provenance = provenance(job, item.row);
        let attribute = self.destination.provenance.as_deref().unwrap_or_default();
        let outcome = self.table.write(self.destination.write, item, attribute, &provenance).await?;
        progress.count(outcome);
        progress.add_rows(1);
        Ok(())
    }

    /// Deletes those items of these keys that `condition` allows, all at once, and returns how many were there.
    pub(crate) async fn delete_all(
        &self,
        job: &Job,
        condition: &'static str,
        keys: Vec<Record>,
    ) -> Result<u64, CallError> {
        let provenance = provenance(job, 0);
        let attribute = self.destination.provenance.as_deref().unwrap_or_default();
        let deletes = keys.into_iter().map(|key| self.table.delete(key, condition, attribute, &provenance));
        let mut in_flight: FuturesUnordered<_> = deletes.collect();
        let mut deleted = 0;
        while let Some(was_there) = in_flight.next().await {
            deleted += u64::from(was_there?);
        }
        Ok(deleted)
    }

    /// Deletes the items that versions of the job's object up to its place have written and that `condition` allows, and
    /// returns how many there were. Reads the whole table.
    pub(crate) async fn delete_found(&self, job: &Job, condition: &'static str) -> Result<u64, CallError> {
        let Some(attribute) = &self.destination.provenance else { return Ok(0) };
        let uri = job.object.uri();
        let (mut page, mut deleted) = (None, 0);
        loop {
            let (keys, next) = self.table.keys_of(attribute, &uri, Some(&job.object.sequencer), page).await?;
            let mut keys = keys.into_iter();
            loop {
                let some: Vec<Record> = keys.by_ref().take(CALLS_IN_FLIGHT).collect();
                if some.is_empty() {
                    break;
                }
                deleted += self.delete_all(job, condition, some).await?;
            }
            match next {
                Some(next) => page = Some(next),
                None => return Ok(deleted),
            }
        }
    }
}
