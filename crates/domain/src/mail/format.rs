//! What SNS accepts as a mail, and how much of a text a mail shows.

use std::fmt;

use crate::text::{escaped, shortened};

/// SNS takes fewer than 100 characters.
pub(super) const SUBJECT_CHARS: usize = 99;
/// SNS takes 256 KB; nobody reads more than this.
pub(super) const BODY_BYTES: usize = 32 * 1_024;
/// How much of one log line or reason is shown.
pub(super) const LINE_CHARS: usize = 400;

/// A mail that SNS accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// At most 99 characters of printable ASCII.
    pub subject: String,
    /// Plain text, at most 32 KiB.
    pub body: String,
    /// How the body begins: what happened, and what happens next.
    pub summary: String,
    /// What to do, step by step. It is in the body too.
    pub steps: Vec<String>,
}

/// A mail that is being written, in its order: the summary, what to do, and the evidence.
#[derive(Debug, Default)]
pub(super) struct Draft {
    body: String,
    summary_bytes: Option<usize>,
    steps: Vec<String>,
}

impl fmt::Write for Draft {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.body.push_str(text);
        Ok(())
    }
}

impl Draft {
    /// What was written so far is the summary.
    pub(super) fn end_summary(&mut self) {
        self.summary_bytes = Some(self.body.len());
    }

    /// Adds what to do, each step a line.
    pub(super) fn what_to_do(&mut self, steps: impl IntoIterator<Item = String>) {
        self.body.push_str("\nWhat to do\n");
        for step in steps {
            self.body.push_str(&format!("  {step}\n"));
            self.steps.push(step);
        }
    }

    /// The mail with this subject, which is cut to what SNS accepts.
    pub(super) fn mail(self, subject: &str) -> Mail {
        let summary = self.summary_bytes.and_then(|end| self.body.get(..end)).unwrap_or(&self.body);
        Mail {
            subject: shortened(subject, SUBJECT_CHARS),
            summary: summary.to_owned(),
            steps: self.steps,
            body: bounded(self.body),
        }
    }
}

/// The last of these.
pub(super) fn last<T>(all: &[T], count: usize) -> &[T] {
    &all[all.len().saturating_sub(count)..]
}

/// Printable ASCII; everything else as a visible escape.
pub(super) fn ascii(text: &str) -> String {
    escaped(text)
        .chars()
        .flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() })
        .collect()
}

/// A body that is not too long; where it was cut, it says so.
fn bounded(mut body: String) -> String {
    const CUT: &str = "\n… cut here\n";
    if body.len() > BODY_BYTES {
        body.truncate(body.floor_char_boundary(BODY_BYTES - CUT.len()));
        body.push_str(CUT);
    }
    body
}
