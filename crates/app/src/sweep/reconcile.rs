//! The bucket against the ledger: object versions that nobody told of.

use std::time::Duration;

use aws::versions::Version;
use domain::{
    job::JobId,
    message::ObjectMessage,
    object::Sequencer,
    pipelines::Pipelines,
    sweep::{KeptPipelines, report::Doings},
};
use futures::{StreamExt, stream};
use tracing::info;

use super::{StepError, Sweep};
use crate::item_failures::ItemFailures;

/// How many messages are sent at once.
const SENDS: usize = 8;

impl Sweep {
    /// Lists the versions under the prefix, and gives those in the range that a pipeline takes and the ledger does not
    /// know to the uploads queue: λ uploads records them, and works out their order among their key's versions.
    ///
    /// A repeat, or an event that comes after all, finds the job known. A version that is still in the uploads queue
    /// is sent a second time.
    pub(super) async fn reconcile(&self, doings: &mut Doings) -> Result<(), StepError> {
        let kept = self.fleet.get_document::<KeptPipelines>().await?.ok_or(StepError::NoPipelines)?;
        let pipelines = Pipelines::parse(&kept.text, "pipelines.toml")?;
        let Some(prefix) = within(&self.watched_prefix, self.prefix.as_deref()) else {
            info!(
                prefix = self.prefix,
                watched = self.watched_prefix,
                "nothing under this prefix is watched"
            );
            return Ok(());
        };
        let (mut from, mut failures) = (None, ItemFailures::default());
        loop {
            let page = self.objects.versions(&self.bucket, &prefix, from).await?;
            self.reconcile_page(page.versions, &pipelines, doings, &mut failures).await?;
            match page.next {
                Some(next) if !failures.should_give_up() => from = Some(next),
                _ => break,
            }
        }
        info!(
            listed = doings.listed,
            ignored = doings.ignored,
            found = doings.found,
            "compared the bucket with the ledger"
        );
        Ok(failures.finish()?)
    }

    async fn reconcile_page(
        &self,
        versions: Vec<Version>,
        pipelines: &Pipelines,
        doings: &mut Doings,
        failures: &mut ItemFailures,
    ) -> Result<(), StepError> {
        let mut taken = Vec::with_capacity(versions.len());
        for version in versions.into_iter().filter(|version| self.range.holds(version.modified_at)) {
            doings.listed += 1;
            match pipelines.route(&version.key, Some(version.size_bytes)) {
                Some(pipeline) => taken.push((self.id(&pipeline.name, &version), version)),
                None => doings.ignored += 1,
            }
        }
        let ids: Vec<JobId> = taken.iter().map(|(id, _)| id.clone()).collect();
        let known: std::collections::HashSet<JobId> =
            self.ledger.read_all(&ids).await?.into_iter().map(|job| job.id).collect();
        let lost = taken.into_iter().filter(|(id, _)| !known.contains(id));
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
                doings.found += 1;
            } else if failures.should_give_up() {
                break;
            }
        }
        Ok(())
    }

    /// The id that this version's job has, whoever records it: in a bucket with versions they alone decide.
    fn id(&self, pipeline: &str, version: &Version) -> JobId {
        JobId::derive(pipeline, &version.object(&self.bucket, Sequencer::default()))
    }
}

/// The prefix to list: what is asked for, as far as it is watched.
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
    fn only_what_is_watched_is_swept() {
        let of = |asked| within("uploads/", asked);
        assert_eq!(of(None).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("uploads/orders/")).as_deref(), Some("uploads/orders/"));
        assert_eq!(of(Some("up")).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("")).as_deref(), Some("uploads/"));
        assert_eq!(of(Some("rejects/")), None);
    }
}
