//! The last runs of schedules, for the person who asks: λ stops writes them down when their tasks stop.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{document::StoredDocument, job::Reason, verdict::Kind};

/// How many runs of a schedule are kept, the last ones.
pub const KEPT_RUNS: usize = 10;

/// How many schedules have runs kept: those that ran last.
pub const KEPT_SCHEDULES: usize = 100;

/// The last runs of all schedules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRuns {
    /// By the schedule's name, oldest first.
    pub runs: BTreeMap<String, Vec<ScheduleRun>>,
}

/// A run of a schedule that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRun {
    /// The ARN of its task.
    pub task: String,
    /// When its program began, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its task stopped.
    pub ended_at: Timestamp,
    /// How it ended: the verdict's code and sentence.
    pub verdict: Reason,
}

impl StoredDocument for ScheduleRuns {
    const NAME: &'static str = "schedule_runs";
}

impl ScheduleRun {
    /// Whether it did what it should.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        self.verdict.code == Kind::Succeeded
    }
}

impl ScheduleRuns {
    /// Adds a run, unless it was added before.
    pub fn record(&mut self, schedule: &str, run: ScheduleRun) {
        let runs = self.runs.entry(schedule.to_owned()).or_default();
        if runs.iter().any(|known| known.task == run.task) {
            return;
        }
        runs.push(run);
        runs.sort_by_key(|run| run.ended_at);
        runs.drain(..runs.len().saturating_sub(KEPT_RUNS));
        while self.runs.len() > KEPT_SCHEDULES {
            let last = |runs: &Vec<ScheduleRun>| runs.last().map(|run| run.ended_at);
            let oldest = self.runs.iter().min_by_key(|(_, runs)| last(runs)).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.runs.remove(&oldest);
        }
    }

    /// The last run of a schedule.
    #[must_use]
    pub fn last(&self, schedule: &str) -> Option<&ScheduleRun> {
        self.runs.get(schedule)?.last()
    }

    /// The runs that ended since then, with their schedules' names, newest first.
    #[must_use]
    pub fn since(&self, since: Timestamp) -> Vec<(&str, &ScheduleRun)> {
        let all = self.runs.iter().flat_map(|(name, runs)| runs.iter().map(|run| (name.as_str(), run)));
        let mut runs: Vec<_> = all.filter(|(_, run)| run.ended_at >= since).collect();
        runs.sort_by_key(|(_, run)| std::cmp::Reverse(run.ended_at));
        runs
    }
}

/// The schedule whose sweep this is, from the sweep's name, such as `orders-20261121T03` or `orders-by-hand-` and a request's id.
/// None of the hourly sweep, or of one that was started by hand.
#[must_use]
pub fn schedule_of_sweep(which: &str) -> Option<&str> {
    let schedule = match which.split_once("-by-hand-") {
        Some((schedule, _)) => schedule,
        None => which.rsplit_once('-').filter(|_| !which.starts_with("by-hand-"))?.0,
    };
    Some(schedule).filter(|schedule| !schedule.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(task: u64, at: i64) -> ScheduleRun {
        ScheduleRun {
            task: format!("arn:{task}"),
            started_at: None,
            ended_at: Timestamp::from_second(at).unwrap(),
            verdict: Reason::new(Kind::CommandCrashed, "the command crashed with exit code 1"),
        }
    }

    #[test]
    fn the_last_runs_are_kept_and_a_repeated_event_adds_none() {
        let mut runs = ScheduleRuns::default();
        for n in [3, 1, 2, 3] {
            runs.record("nightly", run(n, i64::try_from(n).unwrap()));
        }
        let tasks =
            |runs: &ScheduleRuns| runs.runs["nightly"].iter().map(|run| run.task.clone()).collect::<Vec<_>>();
        assert_eq!(tasks(&runs), ["arn:1", "arn:2", "arn:3"]);
        (4..20).for_each(|n| runs.record("nightly", run(n, i64::try_from(n).unwrap())));
        assert_eq!((tasks(&runs).len(), runs.last("nightly").unwrap().task.as_str()), (KEPT_RUNS, "arn:19"));
        assert_eq!(runs.since(Timestamp::from_second(18).unwrap()).len(), 2);
        (0..200).for_each(|n| runs.record(&format!("s{n}"), run(n, 100 + i64::try_from(n).unwrap())));
        assert_eq!((runs.runs.len(), runs.last("nightly")), (KEPT_SCHEDULES, None));
    }

    #[test]
    fn a_sweep_says_whose_it_is() {
        assert_eq!(schedule_of_sweep("late-orders-20261121T03"), Some("late-orders"));
        assert_eq!(schedule_of_sweep("late-orders-by-hand-1f-2e"), Some("late-orders"));
        assert_eq!(schedule_of_sweep("20261121T03"), None);
        assert_eq!(schedule_of_sweep("by-hand-1f-2e"), None);
    }
}
