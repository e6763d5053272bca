//! The hour's report: a line for each job that settled in it, and a summary.
//!
//! | object | what |
//! | --- | --- |
//! | `reports/2026/11/21/12.jsonl` | a [`Line`] for each job that settled from 12:00 to 13:00 UTC; absent when none did |
//! | `reports/2026/11/21/12.json` | the [`Summary`] |

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use pricing::Dollars;
use serde::{Deserialize, Serialize};

use super::hour_of;
use crate::{
    cost::job_cost,
    drift::Drifts,
    job::{Failed, Job, JobState, Reason, State},
    schedule_runs::{ScheduleRun, ScheduleRuns},
};

/// The layout of lines and summaries written today.
pub const LAYOUT: u32 = 1;

/// How many failures a summary names. The lines have all.
pub const NAMED_FAILURES: usize = 20;

/// How many objects that differ from earlier ones a summary names. The lines have all.
pub const NAMED_DRIFTS: usize = 10;

/// The key of an hour's lines, under this prefix.
#[must_use]
pub fn lines_key(prefix: &str, hour: Timestamp) -> String {
    format!("{prefix}{}.jsonl", hour.strftime("%Y/%m/%d/%H"))
}

/// The key of an hour's summary, under this prefix.
#[must_use]
pub fn summary_key(prefix: &str, hour: Timestamp) -> String {
    format!("{prefix}{}.json", hour.strftime("%Y/%m/%d/%H"))
}

/// A job that settled.
#[derive(Debug, Serialize)]
pub struct Line<'j> {
    /// The job's id.
    pub job: &'j str,
    /// `s3://bucket/key`, raw.
    pub object: String,
    /// The object's version.
    pub version: Option<&'j str>,
    /// The size of the object, if its event had it.
    pub size_bytes: Option<u64>,
    /// The pipeline's name.
    pub pipeline: &'j str,
    /// What became of it.
    pub state: State,
    /// Why, when that is not plain success.
    pub reason: Option<&'j Reason>,
    /// How often it was tried.
    pub attempts: u32,
    /// Records that became visible.
    pub records: u64,
    /// Rows that were left out.
    pub rejected: u64,
    /// How many of these records are of rows that were repaired.
    pub repaired: u64,
    /// How its columns differ from those of earlier objects of the pipeline.
    pub drifts: Option<&'j Drifts>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it was first claimed.
    pub claimed_at: Option<Timestamp>,
    /// When it settled.
    pub settled_at: Timestamp,
    /// From the record to the end, in milliseconds.
    pub took_ms: u64,
    /// About what it cost, in billionths of a dollar.
    pub cost_nanodollars: u64,
}

impl<'j> Line<'j> {
    /// The line of a job; none of one that has not settled.
    #[must_use]
    pub fn of(job: &'j Job) -> Option<Self> {
        let settled_at = job.settled_at()?;
        let took = Duration::try_from(settled_at.duration_since(job.created_at)).unwrap_or_default();
        Some(Self {
            job: job.id.as_str(),
            object: job.object.uri(),
            version: job.object.version_id.as_deref(),
            size_bytes: job.object.size_bytes,
            pipeline: &job.pipeline.name,
            state: job.state(),
            reason: job.reason(),
            attempts: job.attempt,
            records: job.published(),
            rejected: job.rejected(),
            repaired: if job.published() > 0 { job.repaired() } else { 0 },
            drifts: job.drifts(),
            created_at: job.created_at,
            claimed_at: job.claimed_at(),
            settled_at,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            cost_nanodollars: job_cost(job).nanodollars(),
        })
    }

    /// The line, with its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{}\n", serde_json::json!(self))
    }
}

/// What happened in one hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The layout of this summary.
    pub v: u32,
    /// The hour's beginning.
    pub hour: Timestamp,
    /// Jobs that were recorded in it.
    pub came_in: u64,
    /// Jobs that settled in it, by what became of them.
    pub settled: BTreeMap<String, u64>,
    /// The same by pipeline.
    pub pipelines: BTreeMap<String, BTreeMap<String, u64>>,
    /// How attempts of those jobs ended, by verdict. One that simply published has none.
    pub verdicts: BTreeMap<String, u64>,
    /// Why the failed failed, by the reason's code.
    pub failures: BTreeMap<String, u64>,
    /// The first of them.
    pub failed: Vec<Failure>,
    /// How many objects differ from earlier objects of their pipeline.
    #[serde(default)]
    pub drifted: u64,
    /// The first of them.
    #[serde(default)]
    pub drifts: Vec<DriftedObject>,
    /// Records that became visible.
    pub records: u64,
    /// Rows that were left out.
    pub rejected: u64,
    /// How many of these records are of rows that were repaired.
    #[serde(default)]
    pub repaired: u64,
    /// How long the settled jobs took from their record to their end; `None` if none settled.
    pub took: Option<LatencyStats>,
    /// About what they cost, in billionths of a dollar.
    pub cost_nanodollars: u64,
    /// Runs of schedules that ended in it, newest first.
    #[serde(default)]
    pub schedules: Vec<NamedRun>,
    /// Jobs that are open while this is written.
    pub open: Open,
    /// What the sweep that wrote this did; nothing, in the report of an hour that was made up for.
    pub sweep: SweepStats,
}

/// A run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRun {
    /// The schedule's name.
    pub schedule: String,
    /// The run.
    #[serde(flatten)]
    pub run: ScheduleRun,
}

/// A failed job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `s3://bucket/key`, raw.
    pub object: String,
    /// Why the job failed.
    pub reason: Reason,
}

/// An object whose columns differ from those of earlier objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedObject {
    /// `s3://bucket/key`, raw.
    pub object: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// What differs.
    pub drifts: Drifts,
}

/// How long jobs took, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyStats {
    /// The median, in milliseconds.
    pub p50_ms: u64,
    /// The 95th percentile.
    pub p95_ms: u64,
    /// The maximum, in milliseconds.
    pub max_ms: u64,
    /// The object with the maximum.
    pub slowest: String,
}

/// Jobs that are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Nobody works on them now.
    pub waiting: u64,
    /// A worker has them.
    pub running: u64,
}

/// What one sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepStats {
    /// Object versions it looked at.
    pub listed: u64,
    /// Those of them that match no pipeline.
    pub ignored: u64,
    /// Those of them that were not in the ledger and were sent to the uploads queue.
    pub found: u64,
    /// Deletions that were not processed and were sent there.
    #[serde(default)]
    pub deletions: u64,
    /// Jobs that waited too long and got a new message.
    pub relaunched: u64,
    /// Jobs whose worker was lost and that are retried.
    pub taken_back: u64,
    /// Jobs whose worker was lost too often: they failed.
    pub given_up: u64,
    /// Overdue tasks that were stopped.
    pub stopped: u64,
    /// Failures that nobody had been notified of.
    pub notified: u64,
    /// Dead-letter messages that were removed because nothing is left to do about them.
    #[serde(default)]
    pub resolved: u64,
    /// Jobs whose rows were deleted, a day after they were last visible.
    pub collected: u64,
    /// How many rows of those jobs were deleted.
    pub collected_rows: u64,
    /// The steps that failed, each with the items that failed and their causes.
    pub problems: Vec<String>,
}

impl SweepStats {
    /// Whether the sweep repaired anything, or failed to.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        let Self { found, deletions, relaunched, taken_back, given_up, stopped, notified, problems, .. } =
            self;
        found + deletions + relaunched + taken_back + given_up + stopped + notified > 0
            || !problems.is_empty()
    }
}

impl Summary {
    /// Whether anything happened that is worth a mail.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.came_in == 0 && self.settled.is_empty() && self.schedules.is_empty() && !self.sweep.is_notable()
    }

    /// Adds the runs of schedules that ended in the hour.
    #[must_use]
    pub fn with_runs(mut self, runs: &ScheduleRuns) -> Self {
        let ended = runs.since(self.hour).into_iter().filter(|(_, run)| hour_of(run.ended_at) == self.hour);
        self.schedules =
            ended.map(|(name, run)| NamedRun { schedule: name.to_owned(), run: run.clone() }).collect();
        self
    }

    /// The same without a word of this object.
    #[must_use]
    pub fn without(mut self, uri: &str) -> Self {
        self.failed.retain(|failure| failure.object != uri);
        if let Some(took) = self.took.as_mut().filter(|took| took.slowest == uri) {
            took.slowest = "(forgotten)".to_owned();
        }
        self
    }

    /// How many became this.
    #[must_use]
    pub fn count(&self, state: State) -> u64 {
        self.settled.get(state.as_str()).copied().unwrap_or_default()
    }

    /// The summary as it is stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }
}

/// Counts the jobs of one hour. It holds eight bytes of each.
#[derive(Debug)]
pub struct HourStats {
    summary: Summary,
    took_ms: Vec<u64>,
    slowest: Option<(u64, String)>,
    cost: Dollars,
}

impl HourStats {
    /// Starts the counts of the hour that begins at this time.
    #[must_use]
    pub fn new(hour: Timestamp) -> Self {
        let summary = Summary { v: LAYOUT, hour, ..Summary::default() };
        Self { summary, took_ms: Vec::new(), slowest: None, cost: Dollars::ZERO }
    }

    /// The hour's beginning.
    #[must_use]
    pub fn hour(&self) -> Timestamp {
        self.summary.hour
    }

    /// Counts a job in, if it was recorded in this hour. To be notified of every job once, open ones too.
    pub fn came_in(&mut self, job: &Job) {
        self.summary.came_in += u64::from(hour_of(job.created_at) == self.summary.hour);
    }

    /// Counts a job if it settled in this hour, and returns its line.
    pub fn settled<'j>(&mut self, job: &'j Job) -> Option<Line<'j>> {
        let line = Line::of(job).filter(|line| hour_of(line.settled_at) == self.summary.hour)?;
        let Self { summary, took_ms, slowest, cost } = self;
        let state = job.state().as_str().to_owned();
        *summary.pipelines.entry(job.pipeline.name.clone()).or_default().entry(state.clone()).or_default() +=
            1;
        *summary.settled.entry(state).or_default() += 1;
        for ended in &job.history {
            *summary.verdicts.entry(ended.verdict.code.to_string()).or_default() += 1;
        }
        if let JobState::Failed(Failed { reason, .. }) = &job.state {
            *summary.failures.entry(reason.code.to_string()).or_default() += 1;
            if summary.failed.len() < NAMED_FAILURES {
                summary.failed.push(Failure { object: line.object.clone(), reason: reason.clone() });
            }
        }
        if let Some(drifts) = line.drifts {
            summary.drifted += 1;
            if summary.drifts.len() < NAMED_DRIFTS {
                let (object, pipeline) = (line.object.clone(), job.pipeline.name.clone());
                summary.drifts.push(DriftedObject { object, pipeline, drifts: drifts.clone() });
            }
        }
        summary.records += line.records;
        summary.rejected += line.rejected;
        summary.repaired += line.repaired;
        took_ms.push(line.took_ms);
        if slowest.as_ref().is_none_or(|(longest, _)| line.took_ms > *longest) {
            *slowest = Some((line.took_ms, line.object.clone()));
        }
        *cost = *cost + job_cost(job);
        Some(line)
    }

    /// The summary of what was counted.
    #[must_use]
    pub fn finish(mut self, open: Open, sweep: SweepStats) -> Summary {
        self.took_ms.sort_unstable();
        let took = self.slowest.map(|(max_ms, slowest)| LatencyStats {
            p50_ms: percentile(&self.took_ms, 50),
            p95_ms: percentile(&self.took_ms, 95),
            max_ms,
            slowest,
        });
        Summary { took, cost_nanodollars: self.cost.nanodollars(), open, sweep, ..self.summary }
    }
}

/// The smallest value that `percent` of 100 values do not exceed (the nearest rank).
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
