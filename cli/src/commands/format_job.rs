//! Formats jobs for output.

use std::time::Duration;

use domain::{
    audit::AuditKind,
    job::{Job, JobState},
    text::in_words,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A job as every JSON output shows it.
pub(crate) fn job_to_json(job: &Job) -> Value {
    json!({
        "job": job.id,
        "object": job.object.uri(),
        "version": job.object.version_id,
        "bytes": job.object.size_bytes,
        "pipeline": job.pipeline.name,
        "state": job.state(),
        "attempt": job.attempt,
        "counted_attempts": job.counted_attempts,
        "attempts": job.pipeline.attempts,
        "reason": job.reason(),
        "format": job.format(),
        "removal": job.removal,
        "records": job.records(),
        "rejected": job.rejected(),
        "rejects": job.rejects(),
        "repaired": job.repaired(),
        "drifts": job.drifts(),
        "progress": progress(job),
        "task": job.task,
        "event_at": job.event_at,
        "trace": job.trace,
        "created_at": job.created_at,
        "claimed_at": job.claimed_at(),
        "settled_at": job.settled_at(),
        "notified_at": job.notified_at(),
        "replaced_at": job.replaced_at(),
        "object_deleted": job.replaced().is_some_and(|replaced| replaced.by_deletion),
        "took_ms": took(job).map(|took| took.as_secs_f64() * 1e3),
    })
}

/// How far a running job's command says it is.
pub(crate) fn progress(job: &Job) -> Option<&str> {
    match &job.state {
        JobState::Running(running) => running.progress.as_deref(),
        _ => None,
    }
}

/// The time from recording or last replaying a job until it settled, if it has.
pub(super) fn took(job: &Job) -> Option<Duration> {
    let settled_at = job.settled_at()?;
    let replays = job.audit.iter().filter(|entry| entry.kind == AuditKind::Replayed).map(|entry| entry.at);
    let begun = replays.filter(|at| *at <= settled_at).fold(job.created_at, Timestamp::max);
    Duration::try_from(settled_at.duration_since(begun)).ok()
}

/// How long ago this was.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let since = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    in_words(since)
}

/// The state of a job, and the reason when it is not done.
pub(super) fn state(job: &Job) -> String {
    match job.reason() {
        Some(reason) => format!("{}: {}", job.state().as_str(), reason.code),
        None => job.state().as_str().to_owned(),
    }
}

/// A row of texts in columns, and the line below it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) below: String,
}

/// Rows of text in columns, printed page by page. The first page sets the widths; a longer text later on shifts its own
/// row only.
#[derive(Debug, Default)]
pub(super) struct Columns {
    widths: Vec<usize>,
}

/// The widest column that the first page may set.
const WIDEST: usize = 60;

impl Columns {
    /// Formats rows as lines; columns whose index is in `right` are aligned to the right.
    pub(super) fn lines(&mut self, titles: &[&str], right: &[usize], rows: &[Row]) -> String {
        let mut text = String::new();
        if self.widths.is_empty() {
            let width = |text: &str| text.chars().count().min(WIDEST);
            self.widths = titles
                .iter()
                .enumerate()
                .map(|(n, title)| {
                    let widest = rows.iter().filter_map(|row| row.cells.get(n)).map(|text| width(text)).max();
                    widest.unwrap_or_default().max(title.len())
                })
                .collect();
            let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
            text += &self.line(right, &titles);
        }
        for row in rows {
            text += &self.line(right, &row.cells);
            text += &format!("{}\n", row.below);
        }
        text
    }

    fn line(&self, right: &[usize], row: &[String]) -> String {
        let cells = row.iter().zip(&self.widths).enumerate();
        let cells =
            cells.map(
                |(n, (text, &width))| {
                    if right.contains(&n) { format!("{text:>width$}") } else { format!("{text:width$}") }
                },
            );
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[[&str; 2]]) -> Vec<Row> {
        let row =
            |row: &[&str; 2]| Row { cells: row.map(str::to_owned).to_vec(), below: "  below".to_owned() };
        rows.iter().map(row).collect()
    }

    #[test]
    fn the_first_page_sets_the_widths_of_columns() {
        let mut columns = Columns::default();
        let first =
            columns.lines(&["object", "records"], &[1], &rows(&[["a.csv", "12"], ["long name.csv", "3"]]));
        assert_eq!(
            first,
            "object         records\na.csv               12\n  below\nlong name.csv        3\n  below\n"
        );
        let second =
            columns.lines(&["object", "records"], &[1], &rows(&[["a", "1"], ["a longer name.csv", "2"]]));
        assert_eq!(second, "a                    1\n  below\na longer name.csv        2\n  below\n");
    }
}
