//! The progress of a run on standard error: a bar on a terminal, elsewhere lines.

use std::{
    collections::HashMap,
    io::{IsTerminal, stderr},
    time::Duration,
};

use domain::{
    job::{Job, JobId, State},
    text::{count, grouped, shortened},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{outcome::outcome, waiting::waits_for};
use crate::{
    commands::format_job,
    output::{columns, one_line},
};

/// Up to this many objects, each has its line when it settles; of more, those that are not done, and a line now and then
/// for all.
const LINES: usize = 100;

/// The time between two of those.
const NOW_AND_THEN: Duration = Duration::from_secs(5);

/// After this time without a change it is said what the objects wait for, and again after as much longer.
const QUIET: Duration = Duration::from_secs(10);

/// Of how many objects it is said.
const SHOWN: usize = 5;

/// What was shown so far.
pub(super) struct Progress {
    bar: ProgressBar,
    lines: bool,
    settled: usize,
    jobs: usize,
    shown_at: Instant,
    /// For how long nothing may change before it is said what is waited for.
    quiet: Duration,
}

impl Progress {
    pub(super) fn new(jobs: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::stderr());
        // The template is a constant: it parses.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} objects settled, {msg}") {
            bar.set_style(style);
        }
        let lines = !stderr().is_terminal();
        Self { bar, lines, settled: 0, jobs, shown_at: Instant::now(), quiet: QUIET }
    }

    /// A job has settled.
    pub(super) fn settled(&mut self, job: &Job) {
        self.settled += 1;
        self.quiet = QUIET;
        if self.lines && (self.jobs <= LINES || job.state() != State::Done) {
            let (name, outcome) = (one_line(&job.object.key), outcome(job));
            eprintln!("{}/{} {name}: {outcome}, {}", self.settled, self.jobs, count(job.records(), "record"));
        }
    }

    /// Shows how far all of them are.
    pub(super) fn show(&mut self, jobs: &[Option<Job>]) {
        let known = || jobs.iter().flatten();
        let running = known().filter(|job| job.state() == State::Running).count();
        let failed = known().filter(|job| job.state() == State::Failed).count();
        let records: u64 = known().map(Job::records).sum();
        let message = format!("{running} running, {failed} failed, {}", count(records, "record"));
        if self.lines && self.jobs > LINES && self.shown_at.elapsed() >= NOW_AND_THEN {
            self.shown_at = Instant::now();
            let (settled, jobs) = (grouped(self.settled as u64), grouped(self.jobs as u64));
            eprintln!("{settled}/{jobs} objects settled, {message}");
        }
        self.bar.set_position(self.settled as u64);
        // A large object has a line of its own, below the bar.
        let large = known().find_map(|job| Some((job, format_job::progress(job)?)));
        let large = large.map(|(job, said)| {
            let line = format!("  {}: {}", one_line(&job.object.key), one_line(said));
            format!("\n{}", shortened(&line, columns().unwrap_or(usize::MAX)))
        });
        self.bar.set_message(message + &large.unwrap_or_default());
    }

    /// Says what the objects wait for, if nothing has changed for a while. `left` are those that have not settled: their
    /// keys and, if known, their jobs; `due` is when the next attempt of a job begins.
    pub(super) fn explain<'j>(
        &mut self,
        still: Duration,
        left: impl ExactSizeIterator<Item = (&'j str, Option<&'j Job>)>,
        due: impl FnOnce() -> HashMap<JobId, Timestamp>,
    ) {
        if still < self.quiet {
            return;
        }
        self.quiet = still + still.max(QUIET);
        let (due, now, objects) = (due(), Timestamp::now(), left.len());
        self.bar.suspend(|| {
            for (key, job) in left.take(SHOWN) {
                let at = job.and_then(|job| due.get(&job.id)).copied();
                eprintln!("waiting for {}: {}", one_line(key), waits_for(job, at, now));
            }
            if objects > SHOWN {
                eprintln!("waiting for {} more", count(objects - SHOWN, "object"));
            }
        });
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
