//! The last lines of a job's log, as a person reads them.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

use super::{LINE_CHARS, escaped, last, shortened};
use crate::metrics;

/// How many log lines a mail shows, the last ones.
pub const LOG_LINES: usize = 20;

/// The fields of a line that say more than its message, in the order they are shown in.
const TELLING: [&str; 3] = ["reason", "detail", "error"];

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Option<Timestamp>,
    /// The line as it was written.
    pub text: String,
}

/// What a mail knows of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Log {
    /// Nobody asked for it.
    #[default]
    Unasked,
    /// The last lines, oldest first.
    Lines(Vec<LogLine>),
    /// It could not be read, for this reason.
    Unread(String),
}

pub(super) fn write(log: &Log, out: &mut String) -> std::fmt::Result {
    match log {
        Log::Unasked => Ok(()),
        Log::Unread(reason) => {
            let reason = shortened(&escaped(reason), LINE_CHARS);
            writeln!(out, "\nLast log lines\n  They could not be read: {reason}")
        }
        Log::Lines(lines) if lines.is_empty() => {
            writeln!(
                out,
                "\nLast log lines\n  There are none. Nothing was logged, or it has not arrived yet."
            )
        }
        Log::Lines(lines) => {
            writeln!(out, "\nLast log lines")?;
            let told: Vec<_> = lines.iter().filter(|line| !metrics::is_line(&line.text)).collect();
            for line in last(&told, LOG_LINES) {
                writeln!(out, "  {}", shortened(&escaped(&readable(line)), LINE_CHARS))?;
            }
            Ok(())
        }
    }
}

/// A line of ours without its JSON: when, how bad, what, and why. Any other as it is.
fn readable(line: &LogLine) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(&line.text) else { return line.text.clone() };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (Some(level), Some(message)) = (text("level"), text("message")) else { return line.text.clone() };
    let at = line.at.or_else(|| text("timestamp")?.parse().ok());
    let mut out = at.map(|at| format!("{at:.0} ")).unwrap_or_default();
    out.push_str(level);
    out.push(' ');
    out.push_str(message);
    for field in TELLING {
        if let Some(more) = text(field).filter(|more| !message.contains(*more)) {
            out.push_str(": ");
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
    fn a_log_that_could_not_be_read_says_why_on_one_line() {
        let mut out = String::new();
        write(&Log::Unread("no\nanswer".into()), &mut out).unwrap();
        assert_eq!(out, "\nLast log lines\n  They could not be read: no\\nanswer\n");
        assert!(shown(&[]).contains("There are none."));
    }
}
