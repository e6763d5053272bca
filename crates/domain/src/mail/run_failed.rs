//! The mail about a sweep or a schedule's command that has not succeeded.

use std::fmt::Write;

use jiff::Timestamp;

use super::{
    Log,
    format::{Draft, LINE_CHARS, Mail, ascii},
    log,
};
use crate::{
    job::Reason,
    text::{escaped, quoted, shortened},
};

/// A run that has not succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFailed {
    /// What ran, such as `the command nightly` or `the sweep 20261121T12`.
    pub what: String,
    /// The schedule that it was a run of, which a person can run again.
    pub schedule: Option<String>,
    /// Why it failed.
    pub reason: Reason,
    /// The ARN of its task.
    pub task: String,
    /// When the task stopped.
    pub at: Timestamp,
    /// What it logged.
    pub log: Log,
    /// Where to look: what it is, and its address.
    pub links: Vec<(String, String)>,
}

/// Writes the mail.
#[must_use]
pub fn run_failed(run: &RunFailed) -> Mail {
    let code = ascii(run.reason.code.as_str());
    let subject = format!("[tidemill] failed: {} ({code})", shortened(&ascii(&run.what), 60));
    let mut out = Draft::default();
    // Writing to memory cannot fail.
    let _ = write_body(run, &mut out);
    out.mail(&subject)
}

fn write_body(run: &RunFailed, out: &mut Draft) -> std::fmt::Result {
    let line = |text: &str| shortened(&escaped(text), LINE_CHARS);
    writeln!(out, "FAILED: {}: {}", line(&run.what), line(&run.reason.message))?;
    writeln!(out, "\nWhat happens next")?;
    match &run.schedule {
        Some(_) => {
            writeln!(out, "  This run will not be retried. The schedule runs again at its next time.")?
        }
        None => writeln!(
            out,
            "  This run will not be retried. The next sweep, within the hour, does what this one left undone."
        )?,
    }
    out.end_summary();
    out.what_to_do(match &run.schedule {
        Some(schedule) => vec![
            "Fix what the log lines below say, then run it again:".to_owned(),
            format!("tidemill schedule run {}", quoted(schedule)),
        ],
        None => vec!["Read the log lines below. If the next sweep fails too, fix what they say.".to_owned()],
    });
    writeln!(out, "\nReason     {}", line(run.reason.code.as_str()))?;
    writeln!(out, "Stopped    {:.0}", run.at)?;
    writeln!(out, "Task       {}", line(&run.task))?;
    log::write(&run.log, out)?;
    writeln!(out, "\nMore information")?;
    match &run.schedule {
        Some(_) => writeln!(out, "  last runs: tidemill schedule")?,
        None => writeln!(out, "  all jobs: tidemill jobs")?,
    }
    for (name, address) in &run.links {
        writeln!(out, "  {}: {}", line(name), escaped(address))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mail::{LogLine, format::SUBJECT_CHARS},
        verdict::Kind,
    };

    fn failed(schedule: Option<&str>) -> RunFailed {
        let text = "ValueError: cannot reach the warehouse".to_owned();
        RunFailed {
            what: "the command nightly".into(),
            schedule: schedule.map(str::to_owned),
            reason: Reason::new(Kind::CommandCrashed, "the command crashed with exit code 1"),
            task: "arn:aws:ecs:eu-north-1:111122223333:task/t/1".into(),
            at: Timestamp::UNIX_EPOCH,
            log: Log::Lines(vec![LogLine { at: None, text }]),
            links: Vec::new(),
        }
    }

    #[test]
    fn it_has_the_cause_the_log_lines_and_the_command_that_runs_it_again() {
        let mail = run_failed(&failed(Some("nightly")));
        assert_eq!(mail.subject, "[tidemill] failed: the command nightly (command_crashed)");
        for part in [
            "FAILED: the command nightly: the command crashed with exit code 1\n",
            "\n  tidemill schedule run nightly\n",
            "\n  ValueError: cannot reach the warehouse\n",
        ] {
            assert!(mail.body.contains(part), "{}", mail.body);
        }
        assert!(!run_failed(&failed(None)).body.contains("schedule run"));
        let long = run_failed(&RunFailed { what: "é\n".repeat(200), ..failed(None) });
        assert!(long.subject.len() <= SUBJECT_CHARS);
        assert!(long.subject.bytes().all(|b| (b' '..=b'~').contains(&b)), "{}", long.subject);
    }
}
