//! Forgetting an object: its records and all traces of it are deleted, for a person who asks for their data to be erased.
//!
//! The object itself has to be deleted before, by its owner: the sweep would process it again. What is deleted, in this order:
//! rows, records under natural keys, the manifest, rejected rows, lines of reports, dead letters, and last the jobs, by which
//! the rest is found. So a repeat after an error finds what is left. Items in tables of the user's own stay: their keys are
//! made of the rows, which are gone with the object. The tables are named instead.

use std::collections::BTreeSet;

use aws::{
    CallError,
    dead_letters::DeadLetters,
    delete_rows::RowDeleter,
    ledger::Ledger,
    objects::{Objects, ReadError},
    records::Records,
};
use domain::{
    job::{Job, JobId},
    manifest, object,
    object::{Object, Sequencer, rejects_key},
    sweep::{
        hour_of,
        report::{Summary, lines_key, summary_key},
    },
};

use crate::dead_letters;

/// What forgetting needs.
#[derive(Debug)]
pub struct Forget<'a> {
    /// The jobs.
    pub ledger: &'a Ledger,
    /// The manifests.
    pub records: &'a Records,
    /// The bucket's objects.
    pub objects: &'a Objects,
    /// The dead-letter queue.
    pub dead_letters: &'a DeadLetters,
    /// Where rejected rows are kept.
    pub rejects_prefix: &'a str,
    /// Where reports are kept.
    pub reports_prefix: &'a str,
    /// Whether to delete nothing, and only count the jobs.
    pub dry_run: bool,
}

/// What was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Jobs.
    pub jobs: u64,
    /// Rows and records, visible or not.
    pub records: u64,
    /// Objects with rejected rows, by version.
    pub rejects: u64,
    /// Reports that had lines of it and were written anew.
    pub reports: u64,
    /// Dead-letter messages.
    pub dead_letters: u64,
    /// Tables of the user's own that its jobs may have written to, where its items stay.
    pub tables: BTreeSet<String>,
}

/// Why an object was not forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The bucket has it: it would be processed again.
    #[error(
        "the bucket still has {0} of it, which the next sweep would process again; delete them first, with \
         `aws s3api delete-object --version-id` for each"
    )]
    StillThere(String),
    /// A job of it has not settled.
    #[error("job {0} of it has not settled; stop it first with `tidemill stop {0}`")]
    Open(JobId),
    /// A call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A report could not be read.
    #[error(transparent)]
    Report(#[from] ReadError),
}

impl Forget<'_> {
    /// Forgets the object. Durable on return; a repeat finds nothing.
    ///
    /// # Errors
    /// [`ForgetError`]; a repeat continues.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Forgotten, ForgetError> {
        let versions = self.objects.versions_of(bucket, key).await?.versions.len();
        if versions > 0 {
            return Err(ForgetError::StillThere(domain::text::count(versions, "version")));
        }
        let attempt = || format!("find the jobs of {}", object::uri(bucket, key));
        let found = self.ledger.jobs_of_object(bucket, key).await?;
        let jobs = found.into_iter().map(|job| job.map_err(|e| CallError::malformed_response(attempt(), e)));
        let jobs = jobs.collect::<Result<Vec<Job>, _>>()?;
        if let Some(open) = jobs.iter().find(|job| !job.state().is_settled()) {
            return Err(ForgetError::Open(open.id.clone()));
        }
        let tables = jobs.iter().filter_map(|job| job.pipeline.destination.as_ref());
        let tables = tables.map(|destination| destination.table.to_string()).collect();
        let mut forgotten = Forgotten { jobs: jobs.len() as u64, tables, ..Forgotten::default() };
        if self.dry_run {
            return Ok(forgotten);
        }
        let rows = RowDeleter::new(self.records.clone());
        for job in &jobs {
            for write_epoch in manifest::write_epochs(job) {
                for partition in 0..manifest::MAX_SHARDS {
                    forgotten.records += rows.delete_rows(&job.id, write_epoch, partition).await?;
                }
            }
        }
        forgotten.records += rows.delete_natural(&object::uri(bucket, key)).await?;
        self.records.erase_manifest(bucket, key).await?;
        for job in &jobs {
            let rejects = rejects_key(self.rejects_prefix, key, job.id.as_str());
            forgotten.rejects += self.objects.erase_versions(bucket, &rejects, false).await?;
            forgotten.reports += self.report(bucket, job).await?;
        }
        let ids: Vec<&JobId> = jobs.iter().map(|job| &job.id).collect();
        forgotten.dead_letters = dead_letters::remove_of_jobs(self.dead_letters, &ids, bucket, key).await?;
        for job in &jobs {
            if !self.ledger.erase(&job.id).await? {
                return Err(ForgetError::Open(job.id.clone()));
            }
        }
        Ok(forgotten)
    }

    /// Writes the report of the hour in which the job settled without it. Returns how many objects were written.
    async fn report(&self, bucket: &str, job: &Job) -> Result<u64, ForgetError> {
        let Some(hour) = job.settled_at().map(hour_of) else { return Ok(0) };
        let (id, uri) = (job.id.as_str(), job.object.uri());
        let without_lines = |text: &str| {
            let is_other = |line: &&str| {
                let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
                line.is_none_or(|line| line["job"] != id)
            };
            text.lines().filter(is_other).map(|line| format!("{line}\n")).collect()
        };
        let without_failure = |text: &str| match serde_json::from_str::<Summary>(text) {
            Ok(summary) => summary.without(&uri).to_json(),
            // Of another layout: nothing is known of it.
            Err(_) => text.to_owned(),
        };
        let lines = self.rewrite(bucket, &lines_key(self.reports_prefix, hour), without_lines).await?;
        Ok(lines + self.rewrite(bucket, &summary_key(self.reports_prefix, hour), without_failure).await?)
    }

    /// Replaces a text object by what `change` makes of it, and deletes its versions before. Returns 1 if it was changed.
    async fn rewrite(
        &self,
        bucket: &str,
        key: &str,
        change: impl Fn(&str) -> String,
    ) -> Result<u64, ForgetError> {
        let Some(newest) = self.objects.versions_of(bucket, key).await?.versions.into_iter().next() else {
            return Ok(0);
        };
        let text = self.read(&newest.object(bucket, Sequencer::default())).await?;
        let changed = change(&text);
        if changed == text {
            return Ok(0);
        }
        let mut object = self.objects.create(bucket, key);
        object.write(changed.as_bytes()).await?;
        object.finish().await?;
        self.objects.erase_versions(bucket, key, true).await?;
        Ok(1)
    }

    async fn read(&self, object: &Object) -> Result<String, ForgetError> {
        let mut reading = self.objects.open(object).await?;
        let mut bytes = Vec::new();
        while let Some(more) = reading.next().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
