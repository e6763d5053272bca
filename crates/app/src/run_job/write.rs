//! Writes batches of rows to the records table as fast as the table accepts them.

use std::sync::Arc;

use aws::{CallError, records::Batch, tables::Table};
use domain::{
    destination::{TableCounts, TableItem},
    job::{Change, Progress},
    manifest::Manifest,
    pipelines::KeyTemplate,
    record::Record,
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
    own_table::{CALLS_IN_FLIGHT, OwnTable},
    rejects::beginning_as_json,
};

/// Rows to write, with the part of the memory budget that they hold until they are written.
#[derive(Debug)]
pub(crate) struct Batched {
    pub(crate) rows: BatchedRows,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Rows for the records table, or items for a table of the user's own.
#[derive(Debug)]
pub(crate) enum BatchedRows {
    Records(Vec<(u64, Record)>),
    Items(Vec<TableItem>),
}

impl BatchedRows {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Records(records) => records.len(),
            Self::Items(items) => items.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
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
    /// Where the rows go, if not to the records table.
    pub(crate) table: Option<&'a OwnTable>,
}

impl RowWriter<'_> {
    /// Writes every batch that arrives where the pipeline wants its records, and counts the rows in the progress of the
    /// attempt. A repeat writes identical rows.
    ///
    /// # Errors
    /// [`CallError`] of the first batch or record that could not be written.
    pub(crate) async fn write(self, batches: mpsc::Receiver<Batched>) -> Result<(), CallError> {
        match (self.table, &self.run.job.pipeline.key) {
            (Some(table), _) if table.is_guarded() => self.write_items(table, batches).await,
            (Some(_), _) | (None, None) => self.write_batches(batches).await,
            (None, Some(key)) => self.put_records(key, batches).await,
        }
    }

    /// What publishes the rows, if DynamoDB has taken all of them.
    pub(crate) fn finish(
        self,
        progress: Progress,
        duplicates: u64,
        write_units: u64,
    ) -> Result<Written, JobExit> {
        let JobRun { services, job, progress: written } = self.run;
        let counts = self.table.map(|_| TableCounts { duplicates, ..written.table_counts() });
        let rows = written.rows_written();
        // Where rows are written as they are read, only the writes show which of them have the same key.
        let unseen = if counts.is_some() { written.table_counts().duplicates } else { 0 };
        if rows != progress.records {
            let differs = format!("read {}, but wrote {rows}", count(progress.records, "record"));
            return Err(JobExit::new(Change::Requeue, Kind::InternalError, differs));
        }
        let progress = Progress {
            records: progress.records - unseen,
            table: counts.map(|counts| TableCounts { duplicates: counts.duplicates + unseen, ..counts }),
            ..progress
        };
        let rows = progress.records;
        let manifest = Manifest::of(job, self.shards, rows, services.clock.now());
        Ok(Written { manifest, progress, write_units, cleared: None })
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
                biased;
                Some(result) = in_flight.next(), if !in_flight.is_empty() => {
                    window = match result? {
                        Accepted::Whole => (window + 1.0 / window).min(LARGEST_WINDOW),
                        Accepted::InParts => (window / 2.0).max(1.0),
                    };
                }
                batch = batches.recv(), if open && has_capacity => match batch {
                    Some(batch) => in_flight.push(self.write_batch(batch)),
                    None => open = false,
                },
            }
        }
        Ok(())
    }

    /// Writes one batch until DynamoDB has taken all of its rows.
    async fn write_batch(self, batch: Batched) -> Result<Accepted, CallError> {
        // The permit is given back when the rows are written.
        let Batched { rows, permit: _permit } = batch;
        let mut batch = match rows {
            BatchedRows::Records(rows) => Batch::of(self.run.job, self.shards, rows),
            BatchedRows::Items(items) => Table::batch(items),
        };
        let mut fruitless = 0;
        let mut accepted = Accepted::Whole;
        loop {
            let rows = batch.len();
            let written = match self.table {
                Some(table) => table.table().write_batch(batch).await?,
                None => self.run.services.records.write(batch).await?,
            };
            batch = written.unprocessed;
            self.run.progress.add_rows((rows - batch.len()) as u64);
            self.run.progress.add_written((rows - batch.len()) as u64);
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

    /// Writes every item that arrives, many at a time over the ends of batches. A batch's memory is given back when its last
    /// item is written.
    async fn write_items(
        self,
        table: &OwnTable,
        mut batches: mpsc::Receiver<Batched>,
    ) -> Result<(), CallError> {
        let mut in_flight = FuturesUnordered::new();
        let mut open = true;
        while open || !in_flight.is_empty() {
            tokio::select! {
                biased;
                Some(result) = in_flight.next(), if !in_flight.is_empty() => result?,
                batch = batches.recv(), if open && in_flight.len() < CALLS_IN_FLIGHT => match batch {
                    Some(Batched { rows: BatchedRows::Items(items), permit }) => {
                        let permit = Arc::new(permit);
                        in_flight.extend(items.into_iter().map(|item| self.write_item(table, item, permit.clone())));
                    }
                    Some(Batched { rows: BatchedRows::Records(_), .. }) => {}
                    None => open = false,
                },
            }
        }
        Ok(())
    }

    async fn write_item(
        self,
        table: &OwnTable,
        item: TableItem,
        _permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<(), CallError> {
        table.write_item(self.run.job, item, self.run.progress).await
    }

    /// Writes every record under its natural key. Records that DynamoDB refuses count too: a newer version of the object
    /// has written their keys.
    async fn put_records(
        self,
        key: &KeyTemplate,
        mut batches: mpsc::Receiver<Batched>,
    ) -> Result<(), CallError> {
        let JobRun { services, job, progress } = self.run;
        while let Some(Batched { rows: BatchedRows::Records(rows), permit }) = batches.recv().await {
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
    Reject { reason: Reason::BadKey, column: None, place, message, raw: beginning_as_json(record) }
}
