//! `tidemill schedule`: lists the schedules with their last runs, and runs one.

use std::time::Duration;

use anyhow::Context;
use domain::{
    pipelines::{Pipelines, Run, Schedule},
    schedule_runs::{ScheduleRun, ScheduleRuns},
    text::in_words,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    deployment::{self, Deployment},
    format_job::ago,
};
use crate::{
    args::{ScheduleAction, ScheduleArguments, Target},
    output::{one_line, print, print_line},
};

/// How many runs of a schedule are listed, the last ones.
const LISTED: usize = 3;

/// Lists the schedules, or runs one.
pub(crate) async fn run(arguments: &ScheduleArguments) -> anyhow::Result<u8> {
    match &arguments.action {
        None => list(&arguments.target).await,
        Some(ScheduleAction::Run { name, target }) => run_now(name, target).await,
    }
}

async fn list(target: &Target) -> anyhow::Result<u8> {
    let deployment = Deployment::find(target).await?;
    let pipelines: Pipelines = deployment.current_pipelines().await?;
    let runs = deployment.schedule_runs().await?;
    let now = deployment::now();
    for schedule in pipelines.schedules() {
        let its = runs.runs.get(&schedule.name).map_or(&[][..], Vec::as_slice);
        if target.json {
            print_line(&to_json(schedule, its, now))?;
        } else {
            print(&to_text(schedule, its, now))?;
        }
    }
    if pipelines.schedules().is_empty() && !target.json {
        eprintln!("the pipelines file has no [[schedule]]");
    }
    Ok(0)
}

async fn run_now(name: &str, target: &Target) -> anyhow::Result<u8> {
    let deployment = Deployment::find(target).await?;
    // The SDK may invoke again after a lost answer: both times launch one task.
    let request = format!("{:016x}", fastrand::u64(..));
    let event = json!({ "schedule": { "name": name, "request": request } });
    let answer = deployment.schedule_function()?.invoke(&event).await?;
    let task = answer[0]["task"].as_str().context("λ schedule did not say which task it launched")?;
    if target.json {
        print_line(&json!({ "schedule": name, "task": task }))?;
    } else {
        print(&format!(
            "{name} runs in task {task}\n`tidemill schedule` shows how it ends; a failure is mailed\n"
        ))?;
    }
    Ok(0)
}

/// What a schedule runs, as a person reads it.
fn command(schedule: &Schedule) -> String {
    match &schedule.run {
        Run::Command(words) => words.join(" "),
        Run::Sweep { prefix, since } => {
            let since = since.map(|since| format!(" of the last {}", in_words(since)));
            let prefix = prefix.as_ref().map(|prefix| format!(" under {prefix}"));
            format!("sweep{}{}", prefix.unwrap_or_default(), since.unwrap_or_default())
        }
    }
}

/// How long a run took, if its program began.
fn took(run: &ScheduleRun) -> Option<Duration> {
    Duration::try_from(run.ended_at.duration_since(run.started_at?)).ok()
}

/// How a run ended, on one line.
pub(super) fn ended(run: &ScheduleRun) -> String {
    let took = took(run).map(|took| format!(", took {}", in_words(took))).unwrap_or_default();
    if run.has_succeeded() {
        format!("succeeded{took}")
    } else {
        format!("failed{took}: {}", one_line(&run.verdict.message))
    }
}

fn to_text(schedule: &Schedule, runs: &[ScheduleRun], now: Timestamp) -> String {
    let next = schedule.hours.next(now).map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
    let mut text = format!("{}  next run {next}\n  {}\n", schedule.name, one_line(&command(schedule)));
    for run in runs.iter().rev().take(LISTED) {
        text += &format!("  {:.0}  {}\n", run.ended_at, ended(run));
    }
    match runs.last() {
        None => text += "  no run has ended yet\n",
        Some(last) if !last.has_succeeded() => {
            text += &format!("  run it again: tidemill schedule run {}\n", schedule.name);
        }
        Some(_) => {}
    }
    text
}

fn to_json(schedule: &Schedule, runs: &[ScheduleRun], now: Timestamp) -> Value {
    let runs: Vec<Value> = runs.iter().rev().map(run_to_json).collect();
    json!({
        "schedule": schedule.name,
        "runs": command(schedule),
        "next_at": schedule.hours.next(now),
        "last_runs": runs,
    })
}

/// A run as JSON.
pub(super) fn run_to_json(run: &ScheduleRun) -> Value {
    json!({
        "task": run.task,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "succeeded": run.has_succeeded(),
        "reason": run.verdict,
    })
}

/// The last run of each schedule that has failed, for the person who looks at what needs attention.
pub(super) fn failed(runs: &ScheduleRuns) -> Vec<(&str, &ScheduleRun)> {
    let last = runs.runs.keys().filter_map(|name| Some((name.as_str(), runs.last(name)?)));
    last.filter(|(_, run)| !run.has_succeeded()).collect()
}

/// A run, as a line of a list of jobs.
pub(super) fn line(name: &str, run: &ScheduleRun, now: Timestamp) -> String {
    format!("schedule {name}: {} ago {}\n", ago(run.ended_at, now), ended(run))
}

#[cfg(test)]
mod tests {
    use domain::{job::Reason, verdict::Kind};

    use super::*;

    #[test]
    fn a_schedule_is_shown_with_its_last_runs_and_how_to_run_it_again() {
        let text = "version = 1\n[[pipeline]]\nname = \"p\"\n[[schedule]]\nname = \"nightly\"\ncron = \"0 3 * * ? *\"\n\
                    command = [\"python3\", \"report.py\"]\n";
        let pipelines = Pipelines::parse(text, "p.toml").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let run = ScheduleRun {
            task: "arn:1".into(),
            started_at: Some(at("2026-11-27T03:00:40Z")),
            ended_at: at("2026-11-27T03:00:52Z"),
            verdict: Reason::new(Kind::CommandCrashed, "the command crashed with exit code 1"),
        };
        let now = at("2026-11-27T12:00:00Z");
        assert_eq!(
            to_text(&pipelines.schedules()[0], std::slice::from_ref(&run), now),
            "nightly  next run 2026-11-28T03:00:00Z\n  python3 report.py\n  2026-11-27T03:00:52Z  failed, took 12.0 s: \
             the command crashed with exit code 1\n  run it again: tidemill schedule run nightly\n"
        );
        assert!(to_text(&pipelines.schedules()[0], &[], now).ends_with("  no run has ended yet\n"));
    }
}
