//! `tidemill explain`: shows the timeline of an object, version by version.

mod advice;
mod history;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

use std::collections::HashMap;

use anyhow::Context;
use app::item_failures::ItemFailures;
use aws::versions::Version;
use domain::{
    job::{Job, JobId},
    object::{Object, Sequencer},
    pipelines::Pipelines,
    watched::Watched,
};

use self::history::{ObjectHistory, VersionHistory};
use super::{
    deployment::{self, Deployment},
    job_pages::{OpenJobs, SettledJobs},
    uri::{ObjectUri, Subject, subject},
};
use crate::{
    args::ExplainArguments,
    output::{WrongUse, one_line, print, print_document},
};

/// The most versions of a key that are shown: the newest.
const VERSIONS: usize = 1_000;

/// How far back the ledger is searched when no pipelines are known, from which the ids of the object's jobs follow.
const SEARCHED: &str = "24h";

/// Prints the timeline.
pub(crate) async fn run(arguments: &ExplainArguments) -> anyhow::Result<u8> {
    let subject = subject(&arguments.what)?;
    if let (Subject::Job(_), Some(_)) = (&subject, &arguments.version) {
        let words = "--version applies to an object (s3://BUCKET/KEY); a job belongs to one version already";
        return Err(WrongUse(words.to_owned()).into());
    }
    let given = arguments.pipelines.as_deref().map(read_pipelines).transpose()?;
    let deployment = Deployment::find(&arguments.target).await?;
    let mut failures = ItemFailures::default();
    let history = match subject {
        Subject::Job(name) => {
            let id = deployment.job_id(name).await?;
            of_job(&deployment, deployment.job(&id).await?).await?
        }
        Subject::Object(name) => {
            let object = deployment.watched_object(name)?;
            let pipelines = match given {
                Some(given) => Some(given),
                None => deployment.pipelines().await?,
            };
            let wanted = arguments.version.as_deref();
            of_object(&deployment, object, wanted, pipelines.as_ref(), &mut failures).await?
        }
    };
    if arguments.target.json {
        print_document(&history.to_json())?
    } else {
        print(&text::format(&history))?
    }
    failures.finish().context("some jobs could not be read, and are not shown")?;
    Ok(0)
}

/// The jobs of all versions of an object, the newest version's last.
pub(super) async fn jobs_of(deployment: &Deployment, object: ObjectUri) -> anyhow::Result<Vec<Job>> {
    let (pipelines, mut failures) = (deployment.pipelines().await?, ItemFailures::default());
    let history = of_object(deployment, object, None, pipelines.as_ref(), &mut failures).await?;
    failures.finish().context("some jobs could not be read")?;
    Ok(history.versions.into_iter().filter_map(|version| version.job.map(|(job, ..)| *job)).collect())
}

fn read_pipelines(file: &std::path::Path) -> anyhow::Result<Pipelines> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read the pipelines file {name}"))?;
    Ok(Pipelines::parse(&text, &name)?)
}

async fn of_job(deployment: &Deployment, job: Job) -> anyhow::Result<ObjectHistory> {
    let Object { bucket, key, .. } = job.object.clone();
    let visible = deployment.records.manifest(&bucket, &key).await?;
    let version = VersionHistory::of(job, None, visible.as_ref(), deployment);
    Ok(ObjectHistory { object: ObjectUri { bucket, key }, visible, versions: vec![version], is_cut: false })
}

async fn of_object(
    deployment: &Deployment,
    object: ObjectUri,
    wanted: Option<&str>,
    pipelines: Option<&Pipelines>,
    failures: &mut ItemFailures,
) -> anyhow::Result<ObjectHistory> {
    let (mut versions, is_cut) = versions(deployment, &object).await?;
    let visible = deployment.records.manifest(&object.bucket, &object.key).await?;
    if let Some(wanted) = wanted {
        versions.retain(|version| version.version_id == wanted);
    }
    let ids = versions.iter().map(|version| version.version_id.clone());
    // A version that was deleted from the bucket may have a job.
    let mut ids: Vec<String> = ids.chain(wanted.map(str::to_owned)).collect();
    ids.dedup();
    // The id of a job of an object without versions does not follow from what the bucket lists.
    let has_ids = !versions.iter().any(Version::is_unversioned);
    let mut jobs = match pipelines.filter(|_| has_ids) {
        Some(pipelines) => derived(deployment, &object, &ids, pipelines, failures).await?,
        None => searched(deployment, &object, failures).await?,
    };
    if let Some(visible) = &visible
        && let Some(its) = visible.replaceable_job().or(Some(&visible.job))
        && !jobs.iter().any(|job| job.id == *its)
    {
        jobs.extend(deployment.ledger.read(its).await?);
    }
    if let Some(wanted) = wanted {
        jobs.retain(|job| job.object.version_id.as_deref() == Some(wanted));
    }
    anyhow::ensure!(
        !(versions.is_empty() && jobs.is_empty()),
        "there is no object {}{}, and the ledger has no job of it",
        one_line(&object.to_string()),
        wanted.map(|id| format!(" of version {}", one_line(id))).unwrap_or_default()
    );
    let watched = deployment.watched()?;
    let mut shown = Vec::new();
    // Oldest first; the sort below keeps versions of the same second in this order.
    versions.reverse();
    for version in versions {
        let is_its = |job: &Job| match version.is_unversioned() {
            true => job.object.version_id.is_none() && job.object.etag == version.etag,
            false => job.object.version_id.as_deref() == Some(version.version_id.as_str()),
        };
        let (its, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(is_its);
        jobs = others;
        if its.is_empty() {
            let why = why_no_job(&version, &object, &watched, pipelines);
            shown.push(VersionHistory::without_job(version, why));
        } else {
            shown.extend(
                its.into_iter()
                    .map(|job| VersionHistory::of(job, Some(version.clone()), visible.as_ref(), deployment)),
            );
        }
    }
    shown.extend(jobs.into_iter().map(|job| VersionHistory::of(job, None, visible.as_ref(), deployment)));
    shown.sort_by_key(VersionHistory::order);
    Ok(ObjectHistory { object, visible, versions: shown, is_cut })
}

/// The newest versions of a key that the bucket holds, and whether there are older ones.
async fn versions(deployment: &Deployment, object: &ObjectUri) -> anyhow::Result<(Vec<Version>, bool)> {
    let mut found: Vec<Version> = Vec::new();
    let mut from = None;
    loop {
        let page = deployment.objects.versions(&object.bucket, &object.key, from).await?;
        let more = page.next.is_some();
        // S3 lists a key before all longer keys that start with it.
        let ended = page.versions.last().is_some_and(|version| version.key != object.key);
        found.extend(page.versions.into_iter().filter(|version| version.key == object.key));
        if found.len() > VERSIONS {
            found.truncate(VERSIONS);
            return Ok((found, true));
        }
        match page.next {
            Some(next) if more && !ended => from = Some(next),
            _ => return Ok((found, false)),
        }
    }
}

/// The jobs of these versions. Their ids follow from the version and each pipeline that may have matched.
async fn derived(
    deployment: &Deployment,
    object: &ObjectUri,
    versions: &[String],
    pipelines: &Pipelines,
    failures: &mut ItemFailures,
) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for version in versions {
        let of_version = Object {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version_id: Some(version.clone()),
            etag: None,
            sequencer: Sequencer::default(),
            size_bytes: None,
        };
        let of_pipelines: Vec<_> = pipelines.iter().map(|it| (it.name.as_str(), &of_version)).collect();
        jobs.extend(failures.read_jobs(deployment.ledger.read_versions(&of_pipelines).await?));
    }
    Ok(jobs)
}

/// The jobs of this object that are open, or settled recently.
async fn searched(
    deployment: &Deployment,
    object: &ObjectUri,
    failures: &mut ItemFailures,
) -> anyhow::Result<Vec<Job>> {
    eprintln!(
        "the deployment has not stored its pipelines yet, so only jobs of the last {SEARCHED} are found; --pipelines FILE finds all"
    );
    let now = deployment::now();
    let is_its = |job: &Job| job.object.bucket == object.bucket && job.object.key == object.key;
    let mut found: HashMap<JobId, Job> = HashMap::new();
    let mut keep = |jobs: Vec<Job>| {
        let some = jobs.into_iter().filter(is_its).take(VERSIONS.saturating_sub(found.len()));
        let some: Vec<Job> = some.collect();
        found.extend(some.into_iter().map(|job| (job.id.clone(), job)));
    };
    let mut open = OpenJobs::new(&deployment.ledger);
    while let Some(jobs) = open.next(failures).await? {
        keep(jobs);
    }
    let mut settled = SettledJobs::since(&deployment.ledger, super::time_arg(SEARCHED, now)?, now);
    while let Some(jobs) = settled.next(failures).await? {
        keep(jobs);
    }
    Ok(found.into_values().collect())
}

/// Why a version has no job.
fn why_no_job(
    version: &Version,
    object: &ObjectUri,
    watched: &Watched,
    pipelines: Option<&Pipelines>,
) -> String {
    if !watched.holds(&object.bucket, &object.key) {
        return format!("no job: only objects under {watched} are watched");
    }
    match pipelines {
        Some(pipelines) if pipelines.route(&version.key, Some(version.size_bytes)).is_none() => {
            "no job: no pipeline matches it".to_owned()
        }
        Some(_) => "no job yet: its event has not arrived; if it was lost, the hourly sweep creates the job"
            .to_owned(),
        None => format!("no job in the last {SEARCHED}"),
    }
}
