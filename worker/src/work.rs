//! The work on a job that is claimed: check the object to its last byte, then write its rows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tidemill_core::{
    adapter::{CallError, ledger::Progress, objects::ReadError, records::BATCH_ITEMS},
    job::{Change, Job, Reason},
    manifest::{self, Manifest},
    pipelines::{BadRows, Format, KeyTemplate, Pipeline},
    record,
};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::{
    job::Workshop,
    memory::Share,
    read::{self, Checked, Compression, Layout, Rows, Tolerance},
    rejects::Rejects,
    source::{self, Source},
    write::{self, Batched},
};

/// A job whose rows are all written: to be published.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) manifest: Manifest,
    pub(crate) progress: Progress,
    pub(crate) write_units: u64,
}

/// How a job is left that is not to be published, before the ledger is told.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) change: Change,
    pub(crate) reason: Reason,
    pub(crate) progress: Progress,
}

impl Left {
    pub(crate) fn new(change: Change, code: &str, message: impl Into<String>) -> Self {
        Self { change, reason: Reason::new(code, message), progress: Progress::default() }
    }
}

/// Checks and writes the object, of whose bytes it holds no more than its share of the memory.
pub(crate) async fn work(
    workshop: &Workshop,
    job: &Job,
    share: &Share,
    written: &Arc<AtomicU64>,
) -> Result<Written, Left> {
    let object = &job.object;
    let visible = workshop.records.manifest(&object.bucket, &object.key).await.map_err(called)?;
    if visible.is_some_and(|visible| visible.sequencer > object.sequencer) {
        let newer = "a newer version of this key is visible already";
        return Err(Left::new(Change::Supersede, "superseded", newer));
    }
    let source = Source::new(workshop.objects.clone(), object.clone(), share.bytes());
    let options = options(&job.pipeline, workshop.memory.room());
    let tolerance = match job.pipeline.bad_rows {
        BadRows::RejectFile => Tolerance::None,
        BadRows::Skip | BadRows::Quarantine => Tolerance::Any,
    };
    let checked = read::check(source.open(), &options, tolerance).await.map_err(unread)?;
    let open = async || Rows::open(source.open(), &options, Some(&checked.schema)).await.map_err(unread);
    let mut rejected = checked.rejected;
    if let Some(key) = &job.pipeline.key {
        rejected += check_keys(open().await?, key, tolerance).await?;
    }
    let progress = Progress { records: checked.rows - rejected, rejected, format: Some(format_of(&checked)) };
    info!(job.id = %job.id, records = progress.records, rejected, format = progress.format, "checked");
    let rejects = (job.pipeline.bad_rows == BadRows::Quarantine && rejected > 0)
        .then(|| Rejects::create(&workshop.objects, &workshop.rejects_prefix, job));
    let spread = manifest::spread(checked.write_units);
    write_rows(workshop, job, open().await?, rejects, spread, written).await?;
    let rows = written.load(Ordering::Relaxed);
    if rows != progress.records {
        let differs = format!("{} rows were checked and {rows} written", progress.records);
        return Err(Left::new(Change::Return, "internal", differs));
    }
    let manifest = Manifest::of(job, spread, rows, workshop.clock.now());
    Ok(Written { manifest, progress, write_units: checked.write_units })
}

/// How a pipeline wants its objects read.
fn options(pipeline: &Pipeline, room: read::Room) -> read::Options {
    read::Options {
        format: match pipeline.format {
            Format::Auto => read::Format::Auto,
            Format::Csv => read::Format::Csv,
            Format::Jsonl => read::Format::JsonLines,
            Format::Json => read::Format::Json,
        },
        // Only ASCII is allowed there.
        delimiter: pipeline.delimiter.and_then(|delimiter| delimiter.try_into().ok()),
        pointer: pipeline.records.clone(),
        columns: pipeline.columns.clone(),
        limits: read::Limits::default(),
        room,
    }
}

/// The format that was found, as file names would say it: `csv.gz`.
fn format_of(checked: &Checked) -> String {
    let layout = match checked.schema.layout {
        Layout::Delimited(b',') => "csv",
        Layout::Delimited(b'\t') => "tsv",
        Layout::Delimited(_) => "delimited",
        Layout::JsonLines => "jsonl",
        Layout::Json => "json",
    };
    let compression = match checked.compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    };
    format!("{layout}{compression}")
}

/// Counts the rows whose natural key cannot be one: the check of the text does not look at keys.
async fn check_keys(mut rows: Rows, key: &KeyTemplate, tolerance: Tolerance) -> Result<u64, Left> {
    let mut rejected = 0;
    while let Some(row) = rows.next().await.map_err(unread)? {
        let Ok(record) = row.content else { continue };
        let Err(reject) = write::natural_key(key, &record) else { continue };
        if tolerance == Tolerance::None {
            let message = format!("row {}: {}", row.number, reject.message);
            return Err(Left::new(Change::Fail, reject.reason.code(), message));
        }
        rejected += 1;
    }
    Ok(rejected)
}

/// Reads the object again and writes its rows, parsing on a task of its own while batches are in flight.
async fn write_rows(
    workshop: &Workshop,
    job: &Job,
    rows: Rows,
    rejects: Option<Rejects>,
    spread: u32,
    written: &Arc<AtomicU64>,
) -> Result<(), Left> {
    let (send, receive) = mpsc::channel(write::BATCHES_AHEAD);
    let producing = AbortOnDropHandle::new(tokio::spawn(produce(
        rows,
        rejects,
        job.pipeline.key.clone(),
        workshop.memory.rows(),
        send,
    )));
    match &job.pipeline.key {
        None => write::write_all(&workshop.records, job, spread, receive, written).await,
        Some(key) => write::keep_all(&workshop.records, job, key, receive, written).await,
    }
    .map_err(called)?;
    producing.await.unwrap_or_else(|panic| {
        Err(Left::new(Change::Return, "internal", format!("the reader stopped unexpectedly: {panic}")))
    })
}

/// Turns rows into batches until the end of the object, and rejected rows into the rejects object. The memory
/// that rows hold until they are written is bounded by a budget, whatever their size.
async fn produce(
    mut rows: Rows,
    mut rejects: Option<Rejects>,
    key: Option<KeyTemplate>,
    budget: Arc<Semaphore>,
    send: mpsc::Sender<Batched>,
) -> Result<(), Left> {
    let mut batch = Vec::with_capacity(BATCH_ITEMS);
    let mut bytes = 0;
    loop {
        let row = rows.next().await.map_err(unread)?;
        let ended = row.is_none();
        let row = row.map(|row| {
            let checked = row.content.and_then(|record| match &key {
                Some(key) => write::natural_key(key, &record).map(|_| record),
                None => Ok(record),
            });
            (row.number, checked)
        });
        match row {
            Some((number, Ok(record))) => {
                bytes += record::size_bytes(&record);
                batch.push((number, record));
            }
            Some((number, Err(reject))) => {
                if let Some(rejects) = &mut rejects {
                    rejects.add(number, &reject).await.map_err(called)?;
                }
            }
            None => {}
        }
        if batch.len() == BATCH_ITEMS || bytes >= write::BATCH_BYTES || (ended && !batch.is_empty()) {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ITEMS));
            // A single row of 400 KB fits: the budget is never smaller than what is asked of it.
            let share = u32::try_from(std::mem::take(&mut bytes)).unwrap_or(u32::MAX);
            let permit = budget.clone().acquire_many_owned(share).await.map_err(|closed| {
                Left::new(Change::Return, "internal", format!("the memory budget is gone: {closed}"))
            })?;
            if send.send(Batched { rows: full, permit }).await.is_err() {
                // The writer gave up and says why.
                return Ok(());
            }
        }
        if ended {
            break;
        }
    }
    match rejects {
        Some(rejects) => rejects.finish().await.map_err(called),
        None => Ok(()),
    }
}

/// A call that failed, after the SDK's retries: the job is tried again by another task, later.
pub(crate) fn called(error: CallError) -> Left {
    let code = if error.is_retryable() { "try_again" } else { "misconfigured" };
    Left::new(Change::Return, code, error.chain())
}

/// An object that could not be read, or that is not what it should be.
fn unread(error: read::ReadError) -> Left {
    match error {
        read::ReadError::Bad(bad) => Left::new(Change::Fail, bad.reason.code(), bad.message),
        read::ReadError::Source(error) => match source::read_error(error) {
            Ok(ReadError::Call(error)) => called(error),
            Ok(gone @ ReadError::Gone(_)) => Left::new(Change::Lose, "gone", gone.to_string()),
            Ok(changed @ ReadError::Changed(_)) => {
                Left::new(Change::Supersede, "superseded", changed.to_string())
            }
            Ok(damaged @ ReadError::Damaged { .. }) => {
                Left::new(Change::Return, "try_again", damaged.to_string())
            }
            Err(error) => Left::new(Change::Return, "internal", format!("the reader failed: {error}")),
        },
    }
}
