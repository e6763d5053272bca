//! From bytes to written rows: read a source once or twice, and write its rows while it is being read.

use std::sync::Arc;

use aws::records::BATCH_ITEMS;
use domain::{
    drift::{Drifts, Observed},
    job::{Change, Progress},
    manifest,
    pipelines::{BadRows, DEFAULT_MAX_REJECTED, DEFAULT_MAX_REPAIRED, Format, KeyTemplate, Pipeline},
    record,
    text::count,
    verdict::Kind,
    volume::{Excess, allows},
};
use readers::{Checked, Compression, Dialect, Layout, Names, Reason, Rows, SeenNames, Tolerance};
use tokio::{
    io::AsyncRead,
    sync::{Semaphore, mpsc},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use super::{
    drift::{PipelineColumns, Settled},
    job_exit::{JobExit, Written},
    job_run::JobRun,
    rejects::Rejects,
    write::{self, Batched, RowWriter},
};

/// Reads what `open` opens twice: first to its last byte, so that nothing is written of a source that does not pass the
/// check, and then to write its rows.
pub(crate) async fn read_twice<S: Into<readers::Source>>(
    run: JobRun<'_>,
    options: &readers::Options,
    open: impl Fn() -> S + Sync,
) -> Result<Written, JobExit> {
    let job = run.job;
    let mut columns = PipelineColumns::read(run).await?;
    // Columns may turn out to be text by what other objects had: then the object is checked once more.
    let (checked, progress, options) = loop {
        let options = columns.options(options);
        let (mut checked, mut progress) = check_all(run, &options, &open).await?;
        if let Settled::Remembered(drifts) = columns.settle(&mut checked, progress.records).await? {
            progress.drifts = drifts;
            break (checked, progress, options);
        }
    };
    info!(
        job.id = %job.id,
        records = progress.records,
        rejected = progress.rejected,
        repaired = progress.repaired,
        format = progress.format,
        "checked job {}: {} to write",
        job.id,
        count(progress.records, "record")
    );
    for note in &checked.notes {
        info!(job.id = %job.id, "read job {}'s object otherwise than it is written: {note}", job.id);
    }
    let drifts = progress.drifts.clone();
    let written = write_checked(run, &options, open(), &checked, progress).await;
    written.map_err(|exit| exit.with_drifts(drifts))
}

/// The second reading: writes the rows that the check has found.
async fn write_checked(
    run: JobRun<'_>,
    options: &readers::Options,
    source: impl Into<readers::Source>,
    checked: &Checked,
    mut progress: Progress,
) -> Result<Written, JobExit> {
    let writer = RowWriter { run, shards: manifest::shards(checked.write_units) };
    let rows = Rows::open(source, options, Some(&checked.schema)).await?;
    let counts = write_rows(writer, rows, Observing::Not).await?;
    if counts.records != progress.records {
        let differs = format!(
            "the second read found {}, but the check found {}",
            count(counts.records, "record"),
            progress.records
        );
        return Err(JobExit::new(Change::Requeue, Kind::InternalError, differs));
    }
    // A repaired row without a natural key is rejected all the same.
    progress.repaired = counts.repaired;
    writer.finish(progress, checked.write_units)
}

/// The first reading: all that may fail the object before a row of it is written, but for what its columns were before.
async fn check_all<S: Into<readers::Source>>(
    run: JobRun<'_>,
    options: &readers::Options,
    open: &(impl Fn() -> S + Sync),
) -> Result<(Checked, Progress), JobExit> {
    let job = run.job;
    let tolerance = tolerance(&job.pipeline);
    let checked = readers::check(open(), options, tolerance).await?;
    let mut rejected = checked.rejected;
    if let Some(key) = &job.pipeline.key {
        let rows = Rows::open(open(), options, Some(&checked.schema)).await?;
        rejected += check_keys(rows, key, tolerance).await?;
        tolerance
            .verify(rejected, checked.rows, checked.first_rejects.first())
            .map_err(readers::ReadError::from)?;
    }
    let (records, format) = (checked.rows - rejected, Some(format_of(&checked)));
    // What a command prints has nothing to do with the size of the object.
    let uploaded = (job.pipeline.format != Format::Command).then_some(checked.bytes_in);
    allows(&job.pipeline, records, checked.write_units, uploaded).map_err(too_much)?;
    let repaired = checked.repaired;
    Ok((checked, Progress { records, rejected, repaired, format, drifts: Drifts::default() }))
}

/// Reads a source that can be read only once, and writes its rows to `shards` shards as they come. If it fails on the
/// way, the rows written so far stay invisible.
pub(crate) async fn read_once(
    run: JobRun<'_>,
    options: &readers::Options,
    source: impl AsyncRead + Send + 'static,
    shards: u32,
) -> Result<Written, JobExit> {
    let rows = Rows::open(source, options, None).await?;
    let writer = RowWriter { run, shards };
    let columns = PipelineColumns::read(run).await?;
    let counts = write_rows(writer, rows, Observing::Columns).await?;
    let drifts = columns.remember(&counts.observed, counts.records).await?.drifts;
    let RowCounts { records, rejected, repaired, .. } = counts;
    let progress = Progress { records, rejected, repaired, format: None, drifts };
    writer.finish(progress, counts.write_units)
}

/// The end of a job whose object would become too much.
fn too_much(excess: Excess) -> JobExit {
    JobExit::new(Change::Fail, excess.reason(), excess.to_string())
}

/// How many bad rows a pipeline accepts in an object.
pub(crate) fn tolerance(pipeline: &Pipeline) -> Tolerance {
    match pipeline.bad_rows {
        BadRows::RejectFile => Tolerance::None,
        BadRows::Skip | BadRows::Quarantine | BadRows::Repair => {
            Tolerance::Share(pipeline.max_rejected.unwrap_or(DEFAULT_MAX_REJECTED))
        }
    }
}

/// How a pipeline's objects are read.
pub(crate) fn read_options(pipeline: &Pipeline, buffers: readers::BufferPermits) -> readers::Options {
    readers::Options {
        format: match pipeline.format {
            // Objects of the last two formats do not reach the readers.
            Format::Auto | Format::Command | Format::Object | Format::Aws(_) => readers::Format::Auto,
            Format::Csv => readers::Format::Csv,
            Format::Jsonl => readers::Format::JsonLines,
            Format::Json => readers::Format::Json,
            Format::DynamodbJson => readers::Format::DynamodbJson,
            Format::Avro => readers::Format::Avro,
            Format::Parquet => readers::Format::Parquet,
            Format::Sheet => readers::Format::Sheet,
        },
        preset: if let Format::Aws(preset) = pipeline.format { Some(preset) } else { None },
        // The pipelines file allows ASCII delimiters only.
        delimiter: pipeline.delimiter.and_then(|delimiter| delimiter.try_into().ok()),
        table: pipeline.delimited.clone(),
        sheet: pipeline.sheet.clone(),
        encoding: pipeline.encoding.clone(),
        pointer: pipeline.records.clone(),
        columns: pipeline.columns.clone(),
        repair: (pipeline.bad_rows == BadRows::Repair)
            .then(|| pipeline.max_repaired.unwrap_or(DEFAULT_MAX_REPAIRED)),
        known: None,
        limits: readers::Limits::default(),
        buffers,
    }
}

/// The detected format, written like a file extension: `csv.gz`.
pub(crate) fn format_of(checked: &Checked) -> String {
    let layout = match checked.schema.layout {
        Layout::Delimited(Dialect { delimiter: Some(b',') | None, .. }) => "csv",
        Layout::Delimited(Dialect { delimiter: Some(b'\t'), .. }) => "tsv",
        Layout::Delimited(_) => "delimited",
        Layout::JsonLines => "jsonl",
        Layout::Json => "json",
        Layout::JsonSequence => "json-seq",
        Layout::DynamodbJson => "dynamodb-json",
        Layout::Avro => "avro",
        Layout::Parquet => "parquet",
        // A workbook is an archive by itself.
        Layout::Sheet(workbook, _) => return workbook.suffix().to_owned(),
    };
    let suffix = |compression| match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
        Compression::Bzip2 => ".bz2",
        Compression::Xz => ".xz",
        Compression::Zip => ".zip",
    };
    format!("{layout}{}{}", suffix(checked.inner_compression), suffix(checked.compression))
}

/// Counts the rows whose natural key is missing or too long: the check of the text does not look at keys.
async fn check_keys(mut rows: Rows, key: &KeyTemplate, tolerance: Tolerance) -> Result<u64, JobExit> {
    let mut rejected = 0;
    while let Some(row) = rows.next().await? {
        let Ok(record) = row.content else { continue };
        let Err(message) = write::natural_key(key, &record) else { continue };
        if tolerance == Tolerance::None {
            let message = format!("{}: {message}", row.place);
            return Err(JobExit::new(Change::Fail, Reason::BadKey, message));
        }
        rejected += 1;
    }
    Ok(rejected)
}

/// How many rows were read, and what writing them takes.
#[derive(Debug, Default)]
struct RowCounts {
    /// Good rows.
    records: u64,
    /// Bad rows that were left out.
    rejected: u64,
    /// Good rows that were repaired.
    repaired: u64,
    /// DynamoDB's write units of the good rows.
    write_units: u64,
    /// What the records' names and values are, if that is asked for.
    observed: Observed,
}

/// Whether the columns of rows are noted while they are written: a check before has noted them, where there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observing {
    Columns,
    Not,
}

/// Writes rows. Parsing runs on a task of its own while batches are in flight.
async fn write_rows(writer: RowWriter<'_>, rows: Rows, observing: Observing) -> Result<RowCounts, JobExit> {
    let JobRun { services, job, .. } = writer.run;
    let rejects = (job.pipeline.bad_rows.keeps_rejects())
        .then(|| Rejects::create(&services.objects, &services.rejects_prefix, job));
    let (send, receive) = mpsc::channel(write::BATCHES_AHEAD);
    let producing = AbortOnDropHandle::new(tokio::spawn(produce(
        rows,
        rejects,
        job.pipeline.clone(),
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

/// Turns rows into batches until the rows end, and rejected rows into the rejects object. A budget bounds the memory
/// that rows hold until they are written.
async fn produce(
    mut rows: Rows,
    mut rejects: Option<Rejects>,
    pipeline: Pipeline,
    observing: Observing,
    budget: Arc<Semaphore>,
    send: mpsc::Sender<Batched>,
) -> Result<RowCounts, JobExit> {
    let (tolerance, mut names) = (tolerance(&pipeline), Names::new(&pipeline.columns));
    let mut seen = (observing == Observing::Columns).then(|| SeenNames::new(&pipeline.columns));
    let mut counts = RowCounts::default();
    let mut batch = Vec::with_capacity(BATCH_ITEMS);
    let mut bytes = 0;
    loop {
        let row = rows.next().await?;
        let ended = row.is_none();
        let row = row.map(|row| {
            let checked = row.content.and_then(|record| {
                names.note(&record);
                if let Some(seen) = &mut seen {
                    seen.note(&record);
                }
                match &pipeline.key {
                    Some(key) => match write::natural_key(key, &record) {
                        Ok(_) => Ok(record),
                        Err(message) => Err(write::without_key(row.place, message, &record)),
                    },
                    None => Ok(record),
                }
            });
            (row.number, row.is_repaired, checked)
        });
        match row {
            Some((number, is_repaired, Ok(record))) => {
                let size = record::size_bytes(&record);
                counts.records += 1;
                counts.repaired += u64::from(is_repaired);
                counts.write_units += readers::write_units(size);
                bytes += size;
                batch.push((number, record));
            }
            Some((number, _, Err(reject))) => {
                counts.rejected += 1;
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
            allows(&pipeline, counts.records, counts.write_units, None).map_err(too_much)?;
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ITEMS));
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
    tolerance
        .verify(counts.rejected, counts.rejected + counts.records, None)
        .map_err(readers::ReadError::from)?;
    match rejects {
        Some(rejects) if counts.rejected > 0 => rejects.finish().await?,
        _ => {}
    }
    counts.observed = seen.map(SeenNames::observed).unwrap_or_default();
    Ok(counts)
}
