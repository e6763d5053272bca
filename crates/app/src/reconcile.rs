//! Compares the watched buckets with the ledger: finds object versions that have no job, and delete markers behind which
//! records are visible that go with their object, and has both processed. The sweep does this with those of the last day, whose
//! events were lost; a person does it with older ones.
//!
//! The id of a job follows from the version. An object without versions has an id by its place in the order of events, which
//! no listing tells: it counts as processed if its bytes are those that were published last under its key.

use std::{collections::HashSet, time::Duration};

use aws::{
    CallError,
    ledger::{Ledger, UnreadableJob},
    objects::Objects,
    queue::Queue,
    records::Records,
    versions::{Marker, Version},
};
use domain::{
    job::{Job, JobId},
    message::ObjectMessage,
    object::{self, Object, Sequencer},
    pipelines::Pipelines,
    sweep::{HOUR, Range},
    watched::{Place, Watched},
};
use futures::{StreamExt, TryStreamExt, stream};
use tracing::{error, info};

use crate::item_failures::{ItemFailures, ItemsFailed};

/// How many messages are sent at once.
const SENDS: usize = 8;

/// What is compared.
#[derive(Debug)]
pub struct Reconcile<'a> {
    /// The jobs.
    pub ledger: &'a Ledger,
    /// What is published.
    pub records: &'a Records,
    /// The buckets' objects.
    pub objects: &'a Objects,
    /// The queue that λ uploads reads.
    pub uploads: &'a Queue,
    /// The buckets, and what the keys of their watched objects begin with.
    pub watched: &'a Watched,
    /// The pipelines, which tell the job of a version.
    pub pipelines: &'a Pipelines,
    /// When the versions were put.
    pub range: Range,
    /// What their keys begin with, besides.
    pub prefix: Option<&'a str>,
    /// Whether to send no message.
    pub dry_run: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Versions that were looked at.
    pub listed: u64,
    /// Those of them that match no pipeline.
    pub ignored: u64,
    /// Those of them that have no job and were sent to the uploads queue, or in a dry run would be.
    pub found: u64,
    /// Delete markers whose deletion was not processed and that were sent there, or in a dry run would be.
    pub deletions: u64,
}

/// What is called with each version that was found, and its pipeline's name.
pub type Found<'f> = dyn FnMut(&Object, &str) + Send + 'f;

/// Why not everything was compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The bucket or the ledger did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Some versions were not sent; all others were.
    #[error(transparent)]
    Items(#[from] ItemsFailed),
}

impl Reconcile<'_> {
    /// Lists the versions under the prefix, and sends those in the range that match a pipeline and are not in the ledger to
    /// the uploads queue. λ uploads records them and finds their order among the versions of their key. `counts` are raised
    /// on the way, and each version that was found is passed to `found`, with its pipeline's name.
    ///
    /// If this is repeated, or the event arrives late, λ uploads finds the job in the ledger. A version that is still in
    /// the uploads queue is sent a second time.
    ///
    /// # Errors
    /// [`ReconcileError`]
    pub async fn run(&self, counts: &mut Reconciled, found: &mut Found<'_>) -> Result<(), ReconcileError> {
        let mut failures = ItemFailures::default();
        let mut unlisted = None;
        for place in self.watched.places() {
            // A bucket of others may be gone or closed: that keeps no other from being compared.
            if let Err(error) = self.place(place, counts, &mut failures, found).await {
                error!(error = telemetry::causes(&error), "failed to compare {place} with the ledger");
                unlisted.get_or_insert(error);
            }
        }
        let Reconciled { listed, ignored, found: sent, deletions } = *counts;
        info!(listed, ignored, found = sent, deletions, "compared the watched buckets with the ledger");
        failures.finish()?;
        unlisted.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn place(
        &self,
        place: &Place,
        counts: &mut Reconciled,
        failures: &mut ItemFailures,
        found: &mut Found<'_>,
    ) -> Result<(), CallError> {
        let Some(prefix) = within(&place.prefix, self.prefix) else {
            info!(prefix = self.prefix, "no watched key of {place} begins with this prefix");
            return Ok(());
        };
        let mut from = None;
        loop {
            let page = self.objects.versions(&place.bucket, &prefix, from).await?;
            self.page(&place.bucket, page.versions, counts, failures, found).await?;
            self.deletions(&place.bucket, page.markers, counts, failures).await;
            match page.next {
                Some(next) if !failures.should_give_up() => from = Some(next),
                _ => return Ok(()),
            }
        }
    }

    async fn page(
        &self,
        bucket: &str,
        versions: Vec<Version>,
        counts: &mut Reconciled,
        failures: &mut ItemFailures,
        found: &mut Found<'_>,
    ) -> Result<(), CallError> {
        let mut taken = Vec::with_capacity(versions.len());
        let mut unversioned = Vec::new();
        for version in versions.into_iter().filter(|version| self.range.holds(version.modified_at)) {
            counts.listed += 1;
            match self.pipelines.route(&version.key, Some(version.size_bytes)) {
                Some(pipeline) if version.is_unversioned() => {
                    unversioned.push((version, pipeline.name.clone()));
                }
                Some(pipeline) => {
                    // In a versioned bucket the id depends on the version only, so λ uploads derives the same.
                    let object = version.object(bucket, Sequencer::default());
                    taken.push((JobId::derive(&pipeline.name, &object), object, pipeline.name.clone()));
                }
                None => counts.ignored += 1,
            }
        }
        let ids: Vec<JobId> = taken.iter().map(|(id, ..)| id.clone()).collect();
        let read = self.ledger.read_all(&ids).await?;
        // A job whose item cannot be read is known all the same.
        let id = |found: &Result<Job, UnreadableJob>| match found {
            Ok(job) => job.id.to_string(),
            Err(error) => error.job().to_owned(),
        };
        let known: HashSet<String> = read.iter().map(id).collect();
        failures.read_jobs(read);
        let lost = taken.into_iter().filter(|(id, ..)| !known.contains(id.as_str()));
        let mut lost: Vec<(Object, String)> = lost.map(|(_, object, pipeline)| (object, pipeline)).collect();
        lost.extend(self.unpublished(bucket, unversioned).await?);
        let sends = stream::iter(lost).map(|(object, pipeline)| async move {
            info!(
                object.key = object.key,
                object.version = object.version_id,
                dry_run = self.dry_run,
                "found {object}, which has no job: sending it to the uploads queue"
            );
            let sent = if self.dry_run { Ok(()) } else { self.send(&object).await };
            (object, pipeline, sent)
        });
        let mut sends = sends.buffer_unordered(SENDS);
        while let Some((object, pipeline, sent)) = sends.next().await {
            if failures.record(&object, sent).is_some() {
                counts.found += 1;
                found(&object, &pipeline);
            } else if failures.should_give_up() {
                break;
            }
        }
        Ok(())
    }

    /// Sends the delete markers in the range whose deletion was not processed to the uploads queue: records of their keys are
    /// visible, and go with their object. Each marker of the range costs one read.
    async fn deletions(
        &self,
        bucket: &str,
        markers: Vec<Marker>,
        counts: &mut Reconciled,
        failures: &mut ItemFailures,
    ) {
        let may_remove = |marker: &Marker| self.pipelines.removes(&marker.key, None);
        let newest = markers.into_iter().filter(|it| it.is_newest && self.range.holds(it.made_at));
        let looks = stream::iter(newest.filter(may_remove)).map(|marker| async move {
            let sent = self.deletion(bucket, &marker).await;
            (marker, sent)
        });
        let mut looks = looks.buffer_unordered(SENDS);
        while let Some((marker, sent)) = looks.next().await {
            let sent = failures.record(object::uri(bucket, &marker.key), sent);
            counts.deletions += u64::from(sent == Some(true));
            if failures.should_give_up() {
                break;
            }
        }
    }

    /// Whether the deletion that made this marker was not processed; then it is now.
    async fn deletion(&self, bucket: &str, marker: &Marker) -> Result<bool, CallError> {
        let visible = self.records.manifest(bucket, &marker.key).await?;
        // Records under natural keys stay.
        let Some(visible) = visible.filter(|it| it.deleted.is_none() && it.natural_key.is_none()) else {
            return Ok(false);
        };
        if !self.pipelines.removes(&marker.key, visible.visible_pipeline()) {
            return Ok(false);
        }
        let uri = object::uri(bucket, &marker.key);
        info!(
            object.key = marker.key,
            object.version = marker.version_id,
            dry_run = self.dry_run,
            "found {uri} deleted, and its records are visible: sending its deletion to the uploads queue"
        );
        if !self.dry_run {
            let message = ObjectMessage::of_deletion(bucket, &marker.key, &marker.version_id);
            self.uploads.send(&message.to_body(), Duration::ZERO).await?;
        }
        Ok(true)
    }

    /// Of the objects without versions those that were put an hour ago or longer, and whose bytes are not those that were
    /// published last. A younger one may be in progress; the next sweep looks at it. One whose job failed is tried once more,
    /// as a job of its own.
    async fn unpublished(
        &self,
        bucket: &str,
        versions: Vec<(Version, String)>,
    ) -> Result<Vec<(Object, String)>, CallError> {
        let settled = self.range.until.checked_sub(HOUR).unwrap_or(self.range.until);
        let old = versions.into_iter().filter(|(version, _)| version.modified_at < settled);
        let looks = stream::iter(old).map(|(version, pipeline)| async move {
            let published = match self.records.manifest(bucket, &version.key).await? {
                Some(manifest) => self.ledger.read(&manifest.job).await?.and_then(|job| job.object.etag),
                None => None,
            };
            let object = version.object(bucket, Sequencer::default());
            let is_published = published.is_some() && published == object.etag;
            Ok::<_, CallError>((!is_published).then_some((object, pipeline)))
        });
        let looked: Vec<Option<_>> = looks.buffer_unordered(SENDS).try_collect().await?;
        Ok(looked.into_iter().flatten().collect())
    }

    async fn send(&self, object: &Object) -> Result<(), CallError> {
        let message = ObjectMessage::new(&object.bucket, &object.key, object.version_id.as_deref());
        self.uploads.send(&message.to_body(), Duration::ZERO).await
    }
}

/// The prefix to list: the requested one, restricted to what is watched. `None` if none of it is watched.
fn within(watched: &str, asked: Option<&str>) -> Option<String> {
    match asked {
        None => Some(watched.to_owned()),
        Some(asked) if asked.starts_with(watched) => Some(asked.to_owned()),
        Some(asked) if watched.starts_with(asked) => Some(watched.to_owned()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn only_watched_prefixes_are_compared() {
        let of = |asked| within("uploads/", asked);
        assert_eq!(of(None).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("uploads/orders/")).as_deref(), Some("uploads/orders/"));
        assert_eq!(of(Some("up")).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("")).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("rejects/")), None);
    }
}
