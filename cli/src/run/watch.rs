//! Follows the uploaded objects in the ledger until each job settles.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use aws::{CallError, ledger::Ledger};
use domain::{
    job::{Job, JobId, State},
    pipelines::Pipelines,
    text::count,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use localcloud::{Cloud, ecs::Status, sqs::Sqs};
use telemetry::metrics::is_line as is_metrics;
use tokio::time::Instant;

use super::{
    report::outcome,
    stall::{self, Stall, UnderWay},
};
use crate::{dead_letter::DeadLetter, output::one_line};

/// The shortest time between two rounds over the ledger. A round over many jobs takes longer and sets the pace.
const ROUND: Duration = Duration::from_millis(10);

/// After this time without a change, the last log lines are shown.
const STALL: Duration = Duration::from_secs(60);

/// How many log lines are shown when a run makes no progress.
const LOG_LINES: usize = 10;

/// The outcome of a run.
pub(crate) struct Settled {
    /// Each job as the ledger has it; none where it was never recorded.
    pub(crate) jobs: Vec<Option<Job>>,
    /// The messages in the dead-letter queue.
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
    /// The URLs of its queues, the dead-letter queue first.
    pub(crate) queues: [&'c str; 4],
}

impl Watch<'_> {
    /// Waits until each of these jobs has settled, and its mail was sent if it failed, or until that cannot happen.
    pub(crate) async fn settle(&self, ids: &[JobId]) -> Result<Settled, CallError> {
        let mut jobs: Vec<Option<Job>> = ids.iter().map(|_| None).collect();
        let mut progress = Progress::new(ids.len());
        let mut changed_at = Instant::now();
        let mut shown = false;
        loop {
            let round = Instant::now();
            // Read before the ledger: a job fails in the ledger before it enters the dead-letter queue.
            let dead_letters = self.dead_letters();
            for (id, known) in ids.iter().zip(&mut jobs) {
                if known.as_ref().is_some_and(Job::is_over) {
                    continue;
                }
                let found = self.ledger.read(id).await?;
                if found != *known {
                    *known = found;
                    changed_at = Instant::now();
                    if let Some(job) = known.as_ref().filter(|job| job.is_over()) {
                        progress.settled(job);
                    }
                }
            }
            progress.show(&jobs);
            let mut left = ids.iter().zip(&jobs).filter(|(_, job)| !job.as_ref().is_some_and(Job::is_over));
            let over = left.clone().next().is_none();
            let dead = left.all(|(id, job)| dead_letters.iter().any(|letter| letter.ends(id, job.as_ref())));
            let stall = match (over, dead) {
                (true, _) => None,
                (false, true) => Some(Stall::Dead),
                (false, false) => stall::stall_of(self.under_way(), changed_at.elapsed()),
            };
            if over || stall.is_some() {
                progress.bar.finish_and_clear();
                return Ok(Settled { jobs, dead_letters: self.dead_letters(), stall });
            }
            if !shown && changed_at.elapsed() > STALL {
                shown = true;
                progress.bar.suspend(|| {
                    eprintln!("no job has changed for a minute");
                    self.show_logs();
                });
            }
            tokio::time::sleep(ROUND.max(round.elapsed() * 2)).await;
        }
    }

    /// Prints the last log lines of functions and workers.
    pub(crate) fn show_logs(&self) {
        eprintln!("last log lines of functions and workers:");
        let lines = self.cloud.services().logs.last(LOG_LINES).into_iter();
        for line in lines.filter(|line| !is_metrics(&line.text)) {
            eprintln!("  {}", one_line(&line.text));
        }
    }

    fn dead_letters(&self) -> Vec<DeadLetter> {
        // The template creates this queue; a missing queue is empty.
        let found = self.cloud.services().sqs.peek(&arn(self.queues[0])).unwrap_or_default();
        found.iter().map(|message| DeadLetter::read(message, self.pipelines)).collect()
    }

    fn under_way(&self) -> UnderWay {
        let services = self.cloud.services();
        let tasks = services.ecs.tasks().iter().filter(|task| task.status != Status::Stopped).count();
        let mut under_way = UnderWay { tasks, delayed: 0, messages: 0 };
        for queue in &self.queues[1..] {
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

/// The progress on standard error: a bar on a terminal, elsewhere a line for each settled object.
struct Progress {
    bar: ProgressBar,
    lines: bool,
    settled: usize,
    jobs: usize,
}

impl Progress {
    fn new(jobs: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::stderr());
        // The template is a constant: it parses.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} objects settled, {msg}") {
            bar.set_style(style);
        }
        Self { bar, lines: !stderr().is_terminal(), settled: 0, jobs }
    }

    fn settled(&mut self, job: &Job) {
        self.settled += 1;
        if self.lines {
            let (name, outcome) = (one_line(&job.object.key), outcome(job));
            eprintln!("{}/{} {name}: {outcome}, {}", self.settled, self.jobs, count(job.records(), "record"));
        }
    }

    fn show(&self, jobs: &[Option<Job>]) {
        let known = || jobs.iter().flatten();
        let running = known().filter(|job| job.state() == State::Running).count();
        let failed = known().filter(|job| job.state() == State::Failed).count();
        let records: u64 = known().map(Job::records).sum();
        self.bar.set_position(self.settled as u64);
        self.bar.set_message(format!("{running} running, {failed} failed, {}", count(records, "record")));
    }
}
