//! Writing batches into the records table as fast as it takes them and no faster.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws::{
    CallError,
    records::{Batch, Records},
};
use domain::{
    backoff,
    job::Job,
    pipelines::KeyTemplate,
    record::{self, Record},
};
use futures::{StreamExt, TryStreamExt, stream::FuturesUnordered};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use readers::{Reason, Reject};

/// Rows on their way, with the share of the memory budget that they hold until they are written.
#[derive(Debug)]
pub(crate) struct Batched {
    pub(crate) rows: Vec<(u64, Record)>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// How many batches are parsed ahead of the calls.
pub(crate) const BATCHES_AHEAD: usize = 4;

/// How many bytes of rows, by DynamoDB's count, a process may have parsed and not yet written. In memory a row of
/// short columns takes some ten times its count.
pub(crate) const BUDGET_BYTES: usize = 2 << 20;

/// A batch is closed at 25 rows, or at this many bytes. A single row may be larger: 400 KB at most.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// How many calls are in flight at first and at most. One BatchWriteItem takes some 10 ms and 25 rows; a fresh
/// table's 4,000 write units a second need a handful, a warm one's 40,000 need the most.
const FIRST_WINDOW: f64 = 8.0;
const LARGEST_WINDOW: f64 = 32.0;

/// How many PutItem calls of records under natural keys are in flight: one record each.
const PUTS_IN_FLIGHT: usize = 64;

/// The wait before unprocessed rows are sent again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often in a row a batch may come back with no row taken: some five minutes. Then the job is handed back.
const FRUITLESS_TRIES: u32 = 40;

/// Writes every batch that arrives and counts the rows in `written`. Calls in flight grow by one per window of
/// batches that DynamoDB took whole, and halve when it returned rows, as TCP does on a lost packet.
///
/// # Errors
/// [`CallError`] of the first batch that could not be written.
pub(crate) async fn write_all(
    records: &Records,
    job: &Job,
    spread: u32,
    mut batches: mpsc::Receiver<Batched>,
    written: &AtomicU64,
) -> Result<(), CallError> {
    let mut window = FIRST_WINDOW;
    let mut in_flight = FuturesUnordered::new();
    let mut open = true;
    while open || !in_flight.is_empty() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 32")]
        let room = in_flight.len() < window as usize;
        tokio::select! {
            batch = batches.recv(), if open && room => match batch {
                Some(Batched { rows, permit }) => {
                    let batch = Batch::of(job, spread, rows);
                    in_flight.push(write_one(records, batch, permit, written));
                }
                None => open = false,
            },
            Some(result) = in_flight.next(), if !in_flight.is_empty() => {
                window = match result? {
                    Taken::Whole => (window + 1.0 / window).min(LARGEST_WINDOW),
                    Taken::InParts => (window / 2.0).max(1.0),
                };
            }
        }
    }
    Ok(())
}

/// Whether DynamoDB took a batch in one call.
enum Taken {
    Whole,
    InParts,
}

async fn write_one(
    records: &Records,
    mut batch: Batch,
    _permit: OwnedSemaphorePermit,
    written: &AtomicU64,
) -> Result<Taken, CallError> {
    let mut fruitless = 0;
    let mut taken = Taken::Whole;
    loop {
        let rows = batch.len();
        batch = records.write(batch).await?.unprocessed;
        written.fetch_add((rows - batch.len()) as u64, Ordering::Relaxed);
        if batch.is_empty() {
            return Ok(taken);
        }
        taken = Taken::InParts;
        fruitless = if batch.len() < rows { 0 } else { fruitless + 1 };
        if fruitless > FRUITLESS_TRIES {
            return Err(CallError::exhausted(format!("write {rows} rows"), "DynamoDB took none of them"));
        }
        tokio::time::sleep(backoff::delay(fruitless, FIRST_WAIT, LONGEST_WAIT, fastrand::f64())).await;
    }
}

/// Writes every record that arrives under its natural key and counts them in `written`, refused ones included:
/// a newer version has those keys.
///
/// # Errors
/// [`CallError`] of the first record that could not be written.
pub(crate) async fn keep_all(
    records: &Records,
    job: &Job,
    key: &KeyTemplate,
    mut batches: mpsc::Receiver<Batched>,
    written: &AtomicU64,
) -> Result<(), CallError> {
    while let Some(Batched { rows, permit }) = batches.recv().await {
        let puts = rows.into_iter().map(async |(row, record)| {
            // A record without its key was rejected before.
            let Ok(key) = natural_key(key, &record) else { return Ok(()) };
            records.keep(job, &key, row, record).await?;
            written.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        futures::stream::iter(puts).buffer_unordered(PUTS_IN_FLIGHT).try_collect::<()>().await?;
        drop(permit);
    }
    Ok(())
}

/// DynamoDB's longest partition key, less what [`domain::manifest::natural_partition`] puts before ours.
const NATURAL_KEY_BYTES: usize = 2_048 - 70;

/// The natural key of a record, or why it has none.
pub(crate) fn natural_key(key: &KeyTemplate, record: &Record) -> Result<String, Reject> {
    let rejected = |message| Reject { reason: Reason::BadKey, message, raw: shown(record) };
    let key = key.of(record).map_err(|missing| rejected(missing.to_string()))?;
    if key.len() <= NATURAL_KEY_BYTES {
        return Ok(key);
    }
    Err(rejected(format!("the key has {} bytes, and {NATURAL_KEY_BYTES} fit", key.len())))
}

/// The beginning of a record as JSON.
fn shown(record: &Record) -> String {
    let mut json = Vec::new();
    // Writing to memory does not fail.
    drop(record::write_record_json(record, &mut json));
    json.truncate(1_024);
    String::from_utf8_lossy(&json).into_owned()
}
