//! `tidemill explain`: what happened to an object, version by version, in order of time.

mod advice;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

use std::collections::HashMap;

use anyhow::Context;
use aws::versions::Version;
use domain::{
    job::{Job, JobId},
    manifest::Manifest,
    object::{Object, Sequencer},
    pipelines::Pipelines,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::{
    advice::advice,
    timeline::{Line, timeline},
};
use super::{
    deployment::{self, Deployment},
    format_job::job_to_json,
    job_pages::{OpenJobs, SettledJobs},
    uri::{ObjectUri, Subject, subject},
};
use crate::{
    args::ExplainArguments,
    output::{one_line, print, print_document},
};

/// How many versions of a key are told of, the newest.
const VERSIONS: usize = 1_000;

/// How far back the ledger is searched where no pipelines say which jobs an object has.
const SEARCHED: &str = "24h";

/// All that is told of an object.
#[derive(Debug)]
struct Told {
    object: ObjectUri,
    /// What is visible of it.
    visible: Option<Manifest>,
    /// Its versions, the newest last.
    versions: Vec<OfVersion>,
    /// Whether there are older ones.
    is_cut: bool,
}

/// All that is told of one version.
#[derive(Debug)]
struct OfVersion {
    version_id: Option<String>,
    /// The version, while the bucket holds it.
    version: Option<Version>,
    /// Its job, and what happened to that and can be done about it.
    job: Option<(Box<Job>, Vec<Line>, Vec<String>)>,
    /// Why it has none.
    untold: Option<String>,
}

/// Tells it.
pub(crate) async fn run(arguments: &ExplainArguments) -> anyhow::Result<u8> {
    let subject = subject(&arguments.what)?;
    let given = arguments.pipelines.as_deref().map(read_pipelines).transpose()?;
    let deployment = Deployment::find(&arguments.target).await?;
    let told = match subject {
        Subject::Job(id) => {
            anyhow::ensure!(
                arguments.version.is_none(),
                "a job is of one version: --version goes with an object, as s3://BUCKET/KEY"
            );
            of_job(&deployment, deployment.job(&id).await?).await?
        }
        Subject::Object(object) => {
            deployment.owns(&object)?;
            let pipelines = match given {
                Some(given) => Some(given),
                None => deployment.pipelines().await?,
            };
            of_object(&deployment, object, arguments.version.as_deref(), pipelines.as_ref()).await?
        }
    };
    if arguments.target.json {
        print_document(&told.to_json())?
    } else {
        print(&text::write(&told))?
    }
    Ok(0)
}

fn read_pipelines(file: &std::path::Path) -> anyhow::Result<Pipelines> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read the pipelines file {name}"))?;
    Ok(Pipelines::parse(&text, &name)?)
}

async fn of_job(deployment: &Deployment, job: Job) -> anyhow::Result<Told> {
    let Object { bucket, key, .. } = job.object.clone();
    let visible = deployment.records.manifest(&bucket, &key).await?;
    let told = OfVersion::of(job, None, deployment);
    Ok(Told { object: ObjectUri { bucket, key }, visible, versions: vec![told], is_cut: false })
}

async fn of_object(
    deployment: &Deployment,
    object: ObjectUri,
    wanted: Option<&str>,
    pipelines: Option<&Pipelines>,
) -> anyhow::Result<Told> {
    let (mut versions, is_cut) = versions(deployment, &object).await?;
    let visible = deployment.records.manifest(&object.bucket, &object.key).await?;
    if let Some(wanted) = wanted {
        versions.retain(|version| version.version_id == wanted);
    }
    let ids = versions.iter().map(|version| version.version_id.clone());
    // One that is deleted from the bucket may have had a job.
    let mut ids: Vec<String> = ids.chain(wanted.map(str::to_owned)).collect();
    ids.dedup();
    let mut jobs = match pipelines {
        Some(pipelines) => derived(deployment, &object, &ids, pipelines).await?,
        None => searched(deployment, &object).await?,
    };
    if let Some(visible) = &visible
        && !jobs.iter().any(|job| job.id == visible.job)
    {
        jobs.extend(deployment.ledger.read(&visible.job).await?);
    }
    if let Some(wanted) = wanted {
        jobs.retain(|job| job.object.version_id.as_deref() == Some(wanted));
    }
    anyhow::ensure!(
        !(versions.is_empty() && jobs.is_empty()),
        "there is no object {}{}, and the ledger knows no job of it",
        one_line(&object.to_string()),
        wanted.map(|id| format!(" of version {}", one_line(id))).unwrap_or_default()
    );
    let prefix = deployment.watched_prefix()?;
    let mut told = Vec::new();
    // As they are told, so that those of the same second stay in order.
    versions.reverse();
    for version in versions {
        let is_its = |job: &Job| job.object.version_id.as_deref() == Some(version.version_id.as_str());
        let (its, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(is_its);
        jobs = others;
        if its.is_empty() {
            let untold = untold(&version, prefix, pipelines);
            told.push(OfVersion::unrecorded(version, untold));
        } else {
            told.extend(its.into_iter().map(|job| OfVersion::of(job, Some(version.clone()), deployment)));
        }
    }
    told.extend(jobs.into_iter().map(|job| OfVersion::of(job, None, deployment)));
    told.sort_by_key(OfVersion::at);
    Ok(Told { object, visible, versions: told, is_cut })
}

/// The newest versions of a key that the bucket holds, and whether there are older ones.
async fn versions(deployment: &Deployment, object: &ObjectUri) -> anyhow::Result<(Vec<Version>, bool)> {
    let mut found: Vec<Version> = Vec::new();
    let mut from = None;
    loop {
        let page = deployment.objects.versions(&object.bucket, &object.key, from).await?;
        let more = page.next.is_some();
        // A key comes before all keys that only begin with it.
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

/// The jobs that these versions have, whichever pipeline took them: an id is derived from a pipeline and a version.
async fn derived(
    deployment: &Deployment,
    object: &ObjectUri,
    versions: &[String],
    pipelines: &Pipelines,
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
        let ids: Vec<JobId> =
            pipelines.iter().map(|pipeline| JobId::derive(&pipeline.name, &of_version)).collect();
        jobs.extend(deployment.ledger.read_all(&ids).await?);
    }
    Ok(jobs)
}

/// The jobs of this object that are open, or settled lately.
async fn searched(deployment: &Deployment, object: &ObjectUri) -> anyhow::Result<Vec<Job>> {
    eprintln!(
        "the deployment has kept no pipelines yet: only jobs of the last {SEARCHED} are found; --pipelines FILE finds all"
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
    while let Some(jobs) = open.next().await? {
        keep(jobs);
    }
    let mut settled = SettledJobs::since(&deployment.ledger, super::moment(SEARCHED, now)?, now);
    while let Some(jobs) = settled.next().await? {
        keep(jobs);
    }
    Ok(found.into_values().collect())
}

/// Why a version has no job.
fn untold(version: &Version, prefix: &str, pipelines: Option<&Pipelines>) -> String {
    if !version.key.starts_with(prefix) {
        return format!("no job: only objects under {prefix} are watched");
    }
    match pipelines {
        Some(pipelines) if pipelines.route(&version.key, Some(version.size_bytes)).is_none() => {
            "no job: no pipeline takes it".to_owned()
        }
        Some(_) => "no job yet: its event is on its way, or lost; then the hourly sweep finds it".to_owned(),
        None => "no job of the last day".to_owned(),
    }
}

impl OfVersion {
    fn of(job: Job, version: Option<Version>, deployment: &Deployment) -> Self {
        let now = deployment::now();
        let lines = timeline(&job, deployment.pooled(), now);
        let advice = advice(&job, now);
        let version_id = job.object.version_id.clone();
        Self { version_id, version, job: Some((Box::new(job), lines, advice)), untold: None }
    }

    fn unrecorded(version: Version, untold: String) -> Self {
        let version_id = Some(version.version_id.clone());
        Self { version_id, version: Some(version), job: None, untold: Some(untold) }
    }

    /// What versions are in order of.
    fn at(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let put_at = self.version.as_ref().map(|version| version.modified_at);
        let recorded_at = self.job.as_ref().map(|(job, ..)| job.event_at.unwrap_or(job.created_at));
        (put_at.or(recorded_at), recorded_at)
    }

    fn to_json(&self) -> Value {
        let (job, lines, advice) = match &self.job {
            Some((job, lines, advice)) => (Some(job), lines.as_slice(), advice.as_slice()),
            None => (None, [].as_slice(), [].as_slice()),
        };
        let lines = lines.iter().map(|line| json!({ "at": line.at, "what": line.what, "words": line.words }));
        json!({
            "version": self.version_id,
            "in_bucket": self.version.is_some(),
            "put_at": self.version.as_ref().map(|version| version.modified_at),
            "bytes": self.version.as_ref().map(|version| version.size_bytes),
            "job": job.map(|job| job_to_json(job)),
            "timeline": lines.collect::<Vec<_>>(),
            "advice": advice,
            "note": self.untold,
        })
    }
}

impl Told {
    fn to_json(&self) -> Value {
        let visible = self.visible.as_ref().map(|visible| {
            json!({
                "job": visible.job,
                "version": visible.version_id,
                "records": visible.records,
                "published_at": visible.published_at,
            })
        });
        json!({
            "object": self.object.to_string(),
            "visible": visible,
            "versions": self.versions.iter().map(OfVersion::to_json).collect::<Vec<_>>(),
            "is_cut": self.is_cut,
        })
    }
}
