//! One attempt of one job in this worker, as every step of it sees it.

use std::sync::Arc;

use domain::job::Job;

use super::{job_progress::JobProgress, services::Services};

/// What all steps of an attempt need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobRun<'a> {
    pub(crate) services: &'a Services,
    /// The job as the claim returned it.
    pub(crate) job: &'a Job,
    pub(crate) progress: &'a Arc<JobProgress>,
}
