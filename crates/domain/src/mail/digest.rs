//! The hourly digest, and the mail about a sweep or command that failed.

use std::{fmt::Write, time::Duration};

use jiff::Timestamp;

use super::{
    LINE_CHARS, Mail, SUBJECT_CHARS, ascii, bounded, counted, escaped, grouped, in_words, shortened,
};
use crate::{
    job::{Reason, State},
    pricing::Dollars,
    sweep::{
        HOUR,
        report::{Summary, SweepStats},
    },
};

/// The digest of an hour. `report` is where its lines are: `s3://bucket/key`.
#[must_use]
pub fn digest(summary: &Summary, report: &str) -> Mail {
    let (from, to) = hour(summary.hour);
    let subject = format!("[tidemill] {from}-{to}: {}", outcome(summary));
    let mut body = String::new();
    // Writing to a String cannot fail.
    let _ = write_body(summary, report, &mut body);
    Mail { subject: shortened(&ascii(&subject), SUBJECT_CHARS), body: bounded(body) }
}

/// The mail about a sweep or a schedule's command that has not succeeded. `what` names it, such as `the sweep
/// 20261121T12`.
#[must_use]
pub fn run_failed(what: &str, reason: &Reason, task: &str, at: Timestamp) -> Mail {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    let subject =
        format!("[tidemill] failed: {} ({})", shortened(&ascii(what), 60), ascii(reason.code.as_str()));
    let body = format!(
        "FAILED: {what}: {words}\n\nReason     {code}\nStopped    {at:.0}\nTask       {task}\n\nWhat happens next\n  \
         Nothing by itself. A sweep's work is made up for by the next, within the hour; a command runs again at its \
         next hour.\n  The task's log says more.\n",
        what = line(what),
        words = line(&reason.message),
        code = line(reason.code.as_str()),
        task = line(task),
    );
    Mail { subject: shortened(&subject, SUBJECT_CHARS), body: bounded(body) }
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
    parts.join(", ")
}

fn write_body(summary: &Summary, report: &str, out: &mut String) -> std::fmt::Result {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    let (from, to) = hour(summary.hour);
    let day = summary.hour.strftime("%-d %B %Y");
    let came = objects(summary.came_in);
    let settled = objects(summary.settled.values().sum());
    writeln!(out, "From {from} to {to} UTC on {day}, {came} came in, and the work on {settled} ended.\n")?;
    for (state, words) in [
        (State::Done, "all their records are visible"),
        (State::Failed, "given up; mails told of them, and each is in the dead-letter queue"),
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
    let left_out = match summary.rejected {
        0 => String::new(),
        rows => format!(", {} left out", plural(rows, "row", "rows")),
    };
    writeln!(out, "{:<12} {:>9}  became visible{left_out}", "Records", grouped(summary.records))?;
    if let Some(took) = &summary.took {
        let [half, most, longest] =
            [took.p50_ms, took.p95_ms, took.max_ms].map(|ms| in_words(Duration::from_millis(ms)));
        writeln!(out, "\nHalf of them took up to {half}, 95 of 100 up to {most}.")?;
        writeln!(out, "The slowest took {longest}: {}", line(&took.slowest))?;
    }
    let open = summary.open;
    if open.waiting + open.running > 0 {
        let (waiting, running) = (grouped(open.waiting), grouped(open.running));
        writeln!(out, "Not over yet: {waiting} waiting, {running} being worked on.")?;
    }
    let cost = Dollars::of_nanodollars(summary.cost_nanodollars);
    writeln!(out, "Tasks and writes cost about {cost}.")?;
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
    write_stats(&summary.sweep, out)?;
    writeln!(out, "\nWhere to look\n  a line for each: {}", escaped(report))?;
    writeln!(out, "  the story of one: tidemill explain s3://BUCKET/KEY")
}

fn write_stats(sweep: &SweepStats, out: &mut String) -> std::fmt::Result {
    let several = |count, one: &str, many: &str| (count, if count == 1 { one } else { many }.to_owned());
    let lines = [
        several(
            sweep.found,
            "object that nobody had told of was put in line",
            "objects that nobody had told of were put in line",
        ),
        several(
            sweep.relaunched,
            "job that waited too long was sent again",
            "jobs that waited too long were sent again",
        ),
        several(
            sweep.taken_back,
            "job whose worker was gone without a word is tried again",
            "jobs whose workers were gone without a word are tried again",
        ),
        several(
            sweep.given_up,
            "job whose worker was gone once too often was given up",
            "jobs whose workers were gone once too often were given up",
        ),
        several(sweep.stopped, "task that did not end was stopped", "tasks that did not end were stopped"),
        several(
            sweep.notified,
            "failure that nobody had been told of is being told",
            "failures that nobody had been told of are being told",
        ),
        several(
            sweep.collected_rows,
            "row that nobody can see any more was deleted",
            "rows that nobody can see any more were deleted",
        ),
    ];
    writeln!(out, "\nWhat the sweep found and did")?;
    let mut nothing = true;
    for (count, words) in lines.into_iter().filter(|(count, _)| *count > 0) {
        nothing = false;
        writeln!(out, "  {} {words}", grouped(count))?;
    }
    for problem in &sweep.problems {
        nothing = false;
        writeln!(out, "  not done: {}", shortened(&escaped(problem), LINE_CHARS))?;
    }
    if nothing {
        writeln!(out, "  Nothing: nothing was lost, late or left over.")?;
    }
    Ok(())
}

fn objects(count: u64) -> String {
    plural(count, "object", "objects")
}

fn plural(count: u64, one: &str, many: &str) -> String {
    if count == 1 { counted(1, one, many) } else { format!("{} {many}", grouped(count)) }
}

#[cfg(test)]
mod tests;
