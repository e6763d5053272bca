//! The report of a run: tables for a person, one JSON document for a program.

use std::{path::PathBuf, time::Duration};

use comfy_table::Color;
use domain::{
    job::{Job, JobId, JobState, Reason, State},
    object,
    text::{count, grouped, in_words, shortened},
};
use jiff::Timestamp;
use localcloud::ecs::TaskSnapshot;
use pricing::Bill;
use serde_json::{Value, json};

use super::{
    outcome::outcome,
    stall::Stall,
    table::{self, Row},
    watch::Followed,
};
use crate::{
    dead_letter::DeadLetter,
    files::Upload,
    output::{columns, hanging, one_line, wrapped},
};

/// How many objects are named that differ from earlier ones, or have rejected rows, and how long such a note is at most.
const NOTED: usize = 5;
const NOTE_CHARS: usize = 240;

/// Up to this many objects, the table has all of them; of more, those that are not done.
const LISTED: usize = 40;

/// The most rows of that table, and the most failures that are described below it.
const MOST_FAILURES: usize = 20;

/// How many subjects of mails are listed.
const MOST_MAILS: usize = 10;

/// An uploaded file and its outcome.
#[derive(Debug)]
pub(crate) struct Became {
    /// The file.
    pub(crate) upload: Upload,
    /// When the PUT was answered; none if the run ended before.
    pub(crate) uploaded_at: Option<Timestamp>,
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
    /// How long it took from the first upload on.
    pub(crate) took: Duration,
    /// Every file that can be uploaded.
    pub(crate) became: Vec<Became>,
    /// Why others cannot be.
    pub(crate) problems: Vec<String>,
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
            && self.problems.is_empty()
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
            "ignored": uris(Became::is_ignored),
            "not_uploaded": uris(|became| became.uploaded_at.is_none()),
            "problems": self.problems,
            "unrecorded": uris(|became| became.id.is_some() && became.job.is_none()),
            "stalled": self.stall.map(|stall| stall.to_string()),
            "tasks": self.tasks.iter().map(task_to_json).collect::<Vec<_>>(),
            "mails": self.mails.iter().map(Sent::to_json).collect::<Vec<_>>(),
            "dead_letters": self.dead_letters.iter().map(DeadLetter::to_json).collect::<Vec<_>>(),
            "cost_usd": self.cost.total().as_f64(),
        })
    }

    /// The report as a table and what follows from it, for a terminal of this width.
    pub(crate) fn to_text(&self) -> String {
        let listed: Vec<&Became> = if self.became.len() <= LISTED {
            self.became.iter().collect()
        } else {
            self.became.iter().filter(|it| !it.is_done() && !it.is_ignored()).take(MOST_FAILURES).collect()
        };
        let mut text = String::new();
        if !listed.is_empty() {
            let rows = listed.iter().map(|became| became.to_row(&self.prefix)).collect();
            let table = table::table(rows, columns()).to_string();
            table.lines().for_each(|line| text += &format!("{}\n", line.trim_end()));
            text += "\n";
        }
        text += &format!("{}\n", self.summary());
        text += &self.failures_to_text();
        if let Some(stall) = self.stall {
            let left = |became: &&Became| became.is_left();
            let left = self.became.iter().filter(left).count();
            text += &hanging("\n", &format!("{} not settled: {stall}.", count(left, "object")), width());
        }
        text += &self.rejects_to_text();
        text += &self.drifts_to_text();
        text += &self.mails_to_text();
        format!("{text}\nOn AWS this run would have cost:\n{}\n", self.cost)
    }

    /// How many objects became what, in one line.
    fn summary(&self) -> String {
        let jobs = || self.became.iter().filter_map(|became| became.job.as_ref());
        let in_state = |state: State| jobs().filter(|job| job.state() == state).count();
        let counts = [
            (in_state(State::Done), "done"),
            (in_state(State::Failed), "failed"),
            (in_state(State::Superseded), "superseded"),
            (in_state(State::SourceDeleted), "source_deleted"),
            (self.became.iter().filter(|became| became.is_left()).count(), "not settled"),
            (self.became.iter().filter(|became| became.is_ignored()).count(), "ignored"),
            (
                self.became.iter().filter(|became| became.uploaded_at.is_none()).count()
                    + self.problems.len(),
                "not uploaded",
            ),
        ];
        let counts = counts.iter().enumerate().filter(|(at, (number, _))| *at == 0 || *number > 0);
        let counts: Vec<String> =
            counts.map(|(_, (number, what))| format!("{} {what}", grouped(*number as u64))).collect();
        let done = jobs().filter(|job| job.state() == State::Done);
        let records = count(done.map(Job::records).sum::<u64>(), "record");
        format!("{}; {records} in {}", counts.join(", "), in_words(self.took))
    }

    /// What failed and why, and what to do.
    fn failures_to_text(&self) -> String {
        let failed = self.became.iter().filter_map(|became| became.job.as_ref());
        let failed = failed.filter_map(|job| match &job.state {
            JobState::Failed(failed) => Some((job, &failed.reason)),
            _ => None,
        });
        let failed: Vec<(&Job, &Reason)> = failed.collect();
        let (mut text, width) = (String::new(), width());
        for problem in self.problems.iter().take(MOST_FAILURES) {
            text += &hanging("\nnot uploaded: ", &one_line(problem), width);
        }
        for (job, reason) in failed.iter().take(MOST_FAILURES) {
            let (key, why) = (one_line(&job.object.key), one_line(&reason.message));
            text += &hanging("\n", &format!("{key} failed: {why}"), width);
            text += &hanging("  ", &job.advice().to_string(), width);
        }
        let more =
            failed.len().saturating_sub(MOST_FAILURES) + self.problems.len().saturating_sub(MOST_FAILURES);
        if more > 0 {
            text += &format!("\n{} failed; --json lists all of them\n", count(more, "more object"));
        }
        text
    }

    /// The objects whose columns differ from those of earlier objects of their pipeline.
    fn drifts_to_text(&self) -> String {
        self.noted("Unlike earlier objects of the pipeline", |job| Some(job.drifts()?.sentence()))
    }

    /// The objects that are done without some of their rows, and why these were rejected.
    fn rejects_to_text(&self) -> String {
        self.noted("Rejected rows", |job| Some(job.rejects()?.to_string()))
    }

    /// What `note` says about each object, the first few of them.
    fn noted(&self, title: &str, note: impl Fn(&Job) -> Option<String>) -> String {
        let jobs = self.became.iter().filter_map(|became| became.job.as_ref());
        let noted: Vec<(&Job, String)> = jobs.filter_map(|job| Some((job, note(job)?))).collect();
        if noted.is_empty() {
            return String::new();
        }
        let mut text = format!("\n{title}\n");
        for (job, note) in noted.iter().take(NOTED) {
            let key = job.object.key.strip_prefix(&self.prefix).unwrap_or(&job.object.key);
            let line = shortened(&one_line(&format!("{key}: {note}")), NOTE_CHARS);
            text += &hanging("  ", &line, width());
        }
        if noted.len() > NOTED {
            text += &format!("  and {}\n", count((noted.len() - NOTED) as u64, "more object"));
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
        for mail in self.mails.iter().take(MOST_MAILS) {
            text += &format!("  {}\n", mail.subject);
        }
        if let Some(more @ 1..) = self.mails.len().checked_sub(MOST_MAILS) {
            text += &format!("  and {}\n", count(more, "more mail"));
        }
        text += &format!("\nThe mail {}\n", shown.subject);
        for line in shown.body.lines() {
            text += &wrapped("  | ", line, width());
        }
        text
    }
}

/// Where lines are broken.
fn width() -> usize {
    columns().unwrap_or(usize::MAX)
}

impl Sent {
    fn to_json(&self) -> Value {
        json!({ "subject": self.subject, "body": self.body })
    }
}

impl Became {
    /// Its job to follow, if it has one.
    pub(super) fn followed(&self) -> Option<Followed<'_>> {
        Some(Followed { key: &self.upload.key, id: self.id.clone()? })
    }

    /// Whether no pipeline matches it.
    fn is_ignored(&self) -> bool {
        self.uploaded_at.is_some() && self.id.is_none()
    }

    fn is_done(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.state() == State::Done)
    }

    /// Whether its job has not settled.
    fn is_left(&self) -> bool {
        self.id.is_some() && !self.job.as_ref().is_some_and(|job| job.state().is_settled())
    }

    /// From the answer of the PUT until the records became visible, or the job settled without records.
    fn took(&self) -> Option<Duration> {
        let settled_at = self.job.as_ref()?.settled_at()?;
        Some(Duration::try_from(settled_at.duration_since(self.uploaded_at?)).unwrap_or_default())
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
            "rejects": job.rejects(),
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

    fn to_row(&self, prefix: &str) -> Row {
        let key = &self.upload.key;
        let name = one_line(key.strip_prefix(prefix).unwrap_or(key));
        let Some(job) = &self.job else {
            let (pipeline, outcome, color) = match (self.uploaded_at, &self.id) {
                (None, _) => ("", "not uploaded", Some(Color::Yellow)),
                (Some(_), None) => ("none", "ignored", None),
                (Some(_), Some(_)) => ("", "not recorded", Some(Color::Yellow)),
            };
            let cells = [&name, pipeline, "", "", "", "", outcome, ""].map(str::to_owned);
            return Row { cells, color };
        };
        let color = match job.state() {
            State::Done => Color::Green,
            State::Failed => Color::Red,
            _ => Color::Yellow,
        };
        let cells = [
            name,
            job.pipeline.name.clone(),
            job.format().unwrap_or_default().to_owned(),
            grouped(job.records()),
            grouped(job.rejected()),
            job.attempt.to_string(),
            outcome(job),
            self.took().map(in_words).unwrap_or_default(),
        ];
        Row { cells, color: Some(color) }
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
