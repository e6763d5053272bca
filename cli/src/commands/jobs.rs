//! `tidemill jobs`: lists open jobs and those that settled recently.

use anyhow::Context;
use app::item_failures::ItemFailures;
use domain::{job::Job, text::grouped};
use jiff::Timestamp;

use super::{
    deployment::{self, Deployment},
    format_job::{self, Columns, Row, job_to_json},
    job_pages::{OpenJobs, SettledJobs},
    time_arg,
};
use crate::{
    args::JobsArguments,
    output::{duration, one_line, print, print_line},
};

/// Lists the open jobs, then the settled ones, newest first.
pub(crate) async fn run(arguments: &JobsArguments) -> anyhow::Result<u8> {
    let now = deployment::now();
    let since = time_arg(&arguments.since, now)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let mut list = List { arguments, now, columns: Columns::default(), rows: Vec::new(), listed: false };
    let mut failures = ItemFailures::default();
    let mut open = OpenJobs::new(&deployment.ledger);
    while let Some(jobs) = open.next(&mut failures).await? {
        list.print(&jobs)?;
    }
    let mut settled = SettledJobs::since(&deployment.ledger, since, now);
    while let Some(jobs) = settled.next(&mut failures).await? {
        let settled: Vec<Job> = jobs.into_iter().filter(|job| job.state().is_settled()).collect();
        list.print(&settled)?;
    }
    list.flush()?;
    failures.finish().context("some jobs could not be listed")?;
    if !list.listed && !arguments.target.json {
        eprintln!("no matching job is open, and none has settled since {since:.0}");
    }
    Ok(0)
}

/// The list while it is printed.
struct List<'a> {
    arguments: &'a JobsArguments,
    now: Timestamp,
    columns: Columns,
    /// Jobs that wait until the widths of the columns are known.
    rows: Vec<Row>,
    listed: bool,
}

/// The number of rows that set the widths of the columns.
const ROWS: usize = 50;

/// With an ordinary job, these and their gaps take at most 80 characters.
const TITLES: [&str; 5] = ["job", "state", "records", "age", "took"];

/// The column of these that holds numbers.
const NUMBERS: [usize; 1] = [2];

impl List<'_> {
    fn print(&mut self, jobs: &[Job]) -> anyhow::Result<()> {
        let wanted: Vec<&Job> = jobs.iter().filter(|job| self.wants(job)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.listed = true;
        if self.arguments.target.json {
            return wanted.iter().try_for_each(|job| print_line(&job_to_json(job)));
        }
        self.rows.extend(wanted.iter().map(|job| row(job, self.now)));
        if self.rows.len() < ROWS { Ok(()) } else { self.flush() }
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

/// A job, with its object on a line of its own: keys are long.
fn row(job: &Job, now: Timestamp) -> Row {
    let reason =
        job.reason().map(|reason| format!(": {}", one_line(reason.code.as_str()))).unwrap_or_default();
    let attempt = if job.attempt > 1 { format!(", attempt {}", job.attempt) } else { String::new() };
    Row {
        cells: vec![
            job.id.to_string(),
            job.state().as_str().to_owned(),
            grouped(job.records()),
            format_job::ago(job.created_at, now),
            format_job::took(job).map(duration).unwrap_or_default(),
        ],
        below: format!("  {} ({}){reason}{attempt}", one_line(&job.object.key), job.pipeline.name),
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
