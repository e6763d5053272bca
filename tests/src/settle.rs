//! Waiting on virtual time.

use std::time::Duration;

use domain::{job::Job, manifest::Manifest};
use localcloud::ecs::Status;
use tokio::time::Instant;

use crate::TestEnv;

/// No scenario takes longer: the longest chain of back-offs is about three hours.
const DEADLINE: Duration = Duration::from_hours(12);

impl TestEnv {
    /// Waits until `happened`, looking every 10 ms.
    ///
    /// # Panics
    /// With the state of the environment, when it does not happen within twelve hours.
    pub async fn until(&self, what: &str, happened: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !happened() {
            if Instant::now() > deadline {
                panic!("{what} did not happen:\n{}", self.state().await);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until nothing is under way any more: no message, no event, no task.
    ///
    /// # Panics
    /// With the state of the environment, when it is not quiet within twelve hours.
    pub async fn quiet(&self) {
        self.until("quiet", || self.is_quiet()).await;
    }

    /// Waits until nothing is under way, and checks what must then be so: every job has settled, every failure was
    /// mailed, and the visible records are complete and the newest that are done.
    ///
    /// # Panics
    /// With the state of the environment, when it is otherwise.
    pub async fn settle(&self) {
        self.quiet().await;
        for job in self.jobs().await {
            if !job.is_over() || job.counted_attempts > job.pipeline.attempts {
                panic!("nothing is under way, and this job is not over: {job:#?}\n{}", self.state().await);
            }
            let manifest = self.manifest_in(&job.object.bucket, &job.object.key).await;
            self.check(&job, manifest.as_ref()).await;
        }
    }

    async fn check(&self, job: &Job, manifest: Option<&Manifest>) {
        use domain::job::State::{Done, Superseded};
        let visible = manifest.filter(|manifest| manifest.job == job.id);
        if let Some(manifest) = visible {
            assert_eq!((job.state(), job.records()), (Done, manifest.records), "{job:#?}");
            if manifest.has_rows_of_job() {
                let visible = self.visible_in(&job.object.bucket, &job.object.key).await;
                assert_eq!(visible.len() as u64, manifest.records, "{job:#?}");
            }
        }
        match job.state() {
            Done if job.published() == 0 => assert!(manifest.is_some(), "{job:#?}"),
            Done => assert!(manifest.is_some_and(|it| it.sequencer >= job.object.sequencer), "{job:#?}"),
            Superseded => assert!(manifest.is_some_and(|it| it.sequencer > job.object.sequencer), "{job:#?}"),
            _ => assert!(visible.is_none(), "a job that is not done is visible: {job:#?}"),
        }
    }

    fn is_quiet(&self) -> bool {
        let services = self.cloud.services();
        services.events.in_flight() + services.scheduler.in_flight() + services.lambda.in_flight() == 0
            && services.ecs.tasks().iter().all(|task| task.status == Status::Stopped)
            && ["UploadsQueue", "JobsQueue", "StopsQueue"].iter().all(|queue| self.held(queue) == 0)
    }

    fn held(&self, queue: &str) -> usize {
        let counts = self.cloud.services().sqs.counts(&self.arn(queue)).expect("a queue of the template");
        counts.visible + counts.in_flight + counts.delayed
    }

    /// All there is to know when something does not end.
    pub async fn state(&self) -> String {
        let services = self.cloud.services();
        let queues = ["UploadsQueue", "JobsQueue", "StopsQueue", "DeadLetterQueue", "FailedJobsQueue"];
        let queues: Vec<_> =
            queues.iter().map(|queue| (queue, services.sqs.counts(&self.arn(queue)))).collect();
        format!(
            "time: {}\nevents under way: {}\nfirings under way: {}\nasynchronous invocations under way: {}\nqueues: {queues:#?}\ntasks: {:#?}\njobs: {:#?}\nmails: {:#?}",
            self.cloud.clock().now(),
            services.events.in_flight(),
            services.scheduler.in_flight(),
            services.lambda.in_flight(),
            services.ecs.tasks(),
            self.jobs().await,
            self.subjects(),
        )
    }
}
