//! Forgetting an object: its records and all traces of it are deleted, for a person who asks for their data to be erased.
//!
//! The object itself has to be deleted before, by its owner: the sweep would process it again. What is deleted, in this order:
//! rows, records under natural keys, items in tables of the user's own, the manifest, rejected rows, lines of reports, what is
//! remembered of its columns, dead letters, and last the jobs, by which the rest is found. So a repeat after an error finds what
//! is left. Items without provenance cannot be told from others: their tables are named, as are reports that cannot be read.

use std::{borrow::Cow, collections::BTreeSet};

use aws::{
    CallError,
    dead_letters::DeadLetters,
    delete_rows::RowDeleter,
    fleet::Fleet,
    ledger::Ledger,
    objects::{Objects, ReadError},
    records::Records,
    tables::{TableError, Tables},
};
use domain::{
    destination::{
        TableName,
        guard::{self, Provenance},
    },
    drift::KnownColumns,
    job::{Job, JobId},
    manifest, object,
    object::{Object, Sequencer, rejects_key},
    sweep::{
        hour_of,
        report::{Summary, lines_key, summary_key},
    },
};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dead_letters;

/// How many items of a table are deleted at once.
const DELETES_IN_FLIGHT: usize = 64;

/// What forgetting needs.
#[derive(Debug)]
pub struct Forget<'a> {
    /// The jobs.
    pub ledger: &'a Ledger,
    /// The manifests.
    pub records: &'a Records,
    /// What is remembered of columns.
    pub fleet: &'a Fleet,
    /// The tables of the user's own.
    pub tables: &'a Tables,
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
    /// Items in tables of the user's own.
    pub items: u64,
    /// Objects with rejected rows, by version.
    pub rejects: u64,
    /// Reports that had lines of it and were written anew.
    pub reports: u64,
    /// Columns that no other object had on a later day.
    pub columns: u64,
    /// Dead-letter messages.
    pub dead_letters: u64,
    /// Tables of the user's own that its jobs may have written to without provenance, where its items stay.
    pub tables: BTreeSet<String>,
    /// What cannot be read, and so may still name it: reports and places in them.
    pub unread: Vec<UnreadReport>,
}

/// A report, or a line of one, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadReport {
    /// The report's key.
    pub key: String,
    /// The line, from 1; none of a summary.
    pub line: Option<usize>,
    /// Why it cannot be read.
    pub problem: String,
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
    /// A table of the user's own cannot be used by who calls.
    #[error(transparent)]
    Table(#[from] TableError),
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
        let destinations = jobs.iter().filter_map(|job| job.pipeline.destination.as_ref());
        let places: BTreeSet<(&TableName, Option<&str>)> =
            destinations.map(|it| (&it.table, it.provenance.as_deref())).collect();
        let nameless = places.iter().filter(|(_, attribute)| attribute.is_none());
        let tables = nameless.map(|(table, _)| table.to_string()).collect();
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
        let uri = object::uri(bucket, key);
        forgotten.records += rows.delete_natural(&uri).await?;
        for (table, attribute) in places {
            let Some(attribute) = attribute else { continue };
            forgotten.items += self.items(table, attribute, &uri).await?;
        }
        self.records.erase_manifest(bucket, key).await?;
        for job in &jobs {
            let rejects = rejects_key(self.rejects_prefix, key, job.id.as_str());
            forgotten.rejects += self.objects.erase_versions(bucket, &rejects, false).await?;
        }
        let hours: BTreeSet<_> = jobs.iter().filter_map(|job| job.settled_at().map(hour_of)).collect();
        for hour in hours {
            self.reports(bucket, hour, &uri, &jobs, &mut forgotten).await?;
        }
        forgotten.columns = self.columns(&jobs).await?;
        let ids: Vec<&JobId> = jobs.iter().map(|job| &job.id).collect();
        forgotten.dead_letters = dead_letters::remove_of_jobs(self.dead_letters, &ids, bucket, key).await?;
        for job in &jobs {
            if !self.ledger.erase(&job.id).await? {
                return Err(ForgetError::Open(job.id.clone()));
            }
        }
        Ok(forgotten)
    }

    /// Deletes its items in a table of the user's own, found by their provenance in a scan of the whole table. None are in a
    /// table that is not there any more.
    async fn items(&self, name: &TableName, attribute: &str, uri: &str) -> Result<u64, ForgetError> {
        let table = match self.tables.open(name).await {
            Err(TableError::Missing(_)) => return Ok(0),
            table => table?,
        };
        let provenance =
            Provenance { object: uri.to_owned(), sequencer: String::new(), time: 0, row: 0, epoch: 0 };
        let (mut page, mut deleted) = (None, 0);
        loop {
            let (keys, next) = table.keys_of(attribute, uri, None, page).await?;
            let deletes = stream::iter(keys)
                .map(|key| table.delete(key, guard::ANY_VERSION, attribute, &provenance))
                .buffer_unordered(DELETES_IN_FLIGHT);
            deleted +=
                deletes.try_fold(0, |sum, was_there| async move { Ok(sum + u64::from(was_there)) }).await?;
            match next {
                Some(next) => page = Some(next),
                None => return Ok(deleted),
            }
        }
    }

    /// Forgets what is remembered of the columns of these jobs' object. Returns how many columns only it had.
    async fn columns(&self, jobs: &[Job]) -> Result<u64, ForgetError> {
        let ids: Vec<&JobId> = jobs.iter().map(|job| &job.id).collect();
        let pipelines: BTreeSet<&str> = jobs.iter().map(|job| job.pipeline.name.as_str()).collect();
        let mut columns = 0;
        for pipeline in pipelines {
            let forget = |known: &mut KnownColumns| known.forget(&ids);
            columns += self.fleet.update_document_for(pipeline, "forget the columns", forget).await?;
        }
        Ok(columns)
    }

    /// Writes the reports of an hour without these jobs of the object.
    async fn reports(
        &self,
        bucket: &str,
        hour: Timestamp,
        uri: &str,
        jobs: &[Job],
        forgotten: &mut Forgotten,
    ) -> Result<(), ForgetError> {
        let without_lines = |text: &str| without_lines(text, jobs);
        self.rewrite(bucket, &lines_key(self.reports_prefix, hour), without_lines, forgotten).await?;
        let without_failures = |text: &str| match serde_json::from_str::<Summary>(text) {
            Ok(summary) => (summary.without(uri).to_json(), Vec::new()),
            Err(error) => (text.to_owned(), vec![(None, error.to_string())]),
        };
        self.rewrite(bucket, &summary_key(self.reports_prefix, hour), without_failures, forgotten).await
    }

    /// Replaces a text object by what `change` makes of it, and deletes its versions before. `change` also says what it could
    /// not read.
    async fn rewrite(
        &self,
        bucket: &str,
        key: &str,
        change: impl Fn(&str) -> (String, Vec<Unread>),
        forgotten: &mut Forgotten,
    ) -> Result<(), ForgetError> {
        let Some(newest) = self.objects.versions_of(bucket, key).await?.versions.into_iter().next() else {
            return Ok(());
        };
        let text = self.read(&newest.object(bucket, Sequencer::default())).await?;
        let (changed, unread) = change(&text);
        let unread =
            unread.into_iter().map(|(line, problem)| UnreadReport { key: key.to_owned(), line, problem });
        forgotten.unread.extend(unread);
        if changed == text {
            return Ok(());
        }
        let mut object = self.objects.create(bucket, key);
        object.write(changed.as_bytes()).await?;
        object.finish().await?;
        self.objects.erase_versions(bucket, key, true).await?;
        forgotten.reports += 1;
        Ok(())
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

/// The line that cannot be read, from 1, or none of a whole object; and why.
type Unread = (Option<usize>, String);

/// The lines of a report without those of these jobs. A line that cannot be read stays, and is named by its place among those
/// that stay.
fn without_lines(text: &str, jobs: &[Job]) -> (String, Vec<Unread>) {
    let (mut kept, mut unread, mut number) = (String::with_capacity(text.len()), Vec::new(), 0);
    for line in text.lines() {
        let read = serde_json::from_str::<ReportLine<'_>>(line);
        if read.as_ref().is_ok_and(|of| jobs.iter().any(|job| job.id.as_str() == of.job)) {
            continue;
        }
        number += 1;
        unread.extend(read.err().map(|error| (Some(number), error.to_string())));
        kept.push_str(line);
        kept.push('\n');
    }
    (kept, unread)
}

/// What tells whose line of a report it is.
#[derive(Deserialize)]
struct ReportLine<'l> {
    #[serde(borrow)]
    job: Cow<'l, str>,
}
