//! Open jobs: retries those that no worker runs, and stops tasks that are overdue.

use std::{collections::HashMap, time::Duration};

use crate::{
    finish_attempt::{Ended, finish},
    item_failures::ItemFailures,
};
use aws::{CallError, ledger::Over};
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Attempt, Job, Reason, STATUS_SHARDS, State, open_shard},
    message::{FailureMessage, JobMessage},
    routing::{Route, route},
    sweep::{
        Facts, JobRepair, Overdue, Task, job_repair, lost,
        report::{Open, SweepStats},
    },
    verdict::{self, Kind, Verdict},
};
use jiff::Timestamp;
use tracing::info;

use super::{Pages, StepError, Sweep, settled::HourReports};

/// ECS may not yet know a task that it has just launched: unknown tasks are described again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Sweep {
    /// Looks at every open job.
    pub(super) async fn open_jobs(
        &self,
        reports: &mut HourReports,
        open: &mut Open,
        stats: &mut SweepStats,
        failures: &mut ItemFailures,
    ) -> Result<(), StepError> {
        let backlog_since = self.backlog_since().await?;
        for part in STATUS_SHARDS {
            let mut pages = Pages::of(open_shard(part));
            while let Some(mut jobs) = self.next_jobs(&mut pages, failures).await? {
                // The index is a moment behind: some have settled by now.
                jobs.retain(|job| !job.state().is_settled());
                let tasks = self.tasks_of(&jobs).await?;
                for job in jobs {
                    if failures.should_give_up() {
                        return Ok(());
                    }
                    reports.came_in(&job);
                    let is_running = job.state() == State::Running;
                    let counter = if is_running { &mut open.running } else { &mut open.waiting };
                    *counter += 1;
                    let known = |task: &str| tasks.get(task).copied().unwrap_or(Task::Unknown);
                    let task = job.task.as_deref().map_or(Task::None, known);
                    let pooled = route(&job, self.pooled, None) == Route::Pool;
                    let repaired = self.repair_job(&job, &Facts { task, pooled, backlog_since }, stats).await;
                    failures.record(&job.object, repaired);
                }
            }
        }
        info!(waiting = open.waiting, running = open.running, "read all open jobs");
        Ok(())
    }

    /// What ECS knows about the tasks of these jobs.
    async fn tasks_of(&self, jobs: &[Job]) -> Result<HashMap<String, Task>, CallError> {
        let mut wanted: Vec<String> = jobs.iter().filter_map(|job| job.task.clone()).collect();
        let mut found = HashMap::new();
        for again in [true, false] {
            if wanted.is_empty() {
                break;
            }
            for known in self.cluster.describe(&wanted).await? {
                let task = if known.is_live {
                    Task::Live { created_at: known.created_at, started_at: known.started_at }
                } else {
                    Task::Stopped { at: known.stopped_at }
                };
                found.insert(known.task, task);
            }
            wanted.retain(|task| !found.contains_key(task));
            if again && !wanted.is_empty() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
        Ok(found)
    }

    /// Repairs a job. If the process is killed on any line, the job stays open, and the next sweep finds it; where the ledger
    /// was written and the message not yet sent, the job waits and is relaunched then.
    pub(super) async fn repair_job(
        &self,
        job: &Job,
        facts: &Facts,
        stats: &mut SweepStats,
    ) -> Result<(), StepError> {
        let now = self.clock.now();
        let repair = job_repair(job, facts, now);
        if repair == JobRepair::Leave {
            return Ok(());
        }
        info!(job.id = %job.id, job.state = job.state().as_str(), attempt = job.attempt, ?repair, dry_run = self.dry_run, "job repaired");
        match repair {
            JobRepair::Leave => {}
            JobRepair::TakeBack => return self.take_back(job, now, stats).await,
            JobRepair::Relaunch => {
                stats.relaunched += 1;
                if !self.dry_run {
                    self.send_again(job, Duration::ZERO).await?;
                    let words = "the sweep found that nothing would bring it to a worker any more";
                    self.ledger.note(&job.id, &AuditEntry::new(now, AuditKind::Relaunched, words)).await?;
                }
            }
            JobRepair::Stop(overdue) => {
                stats.stopped += 1;
                if let (Some(task), false) = (&job.task, self.dry_run) {
                    // The event of its stop goes to λ stops, which reads this reason.
                    self.cluster.stop(task, &stop_words(overdue)).await?;
                }
            }
            JobRepair::Notify => {
                stats.notified += 1;
                if !self.dry_run {
                    let message = FailureMessage::new(job.id.clone());
                    self.stops.send(&message.to_body(), Duration::ZERO).await?;
                }
            }
        }
        Ok(())
    }

    /// Ends an attempt whose end was not reported, as λ stops or its worker would have.
    async fn take_back(&self, job: &Job, now: Timestamp, stats: &mut SweepStats) -> Result<(), StepError> {
        if self.dry_run {
            stats.taken_back += 1;
            return Ok(());
        }
        let verdict = Verdict::from(lost(job));
        let words = match (job.reason(), verdict.kind) {
            (_, Kind::WorkerLost) => "its worker was gone, and the event of its stop was lost".to_owned(),
            (Some(reason), _) => reason.message.clone(),
            (None, kind) => kind.sentence().to_owned(),
        };
        let ended = Attempt {
            number: job.attempt,
            task: job.task.clone().unwrap_or_default(),
            verdict: Reason::new(verdict.kind, words),
            stopped_at: now,
            paused: false,
        };
        let over = match job.state() {
            State::Running => Over::Lost { fence: job.fence, now },
            _ => Over::Left { fence: job.fence },
        };
        match finish(&self.ledger, job, &verdict, &ended, over, now).await? {
            Ended::Retry { job, after } => {
                stats.taken_back += 1;
                self.send_again(&job, after).await?;
            }
            Ended::GivenUp(job) => {
                stats.given_up += 1;
                self.stops.send(&FailureMessage::new(job.id).to_body(), Duration::ZERO).await?;
            }
            // Its worker, or the word of its end, came back in the meantime.
            Ended::Refused(_) | Ended::Nothing => {}
        }
        Ok(())
    }

    /// Sends a message for the job's present attempt to λ uploads, which routes it. A duplicate finds the job claimed.
    async fn send_again(&self, job: &Job, after: Duration) -> Result<(), CallError> {
        let message = JobMessage::new(job.id.clone(), job.attempt, 0);
        self.uploads.send(&message.to_body(), after).await
    }
}

/// The reason for StopTask. The verdict recognises how it begins.
fn stop_words(overdue: Overdue) -> String {
    match overdue {
        Overdue::Running(by) => format!("{} by {} min", verdict::OVERDUE, by.as_secs() / 60),
        Overdue::Starting(since) => format!("{} in {} min", verdict::NEVER_STARTED, since.as_secs() / 60),
    }
}
