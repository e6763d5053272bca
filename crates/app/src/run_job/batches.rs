//! From rows to written rows: batches of them are made while others are being written.

use std::sync::Arc;

use aws::records::BATCH_ITEMS;
use domain::{
    drift::Observed,
    job::Change,
    pipelines::Pipeline,
    record::{self, Record},
    reject_counts::RejectCounts,
    verdict::Kind,
    volume::allows,
};
use readers::{Names, Place, Reject, Rows, SeenNames, Tolerance};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{
    job_exit::JobExit,
    job_run::JobRun,
    own_table::{self, OwnTable, Survey},
    reading::{columns_in_object, tolerance},
    rejects::{Rejects, beginning_as_json},
    write::{self, Batched, BatchedRows, RowWriter},
};

/// How many rows were read, and what writing them takes.
#[derive(Debug, Default)]
pub(crate) struct RowCounts {
    /// Good rows.
    pub(crate) records: u64,
    /// Bad rows that were left out.
    pub(crate) rejected: u64,
    /// These rows by reason.
    pub(crate) rejects: RejectCounts,
    /// Good rows that were repaired.
    pub(crate) repaired: u64,
    /// DynamoDB's write units of the good rows.
    pub(crate) write_units: u64,
    /// What the records' names and values are, if that is asked for.
    pub(crate) observed: Observed,
}

/// Whether the columns of rows are noted while they are written: a check before has noted them, where there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observing {
    Columns,
    Not,
}

/// Writes rows. Parsing runs on a task of its own while batches are in flight.
pub(crate) async fn write_rows(
    writer: RowWriter<'_>,
    rows: Rows,
    survey: Survey,
    observing: Observing,
) -> Result<RowCounts, JobExit> {
    let JobRun { services, job, .. } = writer.run;
    let rejects = (job.pipeline.bad_rows.keeps_rejects())
        .then(|| Rejects::create(&services.objects, &services.bucket, &services.rejects_prefix, job));
    let (send, receive) = mpsc::channel(write::BATCHES_AHEAD);
    let producing = AbortOnDropHandle::new(tokio::spawn(produce(
        rows,
        rejects,
        Making { pipeline: job.pipeline.clone(), table: writer.table.cloned(), survey },
        observing,
        services.memory.rows(),
        send,
    )));
    writer.write(receive).await?;
    producing.await.unwrap_or_else(|panic| {
        Err(JobExit::new(
            Change::Requeue,
            Kind::InternalError,
            format!("the reader stopped unexpectedly: {panic}"),
        ))
    })
}

/// What becomes of a row before it is written.
struct Making {
    pipeline: Pipeline,
    table: Option<OwnTable>,
    survey: Survey,
}

impl Making {
    fn batch(&self) -> BatchedRows {
        match &self.table {
            Some(_) => BatchedRows::Items(Vec::with_capacity(BATCH_ITEMS)),
            None => BatchedRows::Records(Vec::with_capacity(BATCH_ITEMS)),
        }
    }

    /// Adds a row to a batch and returns its size in bytes; none of a row that does not count since a later one has its key.
    fn add(
        &self,
        batch: &mut BatchedRows,
        row: u64,
        place: Place,
        record: Record,
    ) -> Result<Option<usize>, Reject> {
        match (batch, &self.table) {
            (BatchedRows::Items(items), Some(table)) => {
                if self.survey.repeated.has(row) {
                    if own_table::rejects_duplicates(&self.pipeline) {
                        return Err(own_table::repeated_key(place, None, beginning_as_json(&record)));
                    }
                    return Ok(None);
                }
                let item = table.item(row, place, record)?;
                let bytes = item.bytes;
                items.push(item);
                Ok(Some(bytes))
            }
            (BatchedRows::Items(_), None) => Ok(None),
            (BatchedRows::Records(records), _) => {
                if let Some(key) = &self.pipeline.key
                    && let Err(message) = write::natural_key(key, &record)
                {
                    return Err(write::without_key(place, message, &record));
                }
                let bytes = record::size_bytes(&record);
                records.push((row, record));
                Ok(Some(bytes))
            }
        }
    }
}

/// Turns rows into batches until the rows end, and rejected rows into the rejects object. A budget bounds the memory
/// that rows hold until they are written.
async fn produce(
    mut rows: Rows,
    mut rejects: Option<Rejects>,
    making: Making,
    observing: Observing,
    budget: Arc<Semaphore>,
    send: mpsc::Sender<Batched>,
) -> Result<RowCounts, JobExit> {
    let pipeline = &making.pipeline;
    let columns = columns_in_object(pipeline);
    let (tolerance, mut names) = (tolerance(pipeline), Names::new(&columns));
    let mut seen = (observing == Observing::Columns).then(|| SeenNames::new(&columns));
    let mut counts = RowCounts::default();
    let mut batch = making.batch();
    let mut bytes = 0;
    loop {
        let row = rows.next().await?;
        let ended = row.is_none();
        let row = row.map(|row| {
            let made = row.content.and_then(|record| {
                names.note(&record);
                if let Some(seen) = &mut seen {
                    seen.note(&record);
                }
                making.add(&mut batch, row.number, row.place, record)
            });
            (row.number, row.is_repaired, made)
        });
        match row {
            // A later row has its key.
            Some((_, _, Ok(None))) => {}
            Some((_, is_repaired, Ok(Some(size)))) => {
                counts.records += 1;
                counts.repaired += u64::from(is_repaired);
                counts.write_units += readers::write_units(size);
                bytes += size;
            }
            Some((number, _, Err(reject))) => {
                counts.rejected += 1;
                reject.count(&mut counts.rejects);
                if tolerance == Tolerance::None {
                    let message = format!("{}: {}", reject.place, reject.message);
                    return Err(JobExit::new(Change::Fail, reject.reason, message));
                }
                if let Some(rejects) = &mut rejects {
                    rejects.add(number, &reject).await?;
                }
            }
            None => {}
        }
        if batch.len() == BATCH_ITEMS || bytes >= write::BATCH_BYTES || (ended && !batch.is_empty()) {
            // Before, the whole text was checked, unless a command prints it.
            allows(pipeline, counts.records, counts.write_units, None)?;
            let full = std::mem::replace(&mut batch, making.batch());
            // A single row of 400 KB fits: the budget is larger than any batch.
            let permits = u32::try_from(std::mem::take(&mut bytes)).unwrap_or(u32::MAX);
            let permit = budget.clone().acquire_many_owned(permits).await.map_err(|closed| {
                JobExit::new(
                    Change::Requeue,
                    Kind::InternalError,
                    format!("the memory budget is closed: {closed}"),
                )
            })?;
            if send.send(Batched { rows: full, permit }).await.is_err() {
                // The writer has failed, and its error is the one that is reported.
                return Ok(counts);
            }
        }
        if ended {
            break;
        }
    }
    if counts.records > 0 {
        names.check().map_err(readers::ReadError::from)?;
    }
    tolerance.verify(&counts.rejects, counts.rejected + counts.records).map_err(readers::ReadError::from)?;
    match rejects {
        Some(rejects) if counts.rejected > 0 => rejects.finish().await?,
        _ => {}
    }
    counts.observed = seen.map(SeenNames::observed).unwrap_or_default();
    Ok(counts)
}
