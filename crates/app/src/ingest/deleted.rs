//! Objects that were deleted: their records go with them, where the pipeline says so.

use std::time::Duration;

use aws::{
    CallError,
    ledger::{Changed, Leaving, Recorded},
};
use domain::{
    deletion::{Effect, Unaffected, effect, removal},
    events::{DeletedVersion, S3Deleted},
    job::{Change, Job, JobState, Progress, Reason, Removal},
    manifest::Manifest,
    object::{self, Object, Sequencer},
    retry::PUBLISH_OVERTAKEN_ATTEMPTS,
    text::count,
    verdict::Kind,
};
use tracing::{info, warn};

use super::{Ingest, Outcome, is_due};

/// How long after a job was taken from its worker its items are removed: the worker finds out when it next renews its lease,
/// at the latest when that has run out, and its last calls need a moment.
const WRITES_END: Duration = Duration::from_secs(90);

impl Ingest {
    /// An object was deleted, or a version of it. On return its records are invisible where they should be, a job removes its
    /// items from a table of the user's own, and no job that is under way publishes what was deleted. A repeat finds that it is
    /// done, and does what a call that died left undone.
    pub(super) async fn deleted(&self, deletion: &S3Deleted) -> Result<Outcome, CallError> {
        let S3Deleted { bucket, key, .. } = deletion;
        if !self.watched.takes_event(bucket, key) {
            return Ok(Outcome::Foreign);
        }
        // Most deletions end here: of a pipeline that keeps records, or of an old version that a lifecycle rule expires.
        if self.pipelines.by_name(key).all(|pipeline| !self.pipelines.removes(key, Some(&pipeline.name))) {
            return Ok(Outcome::Unaffected(Unaffected::Kept));
        }
        // The place of a version that was deleted for good and will not be published.
        let mut unpublished = None;
        let is_present = match &deletion.version {
            DeletedVersion::Unversioned => self.objects.versions_of(bucket, key).await?.is_present(),
            DeletedVersion::Version(id) => {
                // First: if it publishes before this, the manifest names it below.
                unpublished = self.abandon(deletion, id).await?;
                false
            }
            DeletedVersion::Hidden(_) => false,
        };
        for _ in 0..PUBLISH_OVERTAKEN_ATTEMPTS {
            let visible = self.records.manifest(bucket, key).await?;
            let pipeline = visible.as_ref().and_then(Manifest::visible_pipeline);
            let Some(pipeline) = self.pipelines.removing(key, pipeline) else {
                return Ok(Outcome::Unaffected(Unaffected::Kept));
            };
            let effect = effect(deletion, visible.as_ref(), is_present);
            let outcome = match &effect {
                Effect::None(why) => {
                    if *why == Unaffected::Repeated {
                        self.note_replaced(visible.as_ref()).await?;
                    }
                    self.unaffected(deletion, *why)
                }
                Effect::Hide(sequencer) => {
                    let now = self.clock.now();
                    let hidden = Manifest::deleted(visible.as_ref(), deletion, sequencer.clone(), now);
                    if !self.records.hide(visible.as_ref(), &hidden).await? {
                        continue;
                    }
                    // If the process is killed here, the repeated message finds the manifest, or the next publish
                    // finds in it whose rows went.
                    self.note_replaced(Some(&hidden)).await?;
                    removed(deletion, visible.as_ref(), &hidden)
                }
            };
            let delay = if unpublished.is_some() { WRITES_END } else { Duration::ZERO };
            let up_to = removal(deletion, visible.as_ref(), &effect);
            return match up_to.clone().or_else(|| unpublished.map(|place| (place, Removal::Only))) {
                Some((place, what)) if pipeline.destination.is_some() => {
                    let job = Job::of_deletion(deletion, place, what, pipeline.clone(), self.clock.now());
                    self.remove_items(job, delay).await
                }
                _ => {
                    if let (Some(_), Some(table)) = (up_to, visible.and_then(|visible| visible.table)) {
                        warn!(
                            object.key = deletion.key,
                            table,
                            "{} was deleted, and its items in table {table} stay: pipeline {} does not write there any more",
                            object::uri(bucket, key),
                            pipeline.name
                        );
                    }
                    Ok(outcome)
                }
            };
        }
        Err(CallError::retries_exhausted(
            format!("make the records of {} invisible", object::uri(bucket, key)),
            "other versions of the key keep being published in between",
        ))
    }

    fn unaffected(&self, deletion: &S3Deleted, why: Unaffected) -> Outcome {
        let uri = object::uri(&deletion.bucket, &deletion.key);
        match why {
            Unaffected::NaturalKeys => {
                warn!(
                    object.key = deletion.key,
                    "{uri} was deleted, and its records under natural keys stay: on_delete = \"remove\" cannot find them"
                );
            }
            _ => {
                info!(object.key = deletion.key, ?why, "a deletion of {uri} changes nothing that is visible")
            }
        }
        Outcome::Unaffected(why)
    }

    /// Has a worker remove the items of a deleted object from a table of the user's own: the job of the deletion. A repeat finds
    /// it.
    async fn remove_items(&self, job: Job, delay: Duration) -> Result<Outcome, CallError> {
        match self.ledger.record(&job).await? {
            Recorded::New => {}
            Recorded::Existing(found) if is_due(&found, 1, self.clock.now()) => {}
            Recorded::Existing(found) => return Ok(Outcome::Duplicate { job: found.id }),
        }
        info!(
            job.id = %job.id,
            trace.id = job.trace,
            object.key = job.object.key,
            "{} was deleted: job {} removes its items from the table of pipeline {}",
            job.object.uri(),
            job.id,
            job.pipeline.name
        );
        if delay.is_zero() { self.route(&job, 0).await } else { self.queue(&job, delay).await }
    }

    /// Notes in the ledger whose rows a deletion made invisible, so that the sweep deletes them.
    async fn note_replaced(&self, hidden: Option<&Manifest>) -> Result<(), CallError> {
        if let Some(replaced) = hidden.and_then(Manifest::replaceable_job) {
            // Refused if it was noted before.
            self.ledger.object_deleted(replaced, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Takes the job of a version that was deleted for good from the worker that has read it, so that it cannot be published
    /// any more. A job that no worker has finds that the version is gone when it is claimed. Returns the place of the version if
    /// a worker may have written items of it to a table of the user's own, and nobody else takes them back.
    async fn abandon(&self, deletion: &S3Deleted, version_id: &str) -> Result<Option<Sequencer>, CallError> {
        let version = Object {
            bucket: deletion.bucket.clone(),
            key: deletion.key.clone(),
            version_id: Some(version_id.to_owned()),
            etag: None,
            sequencer: Sequencer::default(),
            size_bytes: None,
        };
        let taking = self.pipelines.by_name(&deletion.key);
        let versions: Vec<_> = taking.map(|pipeline| (pipeline.name.as_str(), &version)).collect();
        let mut place = None;
        for job in self.ledger.read_versions(&versions).await? {
            let attempt = || format!("read the job of the deleted version {version}");
            let job = job.map_err(|error| CallError::malformed_response(attempt(), error))?;
            if self.pipelines.removes(&deletion.key, Some(&job.pipeline.name)) {
                self.abandon_job(&job).await?;
                // Also in a repeat, which finds that it is abandoned.
                let is_abandoned = matches!(job.state, JobState::Running(_) | JobState::SourceDeleted(_));
                if is_abandoned && job.pipeline.destination.is_some() {
                    place = Some(job.object.sequencer);
                }
            }
        }
        Ok(place)
    }

    async fn abandon_job(&self, job: &Job) -> Result<(), CallError> {
        let JobState::Running(_) = job.state else { return Ok(()) };
        let words = "the object version was deleted while it was processed";
        let reason = Reason::new(Kind::SourceDeleted, words);
        let progress = Progress::default();
        let leaving =
            Leaving { change: Change::SourceDeleted, reason: &reason, progress: &progress, worker: None };
        // Refused if that worker has left it: a later one does not find the version.
        let left = self.ledger.leave(job, leaving, self.clock.now()).await?;
        if let Changed::Applied(_) = left {
            info!(job.id = %job.id, object = %job.object, "took job {} from its worker: {words}", job.id);
        }
        Ok(())
    }
}

fn removed(deletion: &S3Deleted, visible: Option<&Manifest>, hidden: &Manifest) -> Outcome {
    let records = visible.map_or(0, |visible| visible.records);
    info!(
        object.key = deletion.key,
        trace.id = deletion.event_id,
        reason = deletion.reason,
        records,
        "{} was deleted: {} {}",
        object::uri(&deletion.bucket, &deletion.key),
        count(records, "record"),
        if visible.is_some_and(|visible| visible.table.is_some()) {
            "are no longer published"
        } else {
            "became invisible"
        }
    );
    Outcome::Removed { job: hidden.replaceable_job().cloned() }
}
