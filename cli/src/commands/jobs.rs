//! `tidemill jobs`: lists open jobs and those that settled recently, and the runs of schedules.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::Context;
use app::{item_failures::ItemFailures, replay::jobs_of};
use domain::{
    job::{Job, JobId, State},
    pipelines::Pipelines,
    replay::{Step, is_outdated, step},
    text::{grouped, in_words, shortened},
};
use jiff::Timestamp;

use super::{
    deployment::{self, Deployment},
    format_job::{self, Columns, Row, job_to_json, progress},
    job_pages::{OpenJobs, SettledJobs},
    schedule, time_arg,
};
use crate::{
    args::JobsArguments,
    output::{one_line, print, print_line},
    signals::Signals,
};

/// Lists the open jobs, then the settled ones, newest first, then the runs of schedules; with `--watch`, then each job that
/// changes.
pub(crate) async fn run(arguments: &JobsArguments) -> anyhow::Result<u8> {
    let now = deployment::now();
    let since = time_arg(&arguments.since, now)?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let deployment = Deployment::find(&arguments.target).await?;
    let today = match arguments.outdated {
        true => Some(deployment.current_pipelines().await?),
        false => None,
    };
    let mut list = List::new(arguments, today);
    list.round(&deployment, since, now).await?;
    if !arguments.target.json && !arguments.watch {
        list.say_what_next(since);
    }
    let mut read_at = now;
    while arguments.watch && !list.is_full() {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            asked = signals.asked() => return Ok(asked.exit_code()),
        }
        let now = deployment::now();
        // A settled job carries the time at which its last write began.
        list.round(&deployment, read_at.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN), now).await?;
        read_at = now;
    }
    Ok(0)
}

/// The time between two rounds of `--watch`.
const ROUND: Duration = Duration::from_secs(2);

/// How far each round reads back before the one before.
const OVERLAP: Duration = Duration::from_secs(30);

/// Those of these jobs whose objects a replay would process otherwise than they were.
async fn outdated(deployment: &Deployment, jobs: Vec<Job>, today: &Pipelines) -> anyhow::Result<Vec<Job>> {
    let mut outdated = Vec::new();
    for job in jobs {
        let pipeline = today.route(&job.object.key, job.object.size_bytes);
        let is_result = match job.state() {
            State::Failed => true,
            State::Done => job.replaced().is_none(),
            State::Waiting | State::Running | State::Superseded | State::SourceDeleted => false,
        };
        if !is_result || !is_outdated(&job, pipeline) {
            continue;
        }
        // Its object may have been processed again since.
        let would_replay = match pipeline {
            Some(pipeline) => {
                let jobs = jobs_of(&deployment.ledger, &pipeline.name, &job.object).await?;
                matches!(step(&job, pipeline, &jobs), Ok(Step::Anew(_)))
            }
            None => true,
        };
        if would_replay {
            outdated.push(job);
        }
    }
    Ok(outdated)
}

/// The list while it is printed.
struct List<'a> {
    arguments: &'a JobsArguments,
    /// The pipelines of today, where only jobs are listed that they would process otherwise.
    today: Option<Pipelines>,
    columns: Columns,
    /// Jobs that wait until the widths of the columns are known.
    rows: Vec<Row>,
    listed: bool,
    /// How many more jobs and runs may be listed.
    left: u64,
    /// What was printed of jobs that were open or, with `--watch`, settled since: such a job is listed again only when it has
    /// changed.
    printed: HashMap<JobId, (Printed, u32)>,
    /// The tasks of the runs of schedules that were printed in the round before.
    printed_runs: HashSet<String>,
    round: u32,
}

/// What of a job is news when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Printed {
    state: State,
    attempt: u32,
}

/// The number of rows that set the widths of the columns.
const ROWS: usize = 50;

/// With an ordinary job, these and their gaps take at most 80 characters.
const TITLES: [&str; 5] = ["job", "state", "records", "age", "took"];

/// The column of these that holds numbers.
const NUMBERS: [usize; 1] = [2];

impl<'a> List<'a> {
    fn new(arguments: &'a JobsArguments, today: Option<Pipelines>) -> Self {
        Self {
            arguments,
            today,
            columns: Columns::default(),
            rows: Vec::new(),
            listed: false,
            left: arguments.limit.unwrap_or(u64::MAX),
            printed: HashMap::new(),
            printed_runs: HashSet::new(),
            round: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Lists the open jobs, those that settled since then, and the runs of schedules that ended since then.
    async fn round(
        &mut self,
        deployment: &Deployment,
        since: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let mut failures = ItemFailures::default();
        // A job that is open has not made anything yet.
        if self.today.is_none() {
            let mut open = OpenJobs::new(&deployment.ledger);
            while let (false, Some(mut jobs)) = (self.is_full(), open.next(&mut failures).await?) {
                jobs.retain(|job| self.wants(job));
                self.print(&jobs, now)?;
            }
        }
        let mut settled = SettledJobs::since(&deployment.ledger, since, now);
        while let (false, Some(mut jobs)) = (self.is_full(), settled.next(&mut failures).await?) {
            jobs.retain(|job| job.state().is_settled() && self.wants(job));
            if let Some(today) = &self.today {
                jobs = outdated(deployment, jobs, today).await?;
            }
            self.print(&jobs, now)?;
        }
        self.flush()?;
        self.print_runs(deployment, since, now).await?;
        // What is not read any more cannot be listed again.
        let round = self.round;
        self.printed.retain(|_, (_, read_in)| *read_in == round);
        self.round += 1;
        failures.finish().context("some jobs could not be listed")
    }

    fn print(&mut self, jobs: &[Job], now: Timestamp) -> anyhow::Result<()> {
        for job in jobs {
            if self.is_full() || !self.is_news(job) {
                continue;
            }
            self.listed = true;
            self.left -= 1;
            if self.arguments.target.json {
                print_line(&job_to_json(job))?;
            } else {
                self.rows.push(row(job, now));
            }
        }
        if self.rows.len() < ROWS { Ok(()) } else { self.flush() }
    }

    /// Lists the runs of schedules, which have no state, no object and no pipeline to be selected by.
    async fn print_runs(
        &mut self,
        deployment: &Deployment,
        since: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let JobsArguments { states, prefix, .. } = self.arguments;
        if !states.is_empty() || prefix.is_some() || self.today.is_some() {
            return Ok(());
        }
        let all = deployment.schedule_runs().await?;
        let runs = all.since(since);
        let before = std::mem::take(&mut self.printed_runs);
        self.printed_runs = runs.iter().map(|(_, run)| run.task.clone()).collect();
        for (name, run) in runs.into_iter().filter(|(_, run)| !before.contains(&run.task)) {
            if self.is_full() {
                break;
            }
            self.listed = true;
            self.left -= 1;
            if self.arguments.target.json {
                let mut line = schedule::run_to_json(run);
                line["schedule"] = name.into();
                print_line(&line)?;
            } else {
                print(&schedule::line(name, run, now))?;
            }
        }
        Ok(())
    }

    /// Says that nothing was listed, or how the listed objects are processed again.
    fn say_what_next(&self, since: Timestamp) {
        match (self.listed, self.today.is_some()) {
            (false, false) => eprintln!("no matching job is open, and none has settled since {since:.0}"),
            (false, true) => {
                eprintln!("no object that was processed since {since:.0} would be processed otherwise today");
            }
            (true, true) => {
                eprintln!("to process these objects again: tidemill replay --outdated --done --dry-run");
            }
            (true, false) => {}
        }
    }

    /// Whether a job was not listed yet as it is. One that settles while the open ones are read comes a second time among the
    /// settled ones.
    fn is_news(&mut self, job: &Job) -> bool {
        let now = Printed { state: job.state(), attempt: job.attempt };
        let remembers = self.arguments.watch || !job.state().is_settled();
        let before = match remembers {
            true => self.printed.insert(job.id.clone(), (now, self.round)),
            false => self.printed.get(&job.id).copied(),
        };
        match before {
            None => true,
            Some((before, _)) => self.arguments.watch && before != now,
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() { Ok(()) } else { print(&self.columns.lines(&TITLES, &NUMBERS, &rows)) }
    }

    fn wants(&self, job: &Job) -> bool {
        let JobsArguments { states, prefix, .. } = self.arguments;
        (states.is_empty() || states.iter().any(|state| state == job.state().as_str()))
            && prefix.as_ref().is_none_or(|prefix| job.object.key.starts_with(prefix))
    }
}

/// The most characters of a command's progress.
const PROGRESS: usize = 60;

/// A job, with its object on a line of its own: keys are long.
fn row(job: &Job, now: Timestamp) -> Row {
    let reason =
        job.reason().map(|reason| format!(": {}", one_line(reason.code.as_str()))).unwrap_or_default();
    let progress = progress(job).map(|said| format!(": {}", shortened(&one_line(said), PROGRESS)));
    let attempt = if job.attempt > 1 { format!(", attempt {}", job.attempt) } else { String::new() };
    Row {
        cells: vec![
            job.id.to_string(),
            job.state().as_str().to_owned(),
            grouped(job.records()),
            format_job::ago(job.created_at, now),
            format_job::took(job).map(in_words).unwrap_or_default(),
        ],
        below: format!(
            "  {} ({}){reason}{attempt}{}",
            one_line(&job.object.key),
            job.pipeline.name,
            progress.unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_fits_a_terminal_of_80_columns() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let created = at("2026-11-21T12:00:00Z");
        let failed = domain::job::Failed::sample("ragged_row", at("2026-11-21T12:59:59Z"));
        let mut job = Job { attempt: 2, ..Job::sample("", created).in_state(failed) };
        job.object.key = "uploads/orders.csv".to_owned();
        let text = Columns::default().lines(&TITLES, &NUMBERS, &[row(&job, at("2026-11-22T11:59:00Z"))]);
        let id = &job.id;
        assert_eq!(
            text,
            format!(
                "job                               state   records  age          took\n\
                 {id}  failed        0  23 h 59 min  59 min 59 s\n  \
                 uploads/orders.csv (p): ragged_row, attempt 2\n"
            )
        );
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
