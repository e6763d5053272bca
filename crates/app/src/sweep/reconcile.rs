//! Compares the bucket with the ledger: finds object versions whose events were lost.

use std::{collections::HashSet, time::Duration};

use aws::{ledger::UnreadableJob, versions::Version};
use domain::{
    job::{Job, JobId},
    message::ObjectMessage,
    object::Sequencer,
    pipelines::Pipelines,
    sweep::{KeptPipelines, report::SweepStats},
};
use futures::{StreamExt, stream};
use tracing::info;

use super::{StepError, Sweep};
use crate::item_failures::ItemFailures;

/// How many messages are sent at once.
const SENDS: usize = 8;

impl Sweep {
    /// Lists the versions under the prefix, and sends those in the range that match a pipeline and are not in the ledger to
    /// the uploads queue. λ uploads records them and finds their order among the versions of their key.
    ///
    /// If this is repeated, or the event arrives late, λ uploads finds the job in the ledger. A version that is still in
    /// the uploads queue is sent a second time.
    pub(super) async fn reconcile(&self, stats: &mut SweepStats) -> Result<(), StepError> {
        let kept = self.fleet.get_document::<KeptPipelines>().await?.ok_or(StepError::NoPipelines)?;
        let pipelines = Pipelines::parse(&kept.text, "pipelines.toml")?;
        let Some(prefix) = within(&self.watched_prefix, self.prefix.as_deref()) else {
            info!(
                prefix = self.prefix,
                watched = self.watched_prefix,
                "no watched key begins with this prefix"
            );
            return Ok(());
        };
        let (mut from, mut failures) = (None, ItemFailures::default());
        loop {
            let page = self.objects.versions(&self.bucket, &prefix, from).await?;
            self.reconcile_page(page.versions, &pipelines, stats, &mut failures).await?;
            match page.next {
                Some(next) if !failures.should_give_up() => from = Some(next),
                _ => break,
            }
        }
        info!(
            listed = stats.listed,
            ignored = stats.ignored,
            found = stats.found,
            "compared the bucket with the ledger"
        );
        Ok(failures.finish()?)
    }

    async fn reconcile_page(
        &self,
        versions: Vec<Version>,
        pipelines: &Pipelines,
        stats: &mut SweepStats,
        failures: &mut ItemFailures,
    ) -> Result<(), StepError> {
        let mut taken = Vec::with_capacity(versions.len());
        for version in versions.into_iter().filter(|version| self.range.holds(version.modified_at)) {
            stats.listed += 1;
            match pipelines.route(&version.key, Some(version.size_bytes)) {
                Some(pipeline) => taken.push((self.id(&pipeline.name, &version), version)),
                None => stats.ignored += 1,
            }
        }
        let ids: Vec<JobId> = taken.iter().map(|(id, _)| id.clone()).collect();
        let found = self.ledger.read_all(&ids).await?;
        // A job whose item cannot be read is known all the same.
        let id = |found: &Result<Job, UnreadableJob>| match found {
            Ok(job) => job.id.to_string(),
            Err(error) => error.job().to_owned(),
        };
        let known: HashSet<String> = found.iter().map(id).collect();
        failures.read_jobs(found);
        let lost = taken.into_iter().filter(|(id, _)| !known.contains(id.as_str()));
        let sends = stream::iter(lost).map(|(id, version)| async move {
            let object = version.object(&self.bucket, Sequencer::default());
            info!(
                job.id = %id,
                object.key = version.key,
                object.version = version.version_id,
                dry_run = self.dry_run,
                "found {object}, whose event was lost: sending it to the uploads queue"
            );
            if self.dry_run {
                return (object, Ok(()));
            }
            let message = ObjectMessage::new(&self.bucket, &version.key, Some(&version.version_id));
            (object, self.uploads.send(&message.to_body(), Duration::ZERO).await)
        });
        let mut sends = sends.buffer_unordered(SENDS);
        while let Some((object, sent)) = sends.next().await {
            if failures.record(object, sent).is_some() {
                stats.found += 1;
            } else if failures.should_give_up() {
                break;
            }
        }
        Ok(())
    }

    /// The id of this version's job. In a versioned bucket it depends on the version only, so λ uploads derives the same.
    fn id(&self, pipeline: &str, version: &Version) -> JobId {
        JobId::derive(pipeline, &version.object(&self.bucket, Sequencer::default()))
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
    fn only_watched_prefixes_are_swept() {
        let of = |asked| within("uploads/", asked);
        assert_eq!(of(None).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("uploads/orders/")).as_deref(), Some("uploads/orders/"));
        assert_eq!(of(Some("up")).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("")).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("rejects/")), None);
    }
}
