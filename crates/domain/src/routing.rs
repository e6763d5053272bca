//! Where a job is worked on: in a task of its own, or by a pooled worker that takes it from the backlog.
//!
//! Half of all objects are under 6 KB and 95 % under 108 KB (a public trace of a serverless fleet), and a Fargate
//! task takes half a minute to start and costs a minute at least: pooling is the normal case.

use crate::{
    fargate::Size,
    job::Job,
    verdict::{Kind, adjusted, count},
};

/// Where a job is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By a pooled worker, through the jobs queue.
    Pool,
    /// In a task of its own, for this reason.
    Dedicated(DedicatedReason),
}

/// Why a job gets a task of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DedicatedReason {
    /// Its object is above its pipeline's `dedicated_above`.
    Large,
    /// It needs more processor or memory than a pooled worker has: its pipeline says so, or it ran out of memory.
    Size,
    /// Pooled workers were lost with it before, and it may be the reason. Alone it harms no other job, and its stop
    /// says what is wrong.
    Suspect,
    /// Its first attempt was made by another revision of the task definition, and so perhaps by another image: a retry
    /// means the same.
    Pinned,
}

/// After how many lost pooled workers a job is tried alone: one may be bad luck, as every worker has many jobs.
const LOSSES: usize = 2;

/// Where to work on a job when pooled workers have this size, and are of this revision of the task definition if that is
/// known.
#[must_use]
pub fn route(job: &Job, pooled: Size, revision: Option<&str>) -> Route {
    let size = adjusted(&job.history, job.pipeline.task).size;
    if job.object.size_bytes.is_some_and(|bytes| bytes > job.pipeline.dedicated_above) {
        Route::Dedicated(DedicatedReason::Large)
    } else if !pooled.holds(size) {
        Route::Dedicated(DedicatedReason::Size)
    } else if count(&job.history, Kind::WorkerLost) >= LOSSES {
        Route::Dedicated(DedicatedReason::Suspect)
    } else if !may_take(job, revision) {
        Route::Dedicated(DedicatedReason::Pinned)
    } else {
        Route::Pool
    }
}

/// Whether a worker of this revision of the task definition may take a job; one that knows none may take all.
#[must_use]
pub fn may_take(job: &Job, revision: Option<&str>) -> bool {
    job.revision.as_deref().is_none_or(|pinned| revision.is_none_or(|revision| revision == pinned))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::job::{Attempt, Reason};

    fn job(pipeline: &str, bytes: Option<u64>, history: &[&str]) -> Job {
        let mut job = Job::sample(pipeline, Timestamp::UNIX_EPOCH);
        job.object.size_bytes = bytes;
        job.history = history
            .iter()
            .zip(1..)
            .map(|(code, number)| Attempt {
                number,
                task: String::new(),
                verdict: Reason::new(crate::job::ReasonCode::parse(code), ""),
                stopped_at: Timestamp::UNIX_EPOCH,
                paused: false,
            })
            .collect();
        job
    }

    #[test]
    fn small_objects_are_pooled_and_large_ones_are_not() {
        let of = |pipeline, bytes| route(&job(pipeline, bytes, &[]), Size::SMALLEST, None);
        assert_eq!(of("", Some(6_000)), Route::Pool);
        assert_eq!(of("", None), Route::Pool, "a worker streams, whatever the size");
        assert_eq!(of("", Some(33_554_432)), Route::Pool);
        assert_eq!(of("", Some(33_554_433)), Route::Dedicated(DedicatedReason::Large));
        assert_eq!(of("dedicated_above = 0", Some(0)), Route::Pool);
        assert_eq!(of("dedicated_above = 0", Some(1)), Route::Dedicated(DedicatedReason::Large));
    }

    #[test]
    fn what_pooled_workers_have_no_room_for_gets_a_task() {
        let of = |pipeline, history: &[&str], pooled| route(&job(pipeline, Some(1), history), pooled, None);
        let larger = Size::new(512, 1_024).unwrap();
        assert_eq!(
            of("task = { cpu = 512, memory = 1024 }", &[], Size::SMALLEST),
            Route::Dedicated(DedicatedReason::Size)
        );
        assert_eq!(of("task = { cpu = 512, memory = 1024 }", &[], larger), Route::Pool);
        assert_eq!(of("", &["out_of_memory"], Size::SMALLEST), Route::Dedicated(DedicatedReason::Size));
        assert_eq!(of("", &["out_of_memory"], larger), Route::Pool);
        let command = "format = \"command\"\ncommand = [\"cat\"]\n";
        let larger = format!("{command}task = {{ cpu = 512, memory = 1024 }}");
        assert_eq!(of(command, &[], Size::SMALLEST), Route::Pool);
        assert_eq!(of(&larger, &[], Size::SMALLEST), Route::Dedicated(DedicatedReason::Size));
        assert_eq!(of(command, &["out_of_memory"], Size::SMALLEST), Route::Dedicated(DedicatedReason::Size));
    }

    #[test]
    fn a_retry_is_for_the_revision_of_the_first_attempt() {
        let mut job = job("", Some(1), &[]);
        let of = |job: &Job, revision| route(job, Size::SMALLEST, revision);
        assert_eq!(of(&job, Some("worker:2")), Route::Pool, "nothing was tried yet");
        job.revision = Some("worker:1".into());
        assert_eq!(of(&job, Some("worker:1")), Route::Pool);
        assert_eq!(of(&job, Some("worker:2")), Route::Dedicated(DedicatedReason::Pinned));
        assert_eq!(of(&job, None), Route::Pool);
    }

    #[test]
    fn a_job_that_workers_are_lost_with_is_tried_alone() {
        let of = |history: &[&str]| route(&job("", Some(1), history), Size::SMALLEST, None);
        assert_eq!(of(&["worker_lost"]), Route::Pool);
        assert_eq!(
            of(&["worker_lost", "try_again", "worker_lost"]),
            Route::Dedicated(DedicatedReason::Suspect)
        );
    }
}
