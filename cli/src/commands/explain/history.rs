//! The history of an object: its versions, and what happened to the job of each.

use aws::versions::Version;
use domain::{job::Job, manifest::Manifest};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    advice::advice,
    timeline::{Line, timeline},
};
use crate::commands::{
    deployment::{self, Deployment},
    format_job::job_to_json,
    uri::ObjectUri,
};

/// The history of an object.
#[derive(Debug)]
pub(super) struct ObjectHistory {
    /// The object.
    pub(super) object: ObjectUri,
    /// The manifest of its visible records.
    pub(super) visible: Option<Manifest>,
    /// Its versions, the newest last.
    pub(super) versions: Vec<VersionHistory>,
    /// Whether it has older versions.
    pub(super) is_cut: bool,
}

/// The history of one version.
#[derive(Debug)]
pub(super) struct VersionHistory {
    /// Its id, in a bucket with versions.
    pub(super) version_id: Option<String>,
    /// The version in the bucket, unless it was deleted.
    pub(super) version: Option<Version>,
    /// Its job, the timeline of the job, and what to do about it.
    pub(super) job: Option<(Box<Job>, Vec<Line>, Vec<String>)>,
    /// Why it has no job.
    pub(super) no_job: Option<String>,
}

impl VersionHistory {
    /// The history of the version that this job processed. `visible` is the manifest of its object.
    pub(super) fn of(
        job: Job,
        version: Option<Version>,
        visible: Option<&Manifest>,
        deployment: &Deployment,
    ) -> Self {
        let now = deployment::now();
        let lines = timeline(&job, deployment.pooled_size(), now);
        let advice = advice(&job, visible, now);
        let version_id = job.object.version_id.clone();
        Self { version_id, version, job: Some((Box::new(job), lines, advice)), no_job: None }
    }

    /// The history of a version without a job.
    pub(super) fn without_job(version: Version, why: String) -> Self {
        let version_id = Some(version.version_id.clone());
        Self { version_id, version: Some(version), job: None, no_job: Some(why) }
    }

    /// The order of versions.
    pub(super) fn order(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let put_at = self.version.as_ref().map(|version| version.modified_at);
        let recorded_at = self.job.as_ref().map(|(job, ..)| job.event_at.unwrap_or(job.created_at));
        (put_at.or(recorded_at), recorded_at)
    }

    fn to_json(&self) -> Value {
        let (job, lines, advice) = match &self.job {
            Some((job, lines, advice)) => (Some(job), lines.as_slice(), advice.as_slice()),
            None => (None, [].as_slice(), [].as_slice()),
        };
        let lines = lines.iter().map(|line| json!({ "at": line.at, "event": line.event, "text": line.text }));
        json!({
            "version": self.version_id,
            "in_bucket": self.version.is_some(),
            "put_at": self.version.as_ref().map(|version| version.modified_at),
            "bytes": self.version.as_ref().map(|version| version.size_bytes),
            "job": job.map(|job| job_to_json(job)),
            "timeline": lines.collect::<Vec<_>>(),
            "advice": advice,
            "note": self.no_job,
        })
    }
}

impl ObjectHistory {
    /// The history as one JSON document.
    pub(super) fn to_json(&self) -> Value {
        let (deleted, visible) = match &self.visible {
            Some(manifest) if manifest.deleted.is_some() => (manifest.deleted.as_ref(), None),
            manifest => (None, manifest.as_ref()),
        };
        let deleted = deleted.map(|deleted| json!({ "at": deleted.at, "reason": deleted.reason }));
        let visible = visible.map(|visible| {
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
            "deleted": deleted,
            "versions": self.versions.iter().map(VersionHistory::to_json).collect::<Vec<_>>(),
            "is_cut": self.is_cut,
        })
    }
}
