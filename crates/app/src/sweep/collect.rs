//! Deletes rows that are not visible any more.

use std::{ops::RangeInclusive, time::Duration};

use aws::ledger::Changed;
use domain::{
    job::{Done, Job, JobState, STATUS_SHARDS, settled_shard},
    manifest,
    sweep::{HOUR, KEPT, Progress, report::SweepStats},
    text::count,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Pages, StepError, Sweep};
use crate::item_failures::ItemFailures;

/// How long a sweep deletes rows at most, so that it ends before the next one starts. That one continues.
const LONGEST: Duration = Duration::from_mins(30);

/// How long a job cannot be replayed while its rows are deleted: longer than a sweep deletes rows.
const RESERVED: Duration = Duration::from_hours(1);

/// From how many partitions of a job rows are deleted at once.
const PARTITIONS: usize = 8;

impl Sweep {
    /// Deletes the rows of jobs that settled without success, or were replaced by a newer version, a day ago or
    /// longer, and what a command's attempts before the last have left. Who is done leaves the shard, so what this does
    /// not reach in its time, or dies at, is the next sweep's.
    pub(super) async fn collect(
        &self,
        progress: &mut Progress,
        stats: &mut SweepStats,
    ) -> Result<(), StepError> {
        let deadline = Instant::now() + LONGEST;
        let (mut failures, mut is_complete) = (ItemFailures::default(), true);
        for hour in progress.to_collect(self.clock.now()) {
            for part in STATUS_SHARDS {
                let mut pages = Pages::of(settled_shard(part, hour));
                while let Some(jobs) = self.next_jobs(&mut pages, &mut failures).await? {
                    for job in jobs {
                        if Instant::now() >= deadline {
                            info!(hour = %hour, "no time left to delete rows: the next sweep continues");
                            return Ok(failures.finish()?);
                        }
                        if failures.should_give_up() {
                            return Ok(failures.finish()?);
                        }
                        let collected = self.collect_job(&job, stats).await;
                        // What a retry may fix, the next sweep tries again. What it cannot fix must not hold up the
                        // hours that follow: it is reported, and its rows stay.
                        is_complete &= !collected.as_ref().is_err_and(StepError::is_retryable);
                        failures.record(&job.object, collected);
                    }
                }
            }
            if !is_complete {
                // The rows of later hours are still deleted, but the next sweep comes back to this hour.
                continue;
            }
            progress.collected_until = hour.checked_add(HOUR).unwrap_or(hour);
            if !self.dry_run {
                self.fleet.put_document(progress).await?;
            }
        }
        Ok(failures.finish()?)
    }

    async fn collect_job(&self, job: &Job, stats: &mut SweepStats) -> Result<(), StepError> {
        if !self.is_collectable(job) {
            return if self.has_lost_write_epochs(job) {
                self.collect_lost(job, stats).await
            } else {
                Ok(())
            };
        }
        // The manifest decides: what it names is never deleted.
        let visible = self.records.manifest(&job.object.bucket, &job.object.key).await?;
        if visible.is_some_and(|visible| visible.job == job.id) {
            warn!(job.id = %job.id, state = job.state().as_str(), "the manifest names job {}, which should not be visible: its rows are kept", job.id);
            return Ok(());
        }
        stats.collected += 1;
        if self.dry_run {
            info!(job.id = %job.id, "dry run: would delete the rows of job {}", job.id);
            return Ok(());
        }
        let until = self.clock.now() + RESERVED;
        // Rejected: the job was replayed after it was read.
        let Changed::Applied(_) = self.ledger.collecting(&job.id, job.state(), until).await? else {
            return Ok(());
        };
        let rows = self.delete_write_epochs(job, manifest::write_epochs(job)).await?;
        // Killed before this line, the next sweep finds the job on its shard and no rows.
        self.ledger.collected(job, self.clock.now()).await?;
        stats.collected_rows += rows;
        info!(job.id = %job.id, state = job.state().as_str(), rows, "deleted {} of job {}", count(rows, "row"), job.id);
        Ok(())
    }

    /// Deletes what attempts before the published one have left: write epochs that no manifest will ever name. The job stays
    /// on its shard, and as it is.
    async fn collect_lost(&self, job: &Job, stats: &mut SweepStats) -> Result<(), StepError> {
        if self.dry_run {
            info!(job.id = %job.id, "dry run: would delete the rows of earlier attempts of job {}", job.id);
            return Ok(());
        }
        let (first, last) = manifest::write_epochs(job).into_inner();
        let rows = self.delete_write_epochs(job, first..=last.saturating_sub(1)).await?;
        stats.collected_rows += rows;
        info!(job.id = %job.id, rows, "deleted {} of earlier attempts of job {}", count(rows, "row"), job.id);
        Ok(())
    }

    /// Deletes all rows of these write epochs of a job and returns how many there were.
    async fn delete_write_epochs(
        &self,
        job: &Job,
        write_epochs: RangeInclusive<u64>,
    ) -> Result<u64, StepError> {
        // A worker that was stopped in mid-write may have left some partitions empty and later ones not. Over how many
        // a command's output is spread does not follow from its size.
        let partitions = match &job.state {
            JobState::Done(done) if job.pipeline.format.is_repeatable() => manifest::shards(done.write_units),
            _ => manifest::MAX_SHARDS,
        };
        let places = write_epochs
            .flat_map(|write_epoch| (0..partitions).map(move |partition| (write_epoch, partition)));
        let deletes = stream::iter(places)
            .map(|(write_epoch, partition)| self.collector.delete_rows(&job.id, write_epoch, partition))
            .buffer_unordered(PARTITIONS);
        Ok(deletes.try_fold(0, |sum, rows| async move { Ok(sum + rows) }).await?)
    }

    /// Whether a job whose rows are visible had attempts before that may have left rows of their own, a day ago.
    fn has_lost_write_epochs(&self, job: &Job) -> bool {
        let JobState::Done(Done { settled_at, replaced: None, .. }) = job.state else { return false };
        !job.pipeline.format.is_repeatable()
            && job.pipeline.publishes_at_once()
            && job.fence > 1
            && self.is_old(settled_at)
    }

    fn is_old(&self, since: Timestamp) -> bool {
        since.checked_add(KEPT).is_ok_and(|at| at <= self.clock.now())
    }

    /// Whether the rows of a job, if it has any, have been invisible for a day.
    fn is_collectable(&self, job: &Job) -> bool {
        let since = match &job.state {
            JobState::Waiting(_) | JobState::Running(_) | JobState::Done(Done { replaced: None, .. }) => {
                return false;
            }
            JobState::Done(Done { replaced: Some(replaced), .. }) => replaced.at,
            JobState::Failed(failed) => failed.settled_at,
            JobState::Superseded(dropped) | JobState::SourceDeleted(dropped) => dropped.settled_at,
        };
        // Records with natural keys and in tables of the user's own are not stored under their job, and a job that was never claimed has no rows.
        self.is_old(since) && job.pipeline.publishes_at_once() && job.fence > 0
    }
}
