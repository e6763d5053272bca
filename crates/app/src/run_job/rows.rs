//! From bytes to written rows: read a source once or twice, and write its rows while it is being read.

use domain::{
    job::{Change, Progress},
    manifest,
    pipelines::{Format, KeyTemplate},
    reject_counts::RejectCounts,
    text::count,
    verdict::Kind,
    volume::allows,
};
use futures::FutureExt;
use readers::{Checked, Reason, Rows, Tolerance};
use tokio::io::AsyncRead;
use tracing::info;

use super::{
    batches::{Observing, RowCounts, write_rows},
    drift::{PipelineColumns, Settled},
    job_exit::{JobExit, Written},
    job_run::JobRun,
    own_table::{self, OwnTable, Survey},
    reading::{ReadAs, format_of, tolerance},
    write::{self, RowWriter},
};

/// Reads what `open` opens twice: first to its last byte, so that nothing is written of a source that does not pass the
/// check, and then to write its rows.
pub(crate) async fn read_twice<S: Into<readers::Source> + Send + 'static>(
    run: JobRun<'_>,
    options: &readers::Options,
    open: impl Fn() -> S + Sync,
) -> Result<(Written, ReadAs), JobExit> {
    let job = run.job;
    let table = OwnTable::open(run).await?;
    let mut columns = PipelineColumns::read(run).await?;
    // Columns may turn out to be text by what other objects had: then the object is checked once more.
    let (object, options) = loop {
        let options = columns.options(options);
        let mut object = check_all(run, table.as_ref(), &options, &open).await?;
        if let Settled::Remembered(drifts) =
            columns.settle(&mut object.checked, object.progress.records).await?
        {
            object.progress.drifts = drifts;
            break (object, options);
        }
    };
    let progress = &object.progress;
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
    for note in &object.checked.notes {
        info!(job.id = %job.id, "read job {}'s object otherwise than it is written: {note}", job.id);
    }
    let drifts = progress.drifts.clone();
    let shards = manifest::shards(object.checked.write_units);
    let writer = RowWriter { run, shards, table: table.as_ref() };
    let read_as = ReadAs { options, schema: object.checked.schema.clone() };
    let written = write_checked(writer, &read_as, open(), object).await;
    written.map(|written| (written, read_as)).map_err(|exit| exit.with_drifts(drifts))
}

/// An object that passed the first reading.
struct CheckedObject {
    checked: Checked,
    /// What is known of the keys of its rows, where they go to a table of the user's own.
    survey: Survey,
    progress: Progress,
}

/// The second reading: writes the rows that the check has found.
async fn write_checked(
    writer: RowWriter<'_>,
    read_as: &ReadAs,
    source: impl Into<readers::Source>,
    object: CheckedObject,
) -> Result<Written, JobExit> {
    let CheckedObject { checked, survey, mut progress } = object;
    let duplicates = survey.duplicates(&writer.run.job.pipeline);
    let rows = Rows::open(source, &read_as.options, Some(&read_as.schema)).await?;
    let counts = write_rows(writer, rows, survey, Observing::Not).await?;
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
    // In the order of the rows, with those whose keys are bad among them.
    progress.rejects = counts.rejects;
    writer.finish(progress, duplicates, checked.write_units)
}

/// The first reading: all that may fail the object before a row of it is written, but for what its columns were before.
async fn check_all<S: Into<readers::Source> + Send + 'static>(
    run: JobRun<'_>,
    table: Option<&OwnTable>,
    options: &readers::Options,
    open: &(impl Fn() -> S + Sync),
) -> Result<CheckedObject, JobExit> {
    let job = run.job;
    let tolerance = tolerance(&job.pipeline);
    let checked = readers::check(open(), options, tolerance).await?;
    let rows = || Rows::open(open(), options, Some(&checked.schema)).boxed();
    let mut rejects = checked.rejects.clone();
    let mut survey = Survey::default();
    match (table, &job.pipeline.key) {
        (Some(table), _) => {
            survey = own_table::survey(table, &rows, checked.rows, tolerance).await?;
            rejects.extend(&survey.refused);
            rejects.add_rows(Reason::RepeatedKey, None, survey.rejected(&job.pipeline));
        }
        (None, Some(key)) => rejects.extend(&check_keys(rows().await?, key, tolerance).await?),
        (None, None) => {}
    }
    if table.is_some() || job.pipeline.key.is_some() {
        tolerance.verify(&rejects, checked.rows).map_err(readers::ReadError::from)?;
    }
    let rejected = rejects.rows();
    let records = checked.rows - rejected - survey.duplicates(&job.pipeline);
    // What a command prints has nothing to do with the size of the object.
    let uploaded = (job.pipeline.format != Format::Command).then_some(checked.bytes_in);
    allows(&job.pipeline, records, checked.write_units, uploaded)?;
    let (repaired, format) = (checked.repaired, Some(format_of(&checked)));
    let progress = Progress { records, rejected, rejects, repaired, format, ..Progress::default() };
    Ok(CheckedObject { checked, survey, progress })
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
    let table = OwnTable::open(run).await?;
    let writer = RowWriter { run, shards, table: table.as_ref() };
    let columns = PipelineColumns::read(run).await?;
    let counts = write_rows(writer, rows, Survey::default(), Observing::Columns).await?;
    let drifts = columns.remember(&counts.observed, counts.records).await?.drifts;
    let RowCounts { records, rejected, rejects, repaired, .. } = counts;
    let progress = Progress { records, rejected, rejects, repaired, drifts, ..Progress::default() };
    writer.finish(progress, 0, counts.write_units)
}

/// Counts the rows whose natural key is missing or too long: the check of the text does not look at keys.
async fn check_keys(
    mut rows: Rows,
    key: &KeyTemplate,
    tolerance: Tolerance,
) -> Result<RejectCounts, JobExit> {
    let mut rejects = RejectCounts::default();
    while let Some(row) = rows.next().await? {
        let Ok(record) = row.content else { continue };
        let Err(message) = write::natural_key(key, &record) else { continue };
        if tolerance == Tolerance::None {
            let message = format!("{}: {message}", row.place);
            return Err(JobExit::new(Change::Fail, Reason::BadKey, message));
        }
        rejects.add(Reason::BadKey, None, || format!("{}: {message}", row.place));
    }
    Ok(rejects)
}
