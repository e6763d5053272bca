//! The report of a run: tables for a person, one JSON document for a program.

use std::{path::PathBuf, time::Duration};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, presets};
use domain::{
    drift::Drifts,
    job::{Job, JobId, JobState, Reason, State},
    object,
    text::{count, grouped, shortened},
};
use jiff::Timestamp;
use localcloud::ecs::TaskSnapshot;
use pricing::Bill;
use serde_json::{Value, json};

use super::stall::Stall;
use crate::{
    dead_letter::DeadLetter,
    files::Upload,
    output::{duration, one_line},
};

/// How many objects that differ from earlier ones are named, and how long such a line is at most.
const DRIFTED: usize = 5;
const LINE_CHARS: usize = 76;

/// An uploaded file and its outcome.
#[derive(Debug)]
pub(crate) struct Became {
    /// The file.
    pub(crate) upload: Upload,
    /// When the PUT was answered.
    pub(crate) uploaded_at: Timestamp,
    /// The id of its job; none when no pipeline matches it.
    pub(crate) id: Option<JobId>,
    /// The job in the ledger; none when it was never recorded.
    pub(crate) job: Option<Job>,
}

/// Everything that a run reports.
#[derive(Debug)]
pub(crate) struct Report {
    /// The bucket's name.
    pub(crate) bucket: String,
    /// The watched prefix, which the table leaves out.
    pub(crate) prefix: String,
    /// How long the local cloud took to start.
    pub(crate) ready: Duration,
    /// Every uploaded file.
    pub(crate) became: Vec<Became>,
    /// Why some jobs have not settled, if so.
    pub(crate) stall: Option<Stall>,
    /// The tasks that ran.
    pub(crate) tasks: Vec<TaskSnapshot>,
    /// The mails that were sent.
    pub(crate) mails: Vec<Sent>,
    /// The messages in the dead-letter queue.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// The folder that holds the mails, with `--data`.
    pub(crate) mailbox: Option<PathBuf>,
    /// What the run would have cost on AWS.
    pub(crate) cost: Bill,
}

/// A mail that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Its subject.
    pub(crate) subject: String,
    /// Its body.
    pub(crate) body: String,
}

impl Report {
    /// Whether every job is done.
    pub(crate) fn all_done(&self) -> bool {
        let done = |job: &Job| job.state() == State::Done;
        self.stall.is_none()
            && self.became.iter().all(|became| became.id.is_none() || became.job.as_ref().is_some_and(done))
    }

    /// The report as one JSON document.
    pub(crate) fn to_json(&self) -> Value {
        let jobs = self.became.iter().filter_map(|became| Some(became.to_json(became.job.as_ref()?)));
        let uris = |chosen: fn(&Became) -> bool| -> Vec<String> {
            let chosen = self.became.iter().filter(|became| chosen(became));
            chosen.map(|became| object::uri(&self.bucket, &became.upload.key)).collect()
        };
        json!({
            "bucket": self.bucket,
            "ready_ms": self.ready.as_secs_f64() * 1e3,
            "jobs": jobs.collect::<Vec<_>>(),
            "ignored": uris(|became| became.id.is_none()),
            "unrecorded": uris(|became| became.id.is_some() && became.job.is_none()),
            "stalled": self.stall.map(|stall| stall.to_string()),
            "tasks": self.tasks.iter().map(task_to_json).collect::<Vec<_>>(),
            "mails": self.mails.iter().map(Sent::to_json).collect::<Vec<_>>(),
            "dead_letters": self.dead_letters.iter().map(DeadLetter::to_json).collect::<Vec<_>>(),
            "cost_usd": self.cost.total().as_f64(),
        })
    }

    /// The report as tables.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.table());
        let jobs = || self.became.iter().filter_map(|became| became.job.as_ref());
        let reasons = jobs().filter_map(|job| match &job.state {
            JobState::Failed(failed) => Some((job, &failed.reason)),
            _ => None,
        });
        let failed: Vec<(&Job, &Reason)> = reasons.collect();
        for (job, reason) in &failed {
            let (key, why) = (one_line(&job.object.key), one_line(&reason.message));
            text += &format!("\n{key} failed: {why}\n  {}", job.advice());
        }
        if !failed.is_empty() {
            text += "\n";
        }
        if let Some(stall) = self.stall {
            let left = |became: &&Became| became.id.is_some() && !became.job.as_ref().is_some_and(is_settled);
            let left = self.became.iter().filter(left).count();
            text += &format!("\n{} not settled: {stall}.\n", count(left as u64, "object"));
        }
        text += &self.drifts_to_text();
        text += &self.mails_to_text();
        format!("{text}\nOn AWS this run would have cost:\n{}\n", self.cost)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        // A line for each object, and none between them.
        let style = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
        table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
        let titles = ["object", "pipeline", "format", "records", "rejected", "attempts", "outcome", "time"];
        table.set_header(titles.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        for column in [3, 4, 5, 7] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for became in &self.became {
            table.add_row(became.to_row(&self.prefix));
        }
        table
    }

    /// The objects whose columns differ from those of earlier objects of their pipeline, the first few in full.
    fn drifts_to_text(&self) -> String {
        let jobs = self.became.iter().filter_map(|became| became.job.as_ref());
        let drifted: Vec<(&Job, &Drifts)> = jobs.filter_map(|job| Some((job, job.drifts()?))).collect();
        if drifted.is_empty() {
            return String::new();
        }
        let mut text = String::from("\nUnlike earlier objects of the pipeline\n");
        for (job, drifts) in drifted.iter().take(DRIFTED) {
            let key = job.object.key.strip_prefix(&self.prefix).unwrap_or(&job.object.key);
            let line = one_line(&format!("{key}: {}", drifts.sentence()));
            text += &format!("  {}\n", shortened(&line, LINE_CHARS));
        }
        if drifted.len() > DRIFTED {
            text += &format!("  and {}\n", count((drifted.len() - DRIFTED) as u64, "more object"));
        }
        text
    }

    fn mails_to_text(&self) -> String {
        // Show a failure's mail if there is one.
        let of_failure = self.mails.iter().find(|mail| mail.subject.contains("failed:"));
        let Some(shown) = of_failure.or_else(|| self.mails.first()) else { return String::new() };
        let mails = count(self.mails.len() as u64, "mail");
        let folder = self.mailbox.as_ref().map(|folder| format!(" in {}", folder.display()));
        let mut text = format!("\n{mails}{}:\n", folder.unwrap_or_default());
        for mail in &self.mails {
            text += &format!("  {}\n", mail.subject);
        }
        text += &format!("\nThe mail {}\n", shown.subject);
        for line in shown.body.lines() {
            text += format!("  | {line}").trim_end();
            text += "\n";
        }
        text
    }
}

fn is_settled(job: &Job) -> bool {
    job.state().is_settled()
}

/// The state of a job, and the reason when it is not done.
pub(crate) fn outcome(job: &Job) -> String {
    match (job.reason(), job.repaired()) {
        (Some(reason), _) => format!("{}: {}", job.state().as_str(), reason.code),
        (None, 0) => job.state().as_str().to_owned(),
        (None, rows) => format!("{}, {} repaired", job.state().as_str(), count(rows, "row")),
    }
}

impl Sent {
    fn to_json(&self) -> Value {
        json!({ "subject": self.subject, "body": self.body })
    }
}

impl Became {
    /// From the answer of the PUT until the records became visible, or the job settled without records.
    fn took(&self) -> Option<Duration> {
        let settled_at = self.job.as_ref()?.settled_at()?;
        Some(Duration::try_from(settled_at.duration_since(self.uploaded_at)).unwrap_or_default())
    }

    fn to_json(&self, job: &Job) -> Value {
        json!({
            "job": job.id,
            "object": job.object.uri(),
            "version": job.object.version_id,
            "pipeline": job.pipeline.name,
            "format": job.format(),
            "state": job.state(),
            "records": job.records(),
            "rejected": job.rejected(),
            "repaired": job.repaired(),
            "drifts": job.drifts(),
            "attempts": job.attempt,
            "verdict": match &job.state {
                JobState::Done(_) => Some("succeeded"),
                _ => job.reason().map(|reason| reason.code.as_str()),
            },
            "reason": job.reason(),
            "advice": (job.state() == State::Failed).then(|| job.advice()),
            "settled_ms": self.took().map(|took| took.as_secs_f64() * 1e3),
        })
    }

    fn to_row(&self, prefix: &str) -> Vec<Cell> {
        let key = &self.upload.key;
        let name = Cell::new(one_line(key.strip_prefix(prefix).unwrap_or(key)));
        let Some(job) = &self.job else {
            let (pipeline, outcome) = match &self.id {
                None => ("none", Cell::new("ignored").add_attribute(Attribute::Dim)),
                Some(_) => ("", Cell::new("not recorded").fg(Color::Yellow)),
            };
            let [format, records, rejected, attempts] = ["", "", "", ""].map(Cell::new);
            return vec![name, Cell::new(pipeline), format, records, rejected, attempts, outcome];
        };
        let color = match job.state() {
            State::Done => Color::Green,
            State::Failed => Color::Red,
            _ => Color::Yellow,
        };
        let took = self.took().map(duration).unwrap_or_default();
        vec![
            name,
            Cell::new(&job.pipeline.name),
            Cell::new(job.format().unwrap_or_default()),
            Cell::new(grouped(job.records())),
            Cell::new(grouped(job.rejected())),
            Cell::new(job.attempt),
            Cell::new(outcome(job)).fg(color),
            Cell::new(took),
        ]
    }
}

fn task_to_json(task: &TaskSnapshot) -> Value {
    json!({
        "task": task.arn,
        "started_by": task.started_by,
        "cpu": task.cpu,
        "memory_mib": task.memory,
        "stop_code": task.stop_code,
        "stopped_reason": task.stopped_reason,
        "exit_codes": task.exit_codes,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "stopped_at": task.stopped_at,
    })
}
