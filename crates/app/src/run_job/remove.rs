//! Items that go from a table of the user's own before their version is, or stays, the newest: what a deletion removes, and
//! what a version takes back that does not become visible.
//!
//! The keys of the items follow from the rows of the versions, which the bucket still has behind a delete marker. Where it has
//! them no more, or a version's items do not follow from its bytes, the whole table is read for items of the object.

use domain::{
    destination::{TableCounts, guard},
    job::{Change, Job, Progress, Removal, State},
    object::Sequencer,
    pipelines::Format,
    text::count,
    verdict::Kind,
};
use tracing::info;

use super::{job_exit::JobExit, job_run::JobRun, own_table::OwnTable, version_rows::VersionRows};
use crate::replay::jobs_of;

/// Removes what the deletion says whose job this is. A repeat removes what is left.
pub(crate) async fn remove(run: JobRun<'_>, removal: Removal) -> Result<Progress, JobExit> {
    let job = run.job;
    let (deleted, how) = match removal {
        Removal::Only => (delete_found(run, guard::THIS_VERSION).await?, SCANNED),
        Removal::UpTo { versions } => match delete_rows(run, versions).await? {
            Some(deleted) => (deleted, "read its versions again"),
            None => (delete_found(run, guard::THIS_OR_OLDER_VERSION).await?, SCANNED),
        },
    };
    let table = job.pipeline.destination.as_ref().map(|destination| destination.table.to_string());
    info!(
        job.id = %job.id,
        object.key = job.object.key,
        table,
        deleted,
        "removed {} of {}, which was deleted: {how}",
        count(deleted, "item"),
        job.object.uri()
    );
    let table = Some(TableCounts { deleted, ..TableCounts::default() });
    Ok(Progress { table, format: Some("deletion".to_owned()), ..Progress::default() })
}

const SCANNED: &str = "read the whole table";

/// Deletes what the job's version has written, which does not become visible: a newer one has taken its place, and then what
/// older versions wrote goes, too; or the object was deleted.
pub(crate) async fn take_back(run: JobRun<'_>, change: Change) -> Result<(), JobExit> {
    let job = run.job;
    let condition =
        if change == Change::Supersede { guard::THIS_OR_OLDER_VERSION } else { guard::THIS_VERSION };
    let deleted = match open(run, job).await? {
        Some(readings) => {
            let mut deleted = 0;
            for rows in readings {
                deleted += rows.delete(job, condition, None).await?;
            }
            deleted
        }
        None => delete_found(run, condition).await?,
    };
    let items = count(deleted, "item");
    info!(job.id = %job.id, deleted, "took back {items} of {}, which does not become visible", job.object);
    Ok(())
}

/// Deletes the items of all rows of the versions up to the place of the job. `None` if they are not all there to be read.
async fn delete_rows(run: JobRun<'_>, versions: Option<u64>) -> Result<Option<u64>, JobExit> {
    let Some(versions) = versions else { return Ok(None) };
    let Some(jobs) = jobs_up_to(run, versions).await? else { return Ok(None) };
    let mut deleted = 0;
    for old in &jobs {
        // Where the job of that version wrote, whatever the pipeline says today.
        let Some(readings) = open(JobRun { job: old, ..run }, old).await? else { return Ok(None) };
        for rows in readings {
            deleted += rows.delete(run.job, guard::THIS_OR_OLDER_VERSION, None).await?;
        }
    }
    Ok(Some(deleted))
}

/// The jobs that may have written items of versions up to the place of the job: of the last published ones, this many, and
/// of those that were never published, such as failed ones, since the one before. `None` if not all of them are in the bucket.
async fn jobs_up_to(run: JobRun<'_>, published: u64) -> Result<Option<Vec<Job>>, JobExit> {
    let JobRun { services, job, .. } = run;
    let object = &job.object;
    let (mut jobs, mut found) = (Vec::new(), 0);
    for version in services.objects.versions_of(&object.bucket, &object.key).await?.versions {
        let version = version.object(&object.bucket, Sequencer::default());
        let of_version = jobs_of(&services.ledger, &job.pipeline.name, &version).await?;
        // What was put after the deletion keeps its items.
        let of_version: Vec<Job> =
            of_version.into_iter().filter(|it| it.object.sequencer <= object.sequencer).collect();
        let is_published = of_version.iter().any(|it| it.state() == State::Done);
        if is_published && found == published {
            break;
        }
        found += u64::from(is_published);
        // Items of a job without provenance cannot be told from the application's.
        let has_provenance =
            |it: &Job| it.pipeline.destination.as_ref().is_some_and(|to| to.provenance.is_some());
        let has_written = |it: &Job| it.fence > 0 && has_provenance(it);
        jobs.extend(of_version.into_iter().filter(has_written));
    }
    Ok((found == published).then_some(jobs))
}

/// The rows of a version; `None` if its items do not follow from its bytes, or these are gone.
async fn open(run: JobRun<'_>, old: &Job) -> Result<Option<Vec<VersionRows>>, JobExit> {
    match old.pipeline.format {
        Format::Command | Format::Object => Ok(None),
        _ => VersionRows::open(run, old).await,
    }
}

/// Reads the whole table for items of the job's object, and deletes those that `condition` allows.
async fn delete_found(run: JobRun<'_>, condition: &'static str) -> Result<u64, JobExit> {
    let JobRun { services, job, .. } = run;
    let Some(destination) = &job.pipeline.destination else {
        let message = format!("pipeline {} writes to no table of one's own", job.pipeline.name);
        return Err(JobExit::new(Change::Requeue, Kind::InternalError, message));
    };
    let table = OwnTable::of(services, job, destination).await?;
    Ok(table.delete_found(job, condition).await?)
}
