//! Jobs that have settled: tallied by the hour, and told of where nobody was told.

use std::collections::HashSet;

use aws::objects::Writing;
use domain::{
    job::{Job, STATUS_SHARDS, settled_shard},
    sweep::{
        Facts, HOUR, HOUR_SETTLES, Progress, Task, hour_of,
        report::{Doings, HourStats, lines_key},
    },
};
use jiff::Timestamp;
use tracing::info;

use super::{Pages, StepError, Sweep};
use crate::item_failures::ItemFailures;

/// For so many hours back, failures are looked through for those that nobody was told of: λ stops had its time within
/// the first, and two sweeps may be missing.
const TOLD_WITHIN: u32 = 3;

/// The hours that are to be reported, as far as they are counted.
#[derive(Debug)]
pub(super) struct Tallies {
    pub(super) progress: Progress,
    pub(super) hours: Vec<Counted>,
    /// The jobs that came in within these hours, so that one that is seen open and then settled counts once. Sixteen
    /// bytes each.
    came_in: HashSet<u128>,
}

/// An hour as far as it is counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) tally: HourStats,
    /// Its lines so far; none yet, none.
    pub(super) lines: Option<Writing>,
}

impl Tallies {
    /// Counts a job, open or settled, in the hour that it came in.
    pub(super) fn came_in(&mut self, job: &Job) {
        let hour = hour_of(job.created_at);
        let counted = self.hours.iter_mut().find(|counted| counted.tally.hour() == hour);
        if let Some(counted) = counted
            && self.came_in.insert(number(job))
        {
            counted.tally.came_in(job);
        }
    }
}

impl Sweep {
    /// The hours that are to be reported. If the last one has just ended, waits until it has settled.
    pub(super) async fn tallies(&self) -> Result<Tallies, StepError> {
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
        let counted = |hour| Counted { tally: HourStats::new(hour), lines: None };
        Ok(Tallies { hours: hours.into_iter().map(counted).collect(), progress, came_in: HashSet::new() })
    }

    /// Looks at every job that settled since the first hour that is to be reported, and in the last hours.
    ///
    /// A job is on the shard of the hour it settled in, until a newer version takes its place: then it moves to the
    /// shard of that hour. Those shards are read after the ones they are moved from, so none is missed; one that
    /// moves between the two looks is recognised.
    pub(super) async fn settled_jobs(
        &self,
        tallies: &mut Tallies,
        doings: &mut Doings,
        failures: &mut ItemFailures,
    ) -> Result<(), StepError> {
        let now = self.clock.now();
        let recent = hour_of(now).checked_sub(HOUR * TOLD_WITHIN).unwrap_or(Timestamp::MIN);
        let first = tallies.hours.first().map_or(recent, |counted| recent.min(counted.tally.hour()));
        // Sixteen bytes a job, of the hours that are reported.
        let mut seen = HashSet::new();
        let mut status_shard = first;
        // To the hour that is now, not the one when this began.
        while status_shard <= self.clock.now() {
            for part in STATUS_SHARDS {
                let mut pages = Pages::of(settled_shard(part, status_shard));
                while let Some(jobs) = self.next_jobs(&mut pages).await? {
                    for job in jobs {
                        self.repair_settled(&job, doings, failures).await;
                        self.count_settled(&job, tallies, &mut seen).await?;
                    }
                }
            }
            status_shard = status_shard.checked_add(HOUR).unwrap_or(Timestamp::MAX);
        }
        info!(hours = tallies.hours.len(), jobs = seen.len(), "settled jobs looked at");
        Ok(())
    }

    /// Repairs a settled job. A failure is recorded: the job still counts in the report.
    async fn repair_settled(&self, job: &Job, doings: &mut Doings, failures: &mut ItemFailures) {
        let facts = Facts { task: Task::None, pooled: false, backlog_since: None };
        if job.state.is_settled() && !failures.should_give_up() {
            failures.record(&job.object, self.repair_job(job, &facts, doings).await);
        }
    }

    /// Counts a settled job in the report of its hour. An hour whose report cannot be written in full is not reported.
    async fn count_settled(
        &self,
        job: &Job,
        tallies: &mut Tallies,
        seen: &mut HashSet<u128>,
    ) -> Result<(), StepError> {
        let Some(first) = tallies.hours.first().map(|counted| counted.tally.hour()) else { return Ok(()) };
        // Replaced by now, and reported in its own hour.
        let before = job.settled_at.is_some_and(|at| at < first);
        if before || !job.state.is_settled() || !seen.insert(number(job)) {
            return Ok(());
        }
        tallies.came_in(job);
        for counted in &mut tallies.hours {
            let Some(line) = counted.tally.settled(job) else { continue };
            if self.dry_run {
                continue;
            }
            let key = lines_key(&self.reports_prefix, counted.tally.hour());
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
