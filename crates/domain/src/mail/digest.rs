//! The hourly digest.

use std::{fmt::Write, time::Duration};

use jiff::Timestamp;
use pricing::Dollars;

use super::format::{Draft, LINE_CHARS, Mail, ascii};
use crate::{
    job::State,
    sweep::{
        HOUR,
        report::{DriftedObject, NamedRun, Summary, SweepStats},
    },
    text::{count, escaped, grouped, in_words, quoted, shortened},
};

/// The digest of an hour. `report` is where its lines are: `s3://bucket/key`.
#[must_use]
pub fn digest(summary: &Summary, report: &str) -> Mail {
    let (from, to) = hour(summary.hour);
    let subject = format!("[tidemill] {from}-{to}: {}", outcome(summary));
    let mut out = Draft::default();
    // Writing to memory cannot fail.
    let _ = write_body(summary, report, &mut out);
    out.mail(&ascii(&subject))
}

fn hour(begin: Timestamp) -> (String, String) {
    let end = begin.checked_add(HOUR).unwrap_or(begin);
    (begin.strftime("%H:%M").to_string(), end.strftime("%H:%M").to_string())
}

fn outcome(summary: &Summary) -> String {
    let mut parts = vec![format!("{} done", grouped(summary.count(State::Done)))];
    for state in [State::Failed, State::Superseded, State::SourceDeleted] {
        let count = summary.count(state);
        if count > 0 {
            parts.push(format!("{} {}", grouped(count), state.as_str()));
        }
    }
    if summary.drifted > 0 {
        parts.push(format!("{} unlike earlier objects", grouped(summary.drifted)));
    }
    parts.join(", ")
}

fn write_body(summary: &Summary, report: &str, out: &mut Draft) -> std::fmt::Result {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    let (from, to) = hour(summary.hour);
    let day = summary.hour.strftime("%-d %B %Y");
    let came = count(summary.came_in, "object");
    let settled = count(summary.settled.values().sum::<u64>(), "object");
    writeln!(out, "From {from} to {to} UTC on {day}, {came} arrived and {settled} settled.\n")?;
    for (state, words) in [
        (State::Done, "all their records are visible"),
        (State::Failed, "failure mails were sent; each is among the dead letters"),
        (State::Superseded, "a newer version of the same object was visible first"),
        (State::SourceDeleted, "deleted before they were read"),
    ] {
        let count = summary.count(state);
        if count > 0 {
            let name = state.as_str();
            writeln!(
                out,
                "{:<12} {:>9}  {words}",
                format!("{}{}", name[..1].to_uppercase(), &name[1..]),
                grouped(count)
            )?;
        }
    }
    let mut records = "became visible".to_owned();
    if summary.repaired > 0 {
        records += &format!(", {} of repaired rows", grouped(summary.repaired));
    }
    if summary.rejected > 0 {
        records += &format!(", {} left out", count(summary.rejected, "row"));
    }
    writeln!(out, "{:<12} {:>9}  {records}", "Records", grouped(summary.records))?;
    if let Some(took) = &summary.took {
        let [half, most, longest] =
            [took.p50_ms, took.p95_ms, took.max_ms].map(|ms| in_words(Duration::from_millis(ms)));
        writeln!(out, "\nMedian {half}, p95 {most}.")?;
        writeln!(out, "The slowest took {longest}: {}", line(&took.slowest))?;
    }
    let open = summary.open;
    if open.waiting + open.running > 0 {
        let (waiting, running) = (grouped(open.waiting), grouped(open.running));
        writeln!(out, "Still open: {waiting} waiting, {running} running.")?;
    }
    let cost = Dollars::of_nanodollars(summary.cost_nanodollars);
    writeln!(out, "Tasks and writes cost about {cost}.")?;
    out.end_summary();
    if !summary.failed.is_empty() {
        writeln!(out, "\nFailed")?;
        for failure in &summary.failed {
            let (code, words) = (line(failure.reason.code.as_str()), line(&failure.reason.message));
            writeln!(out, "  {}\n    {code}: {words}", escaped(&failure.object))?;
        }
        let more = summary.count(State::Failed).saturating_sub(summary.failed.len() as u64);
        if more > 0 {
            writeln!(out, "  and {} more", grouped(more))?;
        }
    }
    write_drifts(summary, out)?;
    if !summary.schedules.is_empty() {
        writeln!(out, "\nSchedules")?;
    }
    for NamedRun { schedule, run } in &summary.schedules {
        if run.has_succeeded() {
            writeln!(out, "  {} succeeded", line(schedule))?;
        } else {
            writeln!(out, "  {} failed: {}", line(schedule), line(&run.verdict.message))?;
            writeln!(out, "    tidemill schedule run {}", quoted(schedule))?;
        }
    }
    write_stats(&summary.sweep, out)?;
    writeln!(out, "\nMore information\n  report, one line per job: {}", escaped(report))?;
    writeln!(out, "  timeline of an object: tidemill explain s3://BUCKET/KEY")
}

/// The objects that differ from earlier objects of their pipeline.
fn write_drifts(summary: &Summary, out: &mut Draft) -> std::fmt::Result {
    if summary.drifts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nUnlike earlier objects of the pipeline")?;
    for DriftedObject { object, pipeline, drifts } in &summary.drifts {
        let words = shortened(&escaped(&drifts.sentence()), LINE_CHARS);
        writeln!(out, "  {}\n    pipeline {pipeline}: {words}", escaped(object))?;
    }
    let more = summary.drifted.saturating_sub(summary.drifts.len() as u64);
    if more > 0 {
        writeln!(out, "  and {} more", grouped(more))?;
    }
    writeln!(out, "  all columns of a pipeline: tidemill columns PIPELINE")
}

fn write_stats(sweep: &SweepStats, out: &mut Draft) -> std::fmt::Result {
    let several = |count, one: &str, many: &str| (count, if count == 1 { one } else { many }.to_owned());
    let lines = [
        several(
            sweep.found,
            "object whose event was lost was queued",
            "objects whose events were lost were queued",
        ),
        several(
            sweep.deletions,
            "deletion whose event was lost was queued",
            "deletions whose events were lost were queued",
        ),
        several(
            sweep.relaunched,
            "job that waited too long was queued again",
            "jobs that waited too long were queued again",
        ),
        several(
            sweep.taken_back,
            "job whose worker was lost is retried",
            "jobs whose workers were lost are retried",
        ),
        several(
            sweep.given_up,
            "job whose worker was lost too often failed",
            "jobs whose workers were lost too often failed",
        ),
        several(sweep.stopped, "overdue task was stopped", "overdue tasks were stopped"),
        several(
            sweep.notified,
            "failure whose mail was lost is mailed",
            "failures whose mails were lost are mailed",
        ),
        several(
            sweep.resolved,
            "dead letter about which nothing is left to do was removed",
            "dead letters about which nothing is left to do were removed",
        ),
        several(
            sweep.collected_rows,
            "row that is no longer visible was deleted",
            "rows that are no longer visible were deleted",
        ),
    ];
    writeln!(out, "\nThe sweep")?;
    let mut nothing = true;
    for (count, words) in lines.into_iter().filter(|(count, _)| *count > 0) {
        nothing = false;
        writeln!(out, "  {} {words}", grouped(count))?;
    }
    for problem in &sweep.problems {
        nothing = false;
        writeln!(out, "  failed: {}", shortened(&escaped(problem), LINE_CHARS))?;
    }
    if nothing {
        writeln!(out, "  found nothing to repair")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
