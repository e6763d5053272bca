//! What became of a job, in a few words.

use domain::{job::Job, text::count};

/// The state of a job, and the reason when it is not done.
pub(crate) fn outcome(job: &Job) -> String {
    match (job.reason(), job.repaired()) {
        (Some(reason), _) => format!("{}: {}", job.state().as_str(), reason.code),
        (None, 0) => job.state().as_str().to_owned(),
        (None, rows) => format!("{}, {} repaired", job.state().as_str(), count(rows, "row")),
    }
}
