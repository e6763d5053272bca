//! The last lines of a job's log, as a person reads them.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

use super::format::{LINE_CHARS, last};
use crate::{
    metrics,
    text::{escaped, shortened},
};

/// How many log lines are read for a mail, the last ones: what a program said last is in between.
pub const READ_LINES: usize = 80;

/// How many of them a mail shows, the last ones. What a schedule's command wrote is among them, with a whole traceback.
const LOG_LINES: usize = 30;

/// How many lines of a command's own a mail shows, the last ones: a traceback, whole.
const COMMAND_LINES: usize = 30;

/// The field of a log line that holds what a command wrote to standard error.
const COMMAND: &str = "line";

/// The text fields that are shown without their names, in this order. All other text fields follow with theirs.
const UNNAMED: [&str; 3] = ["reason", "detail", "error"];

/// The fields that are shown before the message, or not at all: the mail names the object.
const COMMON: [&str; 6] = ["timestamp", "level", "message", "target", "object", "change"];

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Option<Timestamp>,
    /// The line as it was written.
    pub text: String,
}

/// What a mail shows of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Log {
    /// The log was not read.
    #[default]
    Unasked,
    /// The last lines, oldest first.
    Lines(Vec<LogLine>),
    /// It could not be read, for this reason.
    Unread(String),
}

pub(super) fn write(log: &Log, out: &mut impl Write) -> std::fmt::Result {
    match log {
        Log::Unasked => Ok(()),
        Log::Unread(reason) => {
            let reason = shortened(&escaped(reason), LINE_CHARS);
            writeln!(out, "\nLast log lines\n  The log could not be read: {reason}")
        }
        Log::Lines(lines) if lines.is_empty() => {
            writeln!(out, "\nLast log lines\n  None: nothing was logged, or the lines have not arrived yet.")
        }
        Log::Lines(lines) => {
            let (mut of_command, mut others) = (Vec::new(), Vec::new());
            for line in lines.iter().filter(|line| !metrics::is_line(&line.text)) {
                match said_by_command(line) {
                    Some(said) => of_command.push(said),
                    None => others.push(readable(line)),
                }
            }
            write_last("What the command wrote", &of_command, COMMAND_LINES, out)?;
            write_last("Last log lines", &others, LOG_LINES, out)
        }
    }
}

fn write_last(title: &str, lines: &[String], most: usize, out: &mut impl Write) -> std::fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    match lines.len() {
        all if all > most => writeln!(out, "\n{title} (the last {most} lines)")?,
        _ => writeln!(out, "\n{title}")?,
    }
    last(lines, most).iter().try_for_each(|line| writeln!(out, "  {}", shortened(&escaped(line), LINE_CHARS)))
}

/// What a command wrote to standard error, which the worker logs line by line.
fn said_by_command(line: &LogLine) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(&line.text) else { return None };
    fields.get(COMMAND).and_then(Value::as_str).map(str::to_owned)
}

/// A line of ours without its JSON: time, level, message, and every text field that the message does not already hold.
/// Dotted names, such as `job.id`, are ids for searching and are not shown. Any other line stays as it is.
#[must_use]
pub fn readable(line: &LogLine) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(&line.text) else { return line.text.clone() };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (Some(level), Some(message)) = (text("level"), text("message")) else { return line.text.clone() };
    let at = line.at.or_else(|| text("timestamp")?.parse().ok());
    let mut out = at.map(|at| format!("{at:.0} ")).unwrap_or_default();
    out.push_str(level);
    out.push(' ');
    out.push_str(message);
    let is_new = |more: &&str| !message.contains(*more);
    for more in UNNAMED.into_iter().filter_map(text).filter(is_new) {
        out.push_str(": ");
        out.push_str(more);
    }
    for (name, value) in &fields {
        let is_shown =
            !UNNAMED.contains(&name.as_str()) && !COMMON.contains(&name.as_str()) && !name.contains('.');
        if let Some(more) = value.as_str().filter(|more| is_shown && is_new(more)) {
            out.push_str(", ");
            out.push_str(name);
            out.push('=');
            out.push_str(more);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[&str]) -> String {
        let at = Some("2026-03-14T09:27:20.5Z".parse().unwrap());
        let lines = lines.iter().map(|text| LogLine { at, text: (*text).to_owned() }).collect();
        let mut out = String::new();
        write(&Log::Lines(lines), &mut out).unwrap();
        out
    }

    #[test]
    fn our_lines_are_read_and_others_shown_as_they_are() {
        let shown = shown(&[
            r#"{"timestamp":"2020-01-01T00:00:00Z","level":"INFO","message":"claimed","job.id":"ab","attempt":1}"#,
            r#"{"level":"WARN","message":"leaving the job","reason":"ragged_row","detail":"row 2: 3 fields"}"#,
            r#"{"level":"ERROR","message":"cannot start","error":"no such\ntable"}"#,
            "thread 'main' panicked at src/main.rs:1:1:",
            r#"{"level":1}"#,
            r#"{"half": "#,
        ]);
        assert_eq!(
            shown,
            "
Last log lines
  2026-03-14T09:27:20Z INFO claimed
  2026-03-14T09:27:20Z WARN leaving the job: ragged_row: row 2: 3 fields
  2026-03-14T09:27:20Z ERROR cannot start: no such\\ntable
  thread 'main' panicked at src/main.rs:1:1:
  {\"level\":1}
  {\"half\": 
"
        );
    }

    #[test]
    fn the_text_fields_of_a_line_are_shown_after_its_message_and_ids_are_not() {
        let shown = shown(&[
            r#"{"level":"INFO","message":"the command wrote to standard error","job.id":"ab","line":"no such\tsheet"}"#,
            r#"{"level":"INFO","message":"started cat","program":"cat","memory.limit_bytes":9,"folder":"/tmp/x"}"#,
        ]);
        assert_eq!(
            shown,
            "
What the command wrote
  no such\\tsheet

Last log lines
  2026-03-14T09:27:20Z INFO started cat, folder=/tmp/x
"
        );
    }

    #[test]
    fn a_traceback_is_shown_whole() {
        let line = |text: &str| format!(r#"{{"level":"INFO","message":"wrote","line":"{text}"}}"#);
        let lines: Vec<String> = (0..35).map(|n| line(&format!("  File {n}"))).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let shown = shown(&lines);
        assert!(shown.starts_with("\nWhat the command wrote (the last 30 lines)\n    File 5\n"), "{shown}");
        assert!(shown.ends_with("\n    File 34\n"), "{shown}");
    }

    #[test]
    fn a_log_that_could_not_be_read_says_why_on_one_line() {
        let mut out = String::new();
        write(&Log::Unread("no\nanswer".into()), &mut out).unwrap();
        assert_eq!(out, "\nLast log lines\n  The log could not be read: no\\nanswer\n");
        assert!(shown(&[]).contains("None: nothing was logged"));
    }
}
