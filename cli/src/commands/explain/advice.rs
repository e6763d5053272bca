//! What an operator can do about a job.

use domain::{
    dead_letter::resolved,
    job::{Job, State},
    manifest::Manifest,
    replay::{NotReplayed, refusal},
};
use jiff::Timestamp;

/// What can be done about a failed job; nothing about any other. `visible` is the manifest of its object.
pub(super) fn advice(job: &Job, visible: Option<&Manifest>, now: Timestamp) -> Vec<String> {
    if job.state() != State::Failed {
        return Vec::new();
    }
    if let Some(why) = resolved(job, job.attempt, visible) {
        return vec![format!("Nothing: {why}.")];
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
