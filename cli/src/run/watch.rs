//! Follows the uploaded objects in the ledger until each job settles.

use std::{collections::HashMap, time::Duration};

use aws::ledger::Ledger;
use domain::{
    job::{Job, JobId},
    mail::{LogLine, readable},
    pipelines::Pipelines,
};
use jiff::Timestamp;
use localcloud::{Cloud, ecs::Status, sqs::Sqs};
use telemetry::metrics::is_line as is_metrics;
use tokio::time::Instant;

use super::{
    progress::Progress,
    stall::{self, Stall, UnderWay},
    until::Until,
};
use crate::{
    dead_letter::{DeadLetter, job_of},
    output::one_line,
};

/// The shortest time between two rounds over the ledger. A round over many jobs takes longer and sets the pace.
const ROUND: Duration = Duration::from_millis(10);

/// How many jobs are read in one call.
const BATCH: usize = 100;

/// How many log lines are shown when a run makes no progress.
const LOG_LINES: usize = 10;

/// An object that is followed.
pub(crate) struct Followed<'u> {
    /// Its key.
    pub(crate) key: &'u str,
    /// The id of its job.
    pub(crate) id: JobId,
}

/// The outcome of a run.
pub(crate) struct Settled {
    /// Each job as the ledger has it; none where it was never recorded.
    pub(crate) jobs: Vec<Option<Job>>,
    /// The dead letters.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Why some jobs have not settled, if so.
    pub(crate) stall: Option<Stall>,
}

/// The jobs of a local cloud that are followed.
pub(crate) struct Watch<'c> {
    /// The cloud.
    pub(crate) cloud: &'c Cloud,
    /// The cloud's ledger.
    pub(crate) ledger: &'c Ledger,
    /// The pipelines that its functions route by.
    pub(crate) pipelines: &'c Pipelines,
    /// The URLs of its queues that functions and workers receive from.
    pub(crate) queues: [&'c str; 3],
    /// The URLs of the queues with its dead letters.
    pub(crate) dead: [&'c str; 2],
}

impl Watch<'_> {
    /// Waits until each of these jobs has settled, and its mail was sent if it failed, or until that cannot happen, or the
    /// run has to end.
    pub(crate) async fn settle(
        &self,
        objects: &[Followed<'_>],
        until: &mut Until<'_>,
    ) -> anyhow::Result<Settled> {
        let mut jobs: Vec<Option<Job>> = objects.iter().map(|_| None).collect();
        let mut progress = Progress::new(objects.len());
        let mut changed_at = Instant::now();
        loop {
            let round = Instant::now();
            // Read before the ledger: a job fails in the ledger before it enters the dead-letter queue.
            let dead_letters = self.dead_letters();
            if self.read(objects, &mut jobs, &mut progress).await? {
                changed_at = Instant::now();
            }
            progress.show(&jobs);
            let left: Vec<(&Followed<'_>, Option<&Job>)> = objects
                .iter()
                .zip(jobs.iter().map(Option::as_ref))
                .filter(|(_, job)| !job.is_some_and(Job::is_over))
                .collect();
            let dead = || {
                left.iter()
                    .all(|(object, job)| dead_letters.iter().any(|letter| letter.ends(&object.id, *job)))
            };
            let mut stall = match () {
                () if left.is_empty() => None,
                () if dead() => Some(Stall::Dead),
                () => stall::stall_of(self.under_way(), changed_at.elapsed()),
            };
            if stall.is_none() && !left.is_empty() {
                let waiting = left.iter().map(|(object, job)| (object.key, *job));
                progress.explain(changed_at.elapsed(), waiting, || self.due());
                tokio::select! {
                    () = tokio::time::sleep(ROUND.max(round.elapsed() * 2)) => continue,
                    ended = until.reached() => stall = Some(ended),
                }
            }
            progress.end();
            return Ok(Settled { jobs, dead_letters: self.dead_letters(), stall });
        }
    }

    /// The jobs as they are now.
    pub(crate) async fn now(&self, objects: &[Followed<'_>], stall: Stall) -> anyhow::Result<Settled> {
        let mut jobs: Vec<Option<Job>> = objects.iter().map(|_| None).collect();
        self.read(objects, &mut jobs, &mut Progress::new(objects.len())).await?;
        Ok(Settled { jobs, dead_letters: self.dead_letters(), stall: Some(stall) })
    }

    /// Reads the jobs that are not over, and says whether one has changed.
    async fn read(
        &self,
        objects: &[Followed<'_>],
        jobs: &mut [Option<Job>],
        progress: &mut Progress,
    ) -> anyhow::Result<bool> {
        let is_open = |job: &Option<Job>| !job.as_ref().is_some_and(Job::is_over);
        let open: Vec<usize> = (0..objects.len()).filter(|at| is_open(&jobs[*at])).collect();
        let mut changed = false;
        for some in open.chunks(BATCH) {
            let ids: Vec<JobId> = some.iter().map(|at| objects[*at].id.clone()).collect();
            let found = self.ledger.read_all(&ids).await?.into_iter();
            let mut found: HashMap<JobId, Job> =
                found.map(|job| job.map(|job| (job.id.clone(), job))).collect::<Result<_, _>>()?;
            for at in some {
                let job = found.remove(&objects[*at].id);
                if job == jobs[*at] {
                    continue;
                }
                changed = true;
                jobs[*at] = job;
                if let Some(job) = jobs[*at].as_ref().filter(|job| job.is_over()) {
                    progress.settled(job);
                }
            }
        }
        Ok(changed)
    }

    /// Prints the last log lines of functions and workers.
    pub(crate) fn show_logs(&self) {
        eprintln!("last log lines of functions and workers:");
        let lines = self.cloud.services().logs.last(LOG_LINES).into_iter();
        for line in lines.filter(|line| !is_metrics(&line.text)) {
            eprintln!("  {}", one_line(&readable(&LogLine { at: Some(line.at), text: line.text })));
        }
    }

    fn dead_letters(&self) -> Vec<DeadLetter> {
        // The template creates these queues; a missing queue is empty.
        let sqs = &self.cloud.services().sqs;
        let found = self.dead.iter().flat_map(|queue| sqs.peek(&arn(queue)).unwrap_or_default());
        found.map(|message| DeadLetter::read(&message, self.pipelines)).collect()
    }

    /// When the next attempts of jobs begin: their messages are delayed until then.
    fn due(&self) -> HashMap<JobId, Timestamp> {
        let sqs = &self.cloud.services().sqs;
        let delayed = self.queues.iter().flat_map(|queue| sqs.delayed(&arn(queue)).unwrap_or_default());
        delayed.filter_map(|(message, at)| Some((job_of(&message.body, self.pipelines)?, at))).collect()
    }

    fn under_way(&self) -> UnderWay {
        let services = self.cloud.services();
        let tasks = services.ecs.tasks().iter().filter(|task| task.status != Status::Stopped).count();
        let mut under_way = UnderWay { tasks, delayed: 0, messages: 0 };
        for queue in &self.queues {
            let counts = services.sqs.counts(&arn(queue)).unwrap_or_default();
            under_way.delayed += counts.delayed;
            under_way.messages += counts.visible + counts.in_flight;
        }
        under_way
    }
}

/// The ARN of the queue with this URL.
fn arn(url: &str) -> String {
    Sqs::arn(url.rsplit('/').next().unwrap_or_default())
}
