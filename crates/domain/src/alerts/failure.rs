//! A failure, and the mails that it can be in.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::ReasonCode;

/// What failures belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Jobs of the pipeline of this name.
    Pipeline(String),
    /// Runs of the sweep.
    Sweep,
    /// The command of the schedule of this name.
    Command(String),
    /// More groups at once than are reported apart.
    Various,
}

/// Something has failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it belongs to.
    pub source: Source,
    /// The code of the reason, by which failures are grouped.
    pub code: ReasonCode,
    /// When it failed.
    pub at: Timestamp,
    /// The job's id, or the task's ARN. A failure with the same id is the same failure.
    pub id: String,
    /// What failed, for people: an object's URI, or a run's name.
    pub what: String,
    /// Why, in words.
    pub words: String,
    /// The object's key.
    pub key: Option<String>,
}

/// How a failure is mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// By a mail of its own, which the caller sends.
    Immediate,
    /// By a grouped mail, which a flush will send: it is counted.
    Grouped,
}

/// Which grouped mails a flush sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are due.
    Due,
    /// All that have anything to report: no flush will run when they are due.
    All,
}

/// A grouped mail to send. It is reserved for one flush; no other sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedMail {
    /// The source of all these failures.
    pub source: Source,
    /// Why.
    pub code: ReasonCode,
    /// How many failed that were in no mail before.
    pub count: u64,
    /// From when: the first of them, if there are any.
    pub counted_since: Timestamp,
    /// How many have failed since the burst began, those with mails of their own included.
    pub total: u64,
    /// When the first of all failed.
    pub since: Timestamp,
    /// When the last of all failed.
    pub last: Timestamp,
    /// Some of those that were in no mail before.
    pub examples: Vec<Example>,
    /// What failed last: an object's whole URI, or a run's name.
    pub latest: String,
    /// What the keys of all begin with, up to a slash; empty if nothing.
    pub prefix: String,
    /// Whether the burst is over.
    pub over: bool,
    /// How long it takes at least until the next mail.
    pub next: Duration,
}

impl GroupedMail {
    /// The id of the job that this mail is about, if it is about one job only.
    #[must_use]
    pub fn only_job(&self) -> Option<&str> {
        match (&self.source, self.examples.as_slice()) {
            (Source::Pipeline(_), [only]) if self.count == 1 && !self.over => Some(&only.id),
            _ => None,
        }
    }
}

/// A failure that stands for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The job's id, or the task's ARN.
    pub id: String,
    /// What failed: an object's URI, or a run's name; its beginning, if it is long.
    pub what: String,
    /// Why, in words.
    pub words: String,
}
