//! `write = "replace"`: what an older version of an object wrote and the newest lacks is deleted.
//!
//! Versions of one object may be written at the same time. So there are two rules, and together they leave nothing behind:
//! a version deletes, before it is published, what the versions since the last published one have written and it lacks; and
//! a version that was overtaken deletes what it has written itself, before its job settles
//! ([`take_back`](super::take_back)). A version that was published between the two was not overtaken and may have written
//! since: then what is missing is deleted once more.
//!
//! Keys are compared by their hashes, a million at a time, so that only items that are missing cost a call.

use aws::versions::Version;
use domain::{
    destination::{KeySet, WriteMode, guard, passes},
    job::Job,
    manifest::Manifest,
    object::Sequencer,
    publish,
    text::count,
};
use tracing::{info, warn};

use super::{
    job_exit::{Cleared, JobExit, Written},
    job_run::JobRun,
    own_table::{OwnTable, add_keys},
    reading::{ReadAs, tolerance},
    source::Source,
    version_rows::VersionRows,
};
use crate::replay::jobs_of;

/// Deletes the items that older versions of the job's object have written and this version, which is `written` and was read
/// as `read_as` says, lacks; and counts them. Does nothing where the pipeline does not say so, nor for a version that does
/// not become visible.
pub(crate) async fn delete_missing(
    run: JobRun<'_>,
    mut written: Written,
    read_as: ReadAs,
) -> Result<Written, JobExit> {
    let JobRun { services, job, .. } = run;
    let Some(destination) = job.pipeline.destination.as_ref().filter(|it| it.write == WriteMode::Replace)
    else {
        return Ok(written);
    };
    let visible = services.records.manifest(&job.object.bucket, &job.object.key).await?;
    if let Some(obstacle) = publish::obstacle(visible.as_ref(), &written.manifest) {
        return Err(JobExit::of(obstacle, written.progress));
    }
    let was_visible = visible.as_ref().map(|visible| visible.job.clone());
    let mut older = Vec::new();
    for old in older_jobs(run, visible).await? {
        match VersionRows::open(run, &old).await? {
            Some(rows) => older.extend(rows),
            None => gone(job, old.object.version_id.as_deref().unwrap_or_default()),
        }
    }
    if older.is_empty() {
        written.cleared = Some(Cleared { visible: was_visible, read_as });
        return Ok(written);
    }
    let count_of_newest = written.progress.records + written.progress.rejected;
    let newest = VersionRows {
        table: OwnTable::of(services, job, destination).await?,
        source: Source::new(services.objects.clone(), job.object.clone(), 0),
        read_as,
        count: count_of_newest,
    };
    let most = older.iter().map(|old| old.count).chain([newest.count]).max().unwrap_or_default();
    let passes = passes(most);
    let mut deleted = 0;
    for pass in 0..passes {
        let mut keys = KeySet::new(pass, passes);
        // The reader's buffer is given back before an older version takes one.
        add_keys(&newest.table, newest.rows().await?, &mut keys, tolerance(&job.pipeline)).await?;
        for old in &older {
            deleted += old.delete(job, guard::OLDER_VERSION, Some(&keys)).await?;
        }
    }
    if let Some(counts) = &mut written.progress.table {
        counts.deleted += deleted;
    }
    written.cleared = Some(Cleared { visible: was_visible, read_as: newest.read_as });
    let items = count(deleted, "item");
    info!(job.id = %job.id, deleted, "deleted {items} that older versions of {} have and it lacks", job.object);
    Ok(written)
}

/// Deletes again what is missing, as another version became visible since.
pub(crate) async fn delete_missing_again(run: JobRun<'_>, mut written: Written) -> Result<Written, JobExit> {
    match written.cleared.take() {
        Some(Cleared { read_as, .. }) => delete_missing(run, written, read_as).await,
        None => Ok(written),
    }
}

/// The jobs of older versions that may have items in the table: those since the version that is published, itself
/// included, which were ever claimed.
async fn older_jobs(run: JobRun<'_>, published: Option<Manifest>) -> Result<Vec<Job>, JobExit> {
    let JobRun { services, job, .. } = run;
    let object = &job.object;
    // The manifest of a deletion names no version whose job has deleted what was before it.
    let published = published.filter(|published| published.deleted.is_none());
    // A replay: an earlier job of this version is published, and has deleted what was before it.
    if published.as_ref().is_some_and(|it| it.version_id.is_some() && it.version_id == object.version_id) {
        return Ok(Vec::new());
    }
    let versions = services.objects.versions_of(&object.bucket, &object.key).await?.versions;
    let is_this = |version: &Version| Some(&version.version_id) == object.version_id.as_ref();
    let older = versions.iter().position(is_this).map_or(&[][..], |this| &versions[this + 1..]);
    let mut jobs = Vec::new();
    let mut found_published = false;
    for version in older {
        let is_published =
            published.as_ref().filter(|it| it.version_id.as_ref() == Some(&version.version_id));
        let found = match is_published {
            Some(published) => services.ledger.read(&published.job).await?.into_iter().collect(),
            None => {
                let version = version.object(&object.bucket, Sequencer::default());
                jobs_of(&services.ledger, &job.pipeline.name, &version).await?
            }
        };
        jobs.extend(found.into_iter().filter(|old| old.fence > 0));
        // It has deleted what was before it.
        if is_published.is_some() {
            found_published = true;
            break;
        }
    }
    if let Some(published) = published.filter(|it| !found_published && it.job != job.id) {
        gone(job, published.version_id.as_deref().unwrap_or("without versions"));
    }
    Ok(jobs)
}

/// Says that an older version cannot be read any more, and what that means.
fn gone(job: &Job, version: &str) {
    warn!(
        job.id = %job.id,
        version,
        "version {version} of {} does not exist any more: its items that the newer version lacks stay in the table",
        job.object
    );
}
