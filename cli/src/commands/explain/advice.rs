//! What an operator can do about a job.

use domain::{
    job::{Job, State},
    replay::{NotReplayed, refusal},
};
use jiff::Timestamp;

/// What can be done about a failed job; nothing about any other.
pub(super) fn advice(job: &Job, now: Timestamp) -> Vec<String> {
    if job.state() != State::Failed {
        return Vec::new();
    }
    let mut lines = vec![job.advice()];
    match refusal(job, now) {
        Some(wait @ (NotReplayed::Collecting { .. } | NotReplayed::Notifying { .. })) => {
            lines.push(format!("Not yet: {wait}."));
        }
        _ => lines.push(format!("tidemill replay --job {}", job.id)),
    }
    lines
}
