//! Mails that say what happened to a job. Each says first what happened and to which object, then what happens next, then
//! what to do; the evidence follows.
//!
//! Object keys, reasons and log lines come from those who upload: they are escaped, so that none can fake a
//! line, and bounded, so that none can flood. SNS refuses a publish whose subject is not plain ASCII or
//! has 100 characters: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.

mod chat;
mod digest;
mod format;
mod grouped_failures;
mod launches_paused;
mod links;
mod log;
mod run_failed;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use pricing::Dollars;

use crate::cost::job_cost;
use crate::fargate::Size;
use crate::job::{Job, State};
use crate::object;
use crate::reject_counts::RejectCounts;
use crate::text::{self, count, escaped, grouped, in_words, shortened};
use crate::verdict::{Kind, adjusted};
pub use digest::digest;
pub use format::Mail;
use format::{Draft, LINE_CHARS, SUBJECT_CHARS, ascii, last};
pub use grouped_failures::grouped_failures;
pub use launches_paused::launches;
pub use links::{ConsoleLinks, explain};
pub use log::{Log, LogLine, READ_LINES, readable};
pub use run_failed::{RunFailed, run_failed};

/// How many earlier attempts are shown, the last ones.
const HISTORY_LINES: usize = 10;
/// What a mail says about one job. Texts are as they come: [`compose`] escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReport {
    /// What became of the job.
    pub state: State,
    /// The stable word for why, such as `out_of_memory`.
    pub code: Option<String>,
    /// Why, as a sentence.
    pub words: Option<String>,
    /// The object's bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The object's version.
    pub version_id: Option<String>,
    /// The pipeline's name.
    pub pipeline: String,
    /// The job's id.
    pub job: String,
    /// How many attempts count against the object.
    pub counted_attempts: u32,
    /// How many attempts may count before the job fails.
    pub attempts: u32,
    /// How many attempts there were, those that do not count included.
    pub launches: u32,
    /// The size of its last task, if that was its own.
    pub size: Option<Size>,
    /// Records that became visible.
    pub records: u64,
    /// Rows that were left out.
    pub rejected: u64,
    /// These rows by reason.
    pub rejects: RejectCounts,
    /// From the job's record to its end.
    pub took: Option<Duration>,
    /// About what it cost.
    pub cost: Option<Dollars>,
    /// What happens next.
    pub next: String,
    /// Earlier attempts, oldest first.
    pub history: Vec<Past>,
    /// What a person can do about it, if it failed.
    pub advice: Option<String>,
    /// What the worker logged.
    pub log: Log,
    /// Where to look: what it is, and its address.
    pub links: Vec<(String, String)>,
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Which try it was, from 1.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// How: the code.
    pub code: String,
    /// How: the sentence.
    pub words: String,
}

/// The mail for a job that has settled, from what the ledger holds.
#[must_use]
pub fn settled(job: &Job) -> Mail {
    compose(&FailureReport::of(job))
}

impl FailureReport {
    /// The report of a job as the ledger has it; the caller adds log lines and links.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let took =
            job.settled_at().and_then(|end| Duration::try_from(end.duration_since(job.created_at)).ok());
        Self {
            state: job.state(),
            code: job.reason().map(|reason| reason.code.to_string()),
            words: job.reason().map(|reason| reason.message.clone()),
            bucket: job.object.bucket.clone(),
            key: job.object.key.clone(),
            version_id: job.object.version_id.clone(),
            pipeline: job.pipeline.name.clone(),
            job: job.id.to_string(),
            counted_attempts: job.counted_attempts,
            attempts: job.pipeline.attempts,
            launches: u32::try_from(job.history.len()).unwrap_or(u32::MAX).max(job.attempt),
            size: own_size(job),
            records: job.published(),
            rejected: job.rejected(),
            rejects: job.rejects().cloned().unwrap_or_default(),
            took,
            cost: Some(job_cost(job)),
            next: next(job).to_owned(),
            history: job
                .history
                .iter()
                .map(|ended| Past {
                    number: ended.number,
                    at: ended.stopped_at,
                    code: ended.verdict.code.to_string(),
                    words: ended.verdict.message.clone(),
                })
                .collect(),
            advice: (job.state() == State::Failed).then(|| job.advice()),
            log: Log::Unasked,
            links: Vec::new(),
        }
    }
}

/// Writes the mail.
#[must_use]
pub fn compose(report: &FailureReport) -> Mail {
    let mut out = Draft::default();
    // Writing to memory cannot fail.
    let _ = write_body(report, &mut out);
    out.mail(&subject(report))
}

fn subject(report: &FailureReport) -> String {
    let head = format!("[tidemill] {}: ", report.state.as_str());
    let why = match (&report.code, report.state) {
        (Some(code), State::Failed) => format!(" ({})", shortened(&ascii(code), 30)),
        _ => String::new(),
    };
    let room = SUBJECT_CHARS.saturating_sub(head.len() + why.len());
    format!("{head}{}{why}", shortened(&ascii(&report.key), room))
}

fn write_body(report: &FailureReport, out: &mut Draft) -> std::fmt::Result {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    let verb = report.state.as_str().replace('_', " ").to_ascii_uppercase();
    let object = escaped(&object::uri(&report.bucket, &report.key));
    match &report.words {
        Some(words) => writeln!(out, "{verb}: {object}: {}", line(words))?,
        None => writeln!(out, "{verb}: {object}")?,
    }
    writeln!(out, "\nWhat happens next\n  {}", line(&report.next))?;
    out.end_summary();
    if let Some(advice) = &report.advice {
        let replay = format!("tidemill replay --job {}", text::quoted(&report.job));
        out.what_to_do([line(advice), replay]);
    }
    write_facts(report, out)?;
    if !report.history.is_empty() {
        writeln!(out, "\nAttempts so far")?;
        for past in last(&report.history, HISTORY_LINES) {
            let (code, words) = (line(&past.code), line(&past.words));
            writeln!(out, "  {}. {:.0}  {code}: {words}", past.number, past.at)?;
        }
    }
    log::write(&report.log, out)?;
    writeln!(out, "\nMore information")?;
    // Quoted for a shell before it is escaped for the eye: nothing is left to escape.
    writeln!(out, "  timeline: {}", escaped(&explain(&object::uri(&report.bucket, &report.key))))?;
    for (name, address) in &report.links {
        writeln!(out, "  {}: {}", line(name), escaped(address))?;
    }
    Ok(())
}

/// The job in numbers.
fn write_facts(report: &FailureReport, out: &mut Draft) -> std::fmt::Result {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    writeln!(out, "\nPipeline   {}", line(&report.pipeline))?;
    if let Some(version) = &report.version_id {
        writeln!(out, "Version    {}", line(version))?;
    }
    writeln!(out, "Job        {}", line(&report.job))?;
    if let Some(code) = &report.code {
        writeln!(out, "Reason     {}", line(code))?;
    }
    writeln!(out, "Attempts   {}", attempts(report))?;
    if let Some(size) = report.size {
        writeln!(
            out,
            "Task size  {} vCPU, {} MiB",
            f64::from(size.cpu()) / 1_024.0,
            grouped(size.memory().into())
        )?;
    }
    let left_out = match report.rejected {
        0 => String::new(),
        rows => format!(", {} left out", count(rows, "row")),
    };
    writeln!(out, "Records    {} visible{left_out}", grouped(report.records))?;
    if !report.rejects.is_empty() {
        writeln!(out, "Rejected   {}", line(&report.rejects.to_string()))?;
    }
    if let Some(took) = report.took {
        writeln!(out, "Duration   {}", in_words(took))?;
    }
    if let Some(cost) = report.cost {
        writeln!(out, "Cost       about {cost}")?;
    }
    Ok(())
}

/// How many attempts there were. Those that failed through no fault of the object do not count towards its limit.
fn attempts(report: &FailureReport) -> String {
    let FailureReport { launches, counted_attempts, attempts, .. } = *report;
    match report.state {
        State::Failed if launches == counted_attempts => format!("{counted_attempts} of {attempts}"),
        State::Failed => {
            format!("{launches}, of which {counted_attempts} count towards the limit of {attempts}")
        }
        _ => launches.to_string(),
    }
}

/// What happens next to a job in this state.
fn next(job: &Job) -> &'static str {
    match job.state() {
        State::Failed if job.pipeline.publishes_at_once() && is_out_of_sizes(job) => {
            "This job will not be retried automatically: it ran out of memory in the largest task that it may have. None \
             of this version's records are visible. The job is among the dead letters."
        }
        State::Failed if job.pipeline.destination.is_some() => {
            "This job will not be retried automatically. Records already written to your table stay. The job is \
             among the dead letters."
        }
        State::Failed if job.pipeline.key.is_some() => {
            "This job will not be retried automatically. Records already written under their own keys stay. The job is \
             among the dead letters."
        }
        State::Failed => {
            "This job will not be retried automatically. None of this version's records are visible. The job is \
             among the dead letters."
        }
        State::Done if job.rejected() > 0 && job.pipeline.bad_rows.keeps_rejects() => {
            "Nothing. All good rows are visible; the others are in the rejects object."
        }
        State::Done if job.rejected() > 0 => "Nothing. All good rows are visible; the others were left out.",
        State::Done => "Nothing. All its records are visible.",
        State::Superseded => "Nothing. A newer version of this object is visible.",
        State::SourceDeleted => "Nothing. The object was deleted before its records were published.",
        State::Waiting | State::Running => "The job is retried automatically.",
    }
}

/// The size of the last attempt's task, if it was the job's own. Each time it ran out of memory before, it got more.
fn own_size(job: &Job) -> Option<Size> {
    let (last, before) = job.history.split_last()?;
    last.task.starts_with("arn:").then(|| adjusted(before, job.pipeline.task).size)
}

/// Whether the job failed because there is no larger task to try.
fn is_out_of_sizes(job: &Job) -> bool {
    let ran_out = job.history.last().is_some_and(|ended| ended.verdict.code == Kind::OutOfMemory);
    ran_out && job.counted_attempts < job.pipeline.attempts
}
