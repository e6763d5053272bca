//! What a message does not say about an object, read from the bucket.

use aws::{
    CallError,
    versions::{KeyVersions, Version},
};
use domain::{
    events::{DeletedVersion, S3Deleted},
    job::JobId,
    object::{self, Object, Sequencer},
};

use super::Ingest;

impl Ingest {
    /// This version of the key, or its newest; `None` when the bucket does not hold it.
    ///
    /// Events order versions by their sequencers. A listing has no sequencers, but lists versions in order: the sequencer
    /// of this version is that of the newest older version in the ledger or the manifest, plus as many steps as there are
    /// older versions. So the newest version wins even among versions whose events were all lost.
    pub(super) async fn resolve(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Object>, CallError> {
        let KeyVersions { versions, markers } = self.objects.versions_of(bucket, key).await?;
        let wanted = |version: &Version| version_id.is_none_or(|wanted| version.version_id == wanted);
        let Some(place) = versions.iter().position(wanted) else { return Ok(None) };
        let (newer, older) = (&versions[..place], &versions[place + 1..]);
        let known = self.places(bucket, key, older).await?;
        let visible = self.records.manifest(bucket, key).await?.filter(|visible| {
            // A visible version that is deleted by now is older than this one, which still exists; so is a delete marker
            // that was taken away.
            let is_it = |id: &str| visible.version_id.as_deref() == Some(id);
            let is_hidden = markers.iter().any(|it| is_it(&it.version_id) && it.hides(&versions[place]));
            !is_hidden && !newer.iter().any(|version| is_it(&version.version_id))
        });
        let before =
            known.into_iter().chain(visible.map(|visible| visible.sequencer)).max().unwrap_or_default();
        let steps = u32::try_from(older.len()).unwrap_or(u32::MAX).saturating_add(1);
        Ok(Some(versions[place].object(bucket, before.after(steps))))
    }

    /// The deletion that made this delete marker, if it still hides the key. Its place is after that of the newest version that
    /// the ledger or the manifest has, plus as many steps as there are versions, and before every later place that S3 gives.
    pub(super) async fn resolve_deletion(
        &self,
        bucket: &str,
        key: &str,
        marker: &str,
    ) -> Result<Option<S3Deleted>, CallError> {
        let KeyVersions { versions, markers } = self.objects.versions_of(bucket, key).await?;
        let Some(marker) = markers.into_iter().find(|it| it.is_newest && it.version_id == marker) else {
            return Ok(None);
        };
        let known = self.places(bucket, key, &versions).await?;
        let visible = self.records.manifest(bucket, key).await?.map(|visible| visible.sequencer);
        let before = known.into_iter().chain(visible).max().unwrap_or_default();
        let steps = u32::try_from(versions.len()).unwrap_or(u32::MAX).saturating_add(1);
        Ok(Some(S3Deleted {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            // As events have it: `null` names no one version.
            version: DeletedVersion::Hidden(Some(marker.version_id).filter(|id| id != "null")),
            sequencer: before.after(steps),
            reason: Some("found in the bucket, as its event was lost".to_owned()),
            at: Some(marker.made_at),
            event_id: None,
        }))
    }

    /// The places of those of these versions that the ledger has.
    async fn places(
        &self,
        bucket: &str,
        key: &str,
        versions: &[Version],
    ) -> Result<Vec<Sequencer>, CallError> {
        let ids: Vec<JobId> = versions.iter().filter_map(|version| self.id(bucket, version)).collect();
        // Of all of them: a version that is left out would be ordered wrong.
        let known = self.ledger.read_all(&ids).await?.into_iter().collect::<Result<Vec<_>, _>>();
        let attempt = || format!("find the order of the versions of {}", object::uri(bucket, key));
        let known = known.map_err(|error| CallError::malformed_response(attempt(), error))?;
        Ok(known.into_iter().map(|job| job.object.sequencer).collect())
    }

    /// The id of this version's job, if a pipeline takes it.
    fn id(&self, bucket: &str, version: &Version) -> Option<JobId> {
        let pipeline = self.pipelines.route(&version.key, Some(version.size_bytes))?;
        Some(JobId::derive(&pipeline.name, &version.object(bucket, Sequencer::default())))
    }
}
