//! Writes batches of rows to the records table as fast as the table accepts them.

use aws::{CallError, records::Batch};
use domain::{
    job::{Change, Progress},
    manifest::Manifest,
    pipelines::KeyTemplate,
    record::{self, Record},
    retry::WRITE_ROWS,
    text::count,
    verdict::Kind,
};
use futures::{StreamExt, TryStreamExt, stream::FuturesUnordered};
use readers::{Place, Reason, Reject};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{
    job_exit::{JobExit, Written},
    job_run::JobRun,
};

/// Rows to write, with the part of the memory budget that they hold until they are written.
#[derive(Debug)]
pub(crate) struct Batched {
    pub(crate) rows: Vec<(u64, Record)>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// How many batches are parsed ahead of the calls.
pub(crate) const BATCHES_AHEAD: usize = 4;

/// A batch is full at 25 rows or at this many bytes, whichever comes first. A single row may be larger: 400 KB at most.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// How many calls are in flight at first and at most. One BatchWriteItem writes 25 rows in about 10 ms: the 4,000 write
/// units a second of a new table need a few calls in flight, the 40,000 of a warm one need the maximum.
const FIRST_WINDOW: f64 = 8.0;
const LARGEST_WINDOW: f64 = 32.0;

/// How many PutItem calls are in flight for records with natural keys. Each call writes one record.
const PUTS_IN_FLIGHT: usize = 64;

/// Writes the rows of one attempt to their shards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowWriter<'a> {
    pub(crate) run: JobRun<'a>,
    pub(crate) shards: u32,
}

impl RowWriter<'_> {
    /// Writes every batch that arrives where the pipeline wants its records, and counts the rows in the progress of the
    /// attempt. A repeat writes identical rows.
    ///
    /// # Errors
    /// [`CallError`] of the first batch or record that could not be written.
    pub(crate) async fn write(self, batches: mpsc::Receiver<Batched>) -> Result<(), CallError> {
        match &self.run.job.pipeline.key {
            None => self.write_batches(batches).await,
            Some(key) => self.put_records(key, batches).await,
        }
    }

    /// What publishes the rows, if DynamoDB has taken all of them.
    pub(crate) fn finish(self, progress: Progress, write_units: u64) -> Result<Written, JobExit> {
        let JobRun { services, job, progress: written } = self.run;
        let rows = written.rows_written();
        if rows != progress.records {
            let differs = format!("read {}, but wrote {rows}", count(progress.records, "record"));
            return Err(JobExit::new(Change::Requeue, Kind::InternalError, differs));
        }
        let manifest = Manifest::of(job, self.shards, rows, services.clock.now());
        Ok(Written { manifest, progress, write_units })
    }

    /// Calls in flight grow by one per window of batches that DynamoDB took whole, and halve when it returned rows, as
    /// TCP does on a lost packet.
    async fn write_batches(self, mut batches: mpsc::Receiver<Batched>) -> Result<(), CallError> {
        let mut window = FIRST_WINDOW;
        let mut in_flight = FuturesUnordered::new();
        let mut open = true;
        while open || !in_flight.is_empty() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 32")]
            let has_capacity = in_flight.len() < window as usize;
            tokio::select! {
                batch = batches.recv(), if open && has_capacity => match batch {
                    Some(batch) => in_flight.push(self.write_batch(batch)),
                    None => open = false,
                },
                Some(result) = in_flight.next(), if !in_flight.is_empty() => {
                    window = match result? {
                        Accepted::Whole => (window + 1.0 / window).min(LARGEST_WINDOW),
                        Accepted::InParts => (window / 2.0).max(1.0),
                    };
                }
            }
        }
        Ok(())
    }

    /// Writes one batch until DynamoDB has taken all of its rows.
    async fn write_batch(self, batch: Batched) -> Result<Accepted, CallError> {
        // The permit is given back when the rows are written.
        let Batched { rows, permit: _permit } = batch;
        let mut batch = Batch::of(self.run.job, self.shards, rows);
        let mut fruitless = 0;
        let mut accepted = Accepted::Whole;
        loop {
            let rows = batch.len();
            batch = self.run.services.records.write(batch).await?.unprocessed;
            self.run.progress.add_rows((rows - batch.len()) as u64);
            if batch.is_empty() {
                return Ok(accepted);
            }
            accepted = Accepted::InParts;
            fruitless = if batch.len() < rows { 0 } else { fruitless + 1 };
            if fruitless == WRITE_ROWS.attempts {
                return Err(CallError::retries_exhausted(
                    format!("write {}", count(rows, "row")),
                    "DynamoDB took none of them",
                ));
            }
            tokio::time::sleep(WRITE_ROWS.delay(fruitless, fastrand::f64())).await;
        }
    }

    /// Writes every record under its natural key. Records that DynamoDB refuses count too: a newer version of the object
    /// has written their keys.
    async fn put_records(
        self,
        key: &KeyTemplate,
        mut batches: mpsc::Receiver<Batched>,
    ) -> Result<(), CallError> {
        let JobRun { services, job, progress } = self.run;
        while let Some(Batched { rows, permit }) = batches.recv().await {
            let puts = rows.into_iter().map(async |(row, record)| {
                // A record without its key was rejected before.
                let Ok(key) = natural_key(key, &record) else { return Ok(()) };
                services.records.upsert_by_key(job, &key, row, record).await?;
                progress.add_rows(1);
                Ok(())
            });
            futures::stream::iter(puts).buffer_unordered(PUTS_IN_FLIGHT).try_collect::<()>().await?;
            drop(permit);
        }
        Ok(())
    }
}

/// Whether DynamoDB accepted all rows of a batch in one call.
enum Accepted {
    Whole,
    InParts,
}

/// The longest partition key of DynamoDB, minus the prefix that [`domain::manifest::natural_partition`] adds.
const NATURAL_KEY_BYTES: usize = 2_048 - 70;

/// The natural key of a record, or why it has none, in words.
pub(crate) fn natural_key(key: &KeyTemplate, record: &Record) -> Result<String, String> {
    let key = key.of(record).map_err(|missing| missing.to_string())?;
    if key.len() <= NATURAL_KEY_BYTES {
        return Ok(key);
    }
    Err(format!("the key has {} bytes; at most {NATURAL_KEY_BYTES} are allowed", key.len()))
}

/// The reject of the record at `place`, which has no natural key for the reason in `message`.
pub(crate) fn without_key(place: Place, message: String, record: &Record) -> Reject {
    Reject { reason: Reason::BadKey, place, message, raw: beginning_as_json(record) }
}

/// The first KiB of a record as JSON.
fn beginning_as_json(record: &Record) -> String {
    let mut json = Vec::new();
    // Writing to memory does not fail.
    drop(record::write_record_json(record, &mut json));
    json.truncate(1_024);
    String::from_utf8_lossy(&json).into_owned()
}
