//! The work on a job that is claimed: check what there is to its last byte, then write its rows.

use std::sync::Arc;

use aws::{CallError, ledger::Progress, objects::ReadError, records::BATCH_ITEMS};
use domain::{
    job::{Change, Job, Reason},
    manifest::{self, Manifest},
    pipelines::{BadRows, Format, KeyTemplate, Pipeline},
    record,
};
use tokio::{
    io::AsyncRead,
    sync::{Semaphore, mpsc},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::run_job::{
    command::{self, Broken},
    job_progress::Doing,
    memory::Share,
    object_metadata,
    process_job::Workshop,
    rejects::Rejects,
    source::{self, Source},
    write::{self, Batched},
};
use readers::{Checked, Compression, Layout, Names, Rows, Tolerance};

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

/// Makes the object's rows as its pipeline says, and writes them. Of its bytes it holds no more than its share of the
/// memory; `room` is the leave to run a command, where the pipeline has one.
pub(crate) async fn work(
    workshop: &Workshop,
    job: &Job,
    share: &Share,
    room: Option<&command::Room>,
    doing: &Arc<Doing>,
) -> Result<Written, Left> {
    let object = &job.object;
    let visible = workshop.records.manifest(&object.bucket, &object.key).await.map_err(called)?;
    if visible.is_some_and(|visible| visible.sequencer > object.sequencer) {
        let newer = "a newer version of this key is visible already";
        return Err(Left::new(Change::Supersede, "superseded", newer));
    }
    let source = Source::new(workshop.objects.clone(), object.clone(), share.bytes());
    match (job.pipeline.format, room) {
        (Format::Command, Some(room)) => command::work(workshop, job, room, doing).await,
        (Format::Command, None) => {
            Err(Left::new(Change::Return, "internal", "a command without room to run"))
        }
        (Format::Object, _) => object_metadata::work(workshop, job, &source, doing).await,
        (Format::Auto | Format::Csv | Format::Jsonl | Format::Json, _) => {
            let options = options(&job.pipeline, workshop.memory.room());
            read_twice(workshop, job, &options, || source.open(), doing).await
        }
    }
}

/// Reads what `open` opens twice: once to its last byte, so that nothing is written of what does not pass, and once to
/// write its rows.
pub(crate) async fn read_twice<R: AsyncRead + Send + 'static>(
    workshop: &Workshop,
    job: &Job,
    options: &readers::Options,
    open: impl Fn() -> R,
    doing: &Arc<Doing>,
) -> Result<Written, Left> {
    let tolerance = tolerance(&job.pipeline);
    let checked = readers::check(open(), options, tolerance).await.map_err(unread)?;
    let rows = async || Rows::open(open(), options, Some(&checked.schema)).await.map_err(unread);
    let mut rejected = checked.rejected;
    if let Some(key) = &job.pipeline.key {
        rejected += check_keys(rows().await?, key, tolerance).await?;
    }
    let progress = Progress { records: checked.rows - rejected, rejected, format: Some(format_of(&checked)) };
    info!(job.id = %job.id, records = progress.records, rejected, format = progress.format, "checked");
    let spread = manifest::spread(checked.write_units);
    let tally = write_rows(workshop, job, rows().await?, spread, doing).await?;
    if tally.records != progress.records {
        let differs = format!("{} rows were checked and {} read again", progress.records, tally.records);
        return Err(Left::new(Change::Return, "internal", differs));
    }
    finish(workshop, job, spread, progress, checked.write_units, doing)
}

/// Reads what can be read only once, and writes its rows as they come. What comes to a bad end leaves rows that nobody
/// sees.
pub(crate) async fn read_once(
    workshop: &Workshop,
    job: &Job,
    options: &readers::Options,
    source: impl AsyncRead + Send + 'static,
    spread: u32,
    doing: &Arc<Doing>,
) -> Result<Written, Left> {
    let rows = Rows::open(source, options, None).await.map_err(unread)?;
    let tally = write_rows(workshop, job, rows, spread, doing).await?;
    let progress = Progress { records: tally.records, rejected: tally.rejected, format: None };
    finish(workshop, job, spread, progress, tally.write_units, doing)
}

/// What publishes the rows, if all of them are written.
pub(crate) fn finish(
    workshop: &Workshop,
    job: &Job,
    spread: u32,
    progress: Progress,
    write_units: u64,
    doing: &Doing,
) -> Result<Written, Left> {
    let rows = doing.records();
    if rows != progress.records {
        let differs = format!("{} rows were read and {rows} written", progress.records);
        return Err(Left::new(Change::Return, "internal", differs));
    }
    let manifest = Manifest::of(job, spread, rows, workshop.clock.now());
    Ok(Written { manifest, progress, write_units })
}

/// How many rows of an object may be refused.
fn tolerance(pipeline: &Pipeline) -> Tolerance {
    match pipeline.bad_rows {
        BadRows::RejectFile => Tolerance::None,
        BadRows::Skip | BadRows::Quarantine => Tolerance::Any,
    }
}

/// How a pipeline wants its objects read.
pub(crate) fn options(pipeline: &Pipeline, room: readers::Room) -> readers::Options {
    readers::Options {
        format: match pipeline.format {
            // Those that are not read here are of no format here.
            Format::Auto | Format::Command | Format::Object => readers::Format::Auto,
            Format::Csv => readers::Format::Csv,
            Format::Jsonl => readers::Format::JsonLines,
            Format::Json => readers::Format::Json,
        },
        // Only ASCII is allowed there.
        delimiter: pipeline.delimiter.and_then(|delimiter| delimiter.try_into().ok()),
        pointer: pipeline.records.clone(),
        columns: pipeline.columns.clone(),
        limits: readers::Limits::default(),
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

/// What was made of the rows that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    /// Good ones.
    records: u64,
    /// Those left out.
    rejected: u64,
    /// What the good ones cost.
    write_units: u64,
}

/// Writes rows, parsing on a task of its own while batches are in flight.
async fn write_rows(
    workshop: &Workshop,
    job: &Job,
    rows: Rows,
    spread: u32,
    doing: &Arc<Doing>,
) -> Result<Tally, Left> {
    let rejects = (job.pipeline.bad_rows == BadRows::Quarantine)
        .then(|| Rejects::create(&workshop.objects, &workshop.rejects_prefix, job));
    let (send, receive) = mpsc::channel(write::BATCHES_AHEAD);
    let producing = AbortOnDropHandle::new(tokio::spawn(produce(
        rows,
        rejects,
        job.pipeline.clone(),
        workshop.memory.rows(),
        send,
    )));
    write(workshop, job, spread, receive, doing).await?;
    producing.await.unwrap_or_else(|panic| {
        Err(Left::new(Change::Return, "internal", format!("the reader stopped unexpectedly: {panic}")))
    })
}

/// Writes batches where the pipeline wants its rows.
pub(crate) async fn write(
    workshop: &Workshop,
    job: &Job,
    spread: u32,
    batches: mpsc::Receiver<Batched>,
    doing: &Doing,
) -> Result<(), Left> {
    let (records, written) = (&workshop.records, &doing.written);
    match &job.pipeline.key {
        None => write::write_all(records, job, spread, batches, written).await,
        Some(key) => write::keep_all(records, job, key, batches, written).await,
    }
    .map_err(called)
}

/// Turns rows into batches until their end, and rejected rows into the rejects object. The memory that rows hold until
/// they are written is bounded by a budget, whatever their size.
async fn produce(
    mut rows: Rows,
    mut rejects: Option<Rejects>,
    pipeline: Pipeline,
    budget: Arc<Semaphore>,
    send: mpsc::Sender<Batched>,
) -> Result<Tally, Left> {
    let (tolerance, mut names) = (tolerance(&pipeline), Names::new(&pipeline.columns));
    let mut tally = Tally::default();
    let mut batch = Vec::with_capacity(BATCH_ITEMS);
    let mut bytes = 0;
    loop {
        let row = rows.next().await.map_err(unread)?;
        let ended = row.is_none();
        let row = row.map(|row| {
            let checked = row.content.and_then(|record| {
                names.note(&record);
                match &pipeline.key {
                    Some(key) => write::natural_key(key, &record).map(|_| record),
                    None => Ok(record),
                }
            });
            (row.number, checked)
        });
        match row {
            Some((number, Ok(record))) => {
                let size = record::size_bytes(&record);
                tally.records += 1;
                tally.write_units += readers::write_units(size);
                bytes += size;
                batch.push((number, record));
            }
            Some((number, Err(reject))) => {
                tally.rejected += 1;
                if tolerance == Tolerance::None {
                    let message = format!("row {number}: {}", reject.message);
                    return Err(Left::new(Change::Fail, reject.reason.code(), message));
                }
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
                return Ok(tally);
            }
        }
        if ended {
            break;
        }
    }
    if tally.records > 0 {
        names.check().map_err(|bad| unread(bad.into()))?;
    }
    match rejects {
        Some(rejects) if tally.rejected > 0 => rejects.finish().await.map_err(called)?,
        _ => {}
    }
    Ok(tally)
}

/// A call that failed, after the SDK's retries: the job is tried again by another task, later.
pub(crate) fn called(error: CallError) -> Left {
    let code = if error.is_retryable() { "try_again" } else { "misconfigured" };
    Left::new(Change::Return, code, telemetry::causes(&error))
}

/// An object that could not be read, or that is not what it should be; or a command's output that has no end.
pub(crate) fn unread(error: readers::ReadError) -> Left {
    match error {
        readers::ReadError::Bad(bad) => Left::new(Change::Fail, bad.reason.code(), bad.message),
        readers::ReadError::Source(error) => match error.downcast::<Broken>().map_err(source::read_error) {
            Ok(Broken(left)) => left,
            Err(Ok(ReadError::Call(error))) => called(error),
            Err(Ok(gone @ ReadError::Gone(_))) => Left::new(Change::Lose, "gone", gone.to_string()),
            Err(Ok(changed @ ReadError::Changed(_))) => {
                Left::new(Change::Supersede, "superseded", changed.to_string())
            }
            Err(Ok(damaged @ ReadError::Damaged { .. })) => {
                Left::new(Change::Return, "try_again", damaged.to_string())
            }
            Err(Err(error)) => Left::new(Change::Return, "internal", format!("the reader failed: {error}")),
        },
    }
}
