//! What a person can do about a job.

use domain::{
    job::{Job, State},
    replay::{NotReplayed, refusal},
};
use jiff::Timestamp;

/// What can be done; nothing about a job that is done or still in work.
pub(super) fn advice(job: &Job, now: Timestamp) -> Vec<String> {
    if job.state != State::Failed {
        return Vec::new();
    }
    let code = job.reason.as_ref().map(|reason| reason.code.as_str()).unwrap_or_default();
    let mut lines = vec![about(code).to_owned()];
    match refusal(job, now) {
        Some(wait @ (NotReplayed::Collecting { .. } | NotReplayed::Notifying { .. })) => {
            lines.push(format!("Not yet: {wait}."));
        }
        _ => lines.push(format!("tidemill replay --job {}", job.id)),
    }
    lines
}

/// By the reason's code: a verdict's, or what the worker found in the object.
fn about(code: &str) -> &'static str {
    match code {
        "cancelled" => "A person stopped it. Have it run again when it may go on:",
        "out_of_memory" => {
            "It ran out of memory on every size. Upload it in smaller parts, or have it run again when the worker needs \
             less:"
        }
        "timed_out" => {
            "A job keeps the pipeline it was recorded with. Raise its timeout in the pipelines file and upload the object \
             again, or have it run again as it is:"
        }
        "misconfigured" | "image_pull" | "init" | "cannot_start" => {
            "The object is not at fault: mend the deployment, then have it run again:"
        }
        "capacity"
        | "spot_reclaimed"
        | "infrastructure"
        | "terminated"
        | "worker_lost"
        | "try_again"
        | "stopped_by_scheduler" => "The object is not at fault. Have it run again:",
        "crashed" | "internal_error" | "internal" | "exited_without_done" | "unknown" | "" => {
            "The worker's log lines with this job's id say more. If it is mended, have it run again:"
        }
        _ => {
            "Upload the object again, mended: it becomes a new version with a job of its own. If the worker was at fault \
             and is mended, have it run again:"
        }
    }
}
