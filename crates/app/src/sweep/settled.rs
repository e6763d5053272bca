//! Jobs that have settled: counts them by the hour, and notifies of failures that were not notified.

use std::collections::HashSet;

use aws::objects::Writing;
use domain::{
    job::{Job, STATUS_SHARDS, settled_shard},
    sweep::{
        Facts, HOUR, HOUR_SETTLES, Progress, Task, hour_of,
        report::{HourStats, SweepStats, lines_key},
    },
};
use jiff::Timestamp;
use tracing::info;

use super::{Pages, StepError, Sweep};
use crate::item_failures::ItemFailures;

/// How many hours back the sweep looks for failures that were not notified: λ stops notifies within the first, and two
/// sweeps may have been missed.
const TOLD_WITHIN: u32 = 3;

/// The hours to report, as far as they are counted.
#[derive(Debug)]
pub(super) struct HourReports {
    pub(super) progress: Progress,
    pub(super) hours: Vec<HourReport>,
    /// The jobs that came in within these hours, 16 bytes each: a job that is read both open and settled counts once.
    came_in: HashSet<u128>,
}

/// The report of one hour, as far as it is counted.
#[derive(Debug)]
pub(super) struct HourReport {
    pub(super) counts: HourStats,
    /// The report object with its lines so far; `None` before the first line.
    pub(super) lines: Option<Writing>,
}

impl HourReports {
    /// Counts a job, open or settled, in the hour in which it came in.
    pub(super) fn came_in(&mut self, job: &Job) {
        let hour = hour_of(job.created_at);
        let counted = self.hours.iter_mut().find(|counted| counted.counts.hour() == hour);
        if let Some(counted) = counted
            && self.came_in.insert(number(job))
        {
            counted.counts.came_in(job);
        }
    }
}

impl Sweep {
    /// The hours to report. If the last one has just ended, waits until its jobs can be read.
    pub(super) async fn reports(&self) -> Result<HourReports, StepError> {
        let now = self.clock.now();
        if let Ok(settles) = hour_of(now).checked_add(HOUR_SETTLES)
            && !self.dry_run
        {
            tokio::time::sleep_until(self.clock.instant(settles)).await;
        }
        let now = self.clock.now();
        let progress =
            self.fleet.get_document::<Progress>().await?.unwrap_or_else(|| Progress::at_first(now));
        let hours = progress.to_report(now);
        let counted = |hour| HourReport { counts: HourStats::new(hour), lines: None };
        Ok(HourReports { hours: hours.into_iter().map(counted).collect(), progress, came_in: HashSet::new() })
    }

    /// Looks at every job that settled since the first hour that is not reported yet, and in the last hours.
    ///
    /// A job is on the shard of the hour it settled in, until a newer version takes its place: then it moves to the
    /// shard of that hour. Those shards are read after the ones they are moved from, so none is missed; one that
    /// moves between the two looks is recognised.
    pub(super) async fn settled_jobs(
        &self,
        reports: &mut HourReports,
        stats: &mut SweepStats,
        failures: &mut ItemFailures,
    ) -> Result<(), StepError> {
        let now = self.clock.now();
        let recent = hour_of(now).checked_sub(HOUR * TOLD_WITHIN).unwrap_or(Timestamp::MIN);
        let first = reports.hours.first().map_or(recent, |counted| recent.min(counted.counts.hour()));
        // Sixteen bytes a job, of the hours that are reported.
        let mut seen = HashSet::new();
        let mut status_shard = first;
        // To the hour that is now, not the one when this began.
        while status_shard <= self.clock.now() {
            for part in STATUS_SHARDS {
                let mut pages = Pages::of(settled_shard(part, status_shard));
                while let Some(jobs) = self.next_jobs(&mut pages, failures).await? {
                    for job in jobs {
                        self.repair_settled(&job, stats, failures).await;
                        self.count_settled(&job, reports, &mut seen).await?;
                    }
                }
            }
            status_shard = status_shard.checked_add(HOUR).unwrap_or(Timestamp::MAX);
        }
        info!(hours = reports.hours.len(), jobs = seen.len(), "read all settled jobs");
        Ok(())
    }

    /// Repairs a settled job. A failure is recorded: the job still counts in the report.
    async fn repair_settled(&self, job: &Job, stats: &mut SweepStats, failures: &mut ItemFailures) {
        let facts = Facts { task: Task::None, pooled: false, backlog_since: None };
        if job.state().is_settled() && !failures.should_give_up() {
            failures.record(&job.object, self.repair_job(job, &facts, stats).await);
        }
    }

    /// Counts a settled job in the report of its hour. An hour whose report cannot be written in full is not reported.
    async fn count_settled(
        &self,
        job: &Job,
        reports: &mut HourReports,
        seen: &mut HashSet<u128>,
    ) -> Result<(), StepError> {
        let Some(first) = reports.hours.first().map(|counted| counted.counts.hour()) else { return Ok(()) };
        let Some(settled_at) = job.settled_at() else { return Ok(()) };
        // Replaced by now, and reported in its own hour.
        if settled_at < first || !seen.insert(number(job)) {
            return Ok(());
        }
        reports.came_in(job);
        for counted in &mut reports.hours {
            let Some(line) = counted.counts.settled(job) else { continue };
            if self.dry_run {
                continue;
            }
            let key = lines_key(&self.reports_prefix, counted.counts.hour());
            let lines = counted.lines.get_or_insert_with(|| self.objects.create(&self.bucket, &key));
            lines.write(line.to_json().as_bytes()).await?;
        }
        Ok(())
    }
}

/// The id as a number.
fn number(job: &Job) -> u128 {
    // Thirty-two hex digits: it is one.
    u128::from_str_radix(job.id.as_str(), 16).unwrap_or_default()
}
