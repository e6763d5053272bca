//! What a test asserts of a job. A failure shows the whole job.

use domain::job::{Job, State};

/// Asserts on a job, one after the other: `job.assert_done().assert_attempt(2)`.
pub trait JobAsserts {
    /// It is done.
    fn assert_done(&self) -> &Self;
    /// It has failed.
    fn assert_failed(&self) -> &Self;
    /// A newer version's records were visible first.
    fn assert_superseded(&self) -> &Self;
    /// Its object was deleted before its records were published.
    fn assert_source_deleted(&self) -> &Self;
    /// It waits for a worker.
    fn assert_waiting(&self) -> &Self;
    /// A worker holds it.
    fn assert_running(&self) -> &Self;
    /// It is in its `number`-th attempt, or ended there.
    fn assert_attempt(&self, number: u32) -> &Self;
    /// So many of its attempts count against the object.
    fn assert_counted(&self, attempts: u32) -> &Self;
    /// It was claimed this many times.
    fn assert_fence(&self, fence: u64) -> &Self;
    /// It has made this many records.
    fn assert_records(&self, records: u64) -> &Self;
    /// So many of its rows were rejected.
    fn assert_rejected(&self, rows: u64) -> &Self;
    /// This is the code of its reason.
    fn assert_reason(&self, code: &str) -> &Self;
    /// Its attempts so far ended with these codes, the first one first.
    fn assert_ended_with(&self, codes: &[&str]) -> &Self;
}

/// Compares, and shows the job when the two differ.
#[track_caller]
fn same<'j, T: PartialEq + std::fmt::Debug>(job: &'j Job, what: &str, found: T, wanted: T) -> &'j Job {
    assert!(found == wanted, "{what}: {found:?}, not {wanted:?}\n{job:#?}");
    job
}

impl JobAsserts for Job {
    #[track_caller]
    fn assert_done(&self) -> &Self {
        same(self, "state", self.state(), State::Done)
    }

    #[track_caller]
    fn assert_failed(&self) -> &Self {
        same(self, "state", self.state(), State::Failed)
    }

    #[track_caller]
    fn assert_superseded(&self) -> &Self {
        same(self, "state", self.state(), State::Superseded)
    }

    #[track_caller]
    fn assert_source_deleted(&self) -> &Self {
        same(self, "state", self.state(), State::SourceDeleted)
    }

    #[track_caller]
    fn assert_waiting(&self) -> &Self {
        same(self, "state", self.state(), State::Waiting)
    }

    #[track_caller]
    fn assert_running(&self) -> &Self {
        same(self, "state", self.state(), State::Running)
    }

    #[track_caller]
    fn assert_attempt(&self, number: u32) -> &Self {
        same(self, "attempt", self.attempt, number)
    }

    #[track_caller]
    fn assert_counted(&self, attempts: u32) -> &Self {
        same(self, "attempts that count against the object", self.counted_attempts, attempts)
    }

    #[track_caller]
    fn assert_fence(&self, fence: u64) -> &Self {
        same(self, "fence", self.fence, fence)
    }

    #[track_caller]
    fn assert_records(&self, records: u64) -> &Self {
        same(self, "records", self.records(), records)
    }

    #[track_caller]
    fn assert_rejected(&self, rows: u64) -> &Self {
        same(self, "rejected rows", self.rejected(), rows)
    }

    #[track_caller]
    fn assert_reason(&self, code: &str) -> &Self {
        let found = self.reason().map(|reason| reason.code.to_string());
        same(self, "reason", found, Some(code.to_owned()))
    }

    #[track_caller]
    fn assert_ended_with(&self, codes: &[&str]) -> &Self {
        let found: Vec<String> = self.history.iter().map(|ended| ended.verdict.code.to_string()).collect();
        same(self, "ends of attempts", found, codes.iter().map(ToString::to_string).collect())
    }
}
