//! Processes one message of the jobs queue.

use std::time::Duration;

use app::{
    finish_attempt::{Ended, finish},
    run_job::{ClaimMode, Outcome, process_job},
};
use aws::{CallError, backlog::Delivery, ledger::Over};
use domain::{
    claim::{ClaimDenied, claim_denied},
    job::{Change, Job, JobId, Reason},
    message::{self, FailureMessage, JobMessage, Message, Unusable},
    routing::{Route, may_take, route},
    verdict::{Kind, Verdict},
};
use tracing::{info, warn};

use super::{
    phase::{Phase, PhaseWatch},
    pooled_worker::PooledWorker,
};

/// What happens to a message after it was processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Delete it: its work is done, or another message carries it on. This many records became visible.
    Ack(u64),
    /// Show it again after this time; at once if that is zero.
    Retry(Duration),
    /// Do nothing: the queue shows it again when its visibility timeout ends.
    Leave,
}

/// How many times one message reads the state of its job anew. Each time is because another worker was faster, or a claim
/// was lost.
const READS: u32 = 4;

/// The wait of the message after that.
const PAUSE: Duration = Duration::from_secs(5);

/// The wait for a worker of another revision of the task definition, for a job that only such a worker may take.
const OUTDATED: Duration = Duration::from_secs(30);

/// After this many receives, a message that waits for another worker's lease is replaced by a new one: the queue moves
/// messages that were received too often to the dead-letter queue, but waiting is no failure.
const MANY_RECEIVES: u32 = 10;

impl PooledWorker {
    /// Processes a message. The rule, case by case:
    ///
    /// | the message is for | sent on | then the message is |
    /// | --- | --- | --- |
    /// | a job that is published, superseded, or whose object was deleted | | deleted |
    /// | a job that failed | a message to λ stops, which notifies | deleted |
    /// | a job that was returned and is due again | a message for its next attempt, delayed | deleted |
    /// | a job that was returned because this worker stops | | visible at once |
    /// | a job that has settled, or has a task of its own | | deleted |
    /// | a job that another worker has claimed | | visible when that lease would run out |
    /// | a job that another revision of the task definition began | a message for a task of that revision | deleted |
    /// | a job whose worker was lost | its next attempt, here or in a task of its own | as above |
    /// | an object, or S3's own notification | the same message to λ uploads | deleted |
    /// | S3's announcement of its notifications | | deleted |
    /// | anything else | a dead letter with the reason | deleted |
    ///
    /// If the process is killed at any line, the queue shows the message again after its visibility timeout, and its next
    /// receiver begins at the top. A message that was sent on just before is then sent twice; all receivers accept that.
    pub(super) async fn process(&self, delivery: &Delivery, phase: &PhaseWatch) -> Disposition {
        let processed = match message::read(&delivery.body) {
            Message::Job(due) => self.due(delivery, &due, phase).await,
            // Only λ uploads reads the pipelines and records jobs.
            Message::Object(_) | Message::S3(_) => {
                self.uploads.send(&delivery.body, Duration::ZERO).await.map(|()| Disposition::Ack(0))
            }
            Message::S3Test { bucket } => {
                info!(bucket, "S3 announces its notifications of bucket {bucket} to this queue");
                Ok(Disposition::Ack(0))
            }
            Message::Malformed { reason } => self.dead_letter(delivery, Unusable::Malformed, reason).await,
            Message::Task(_) | Message::Failed(_) | Message::Foreign => {
                self.dead_letter(delivery, Unusable::Foreign, "the jobs queue accepts only jobs and objects")
                    .await
            }
        };
        processed.unwrap_or_else(|error| {
            warn!(
                message.id = delivery.id,
                error = telemetry::causes(&error),
                "failed to process message {}: it will be delivered again",
                delivery.id
            );
            Disposition::Leave
        })
    }

    /// An attempt of a job is due.
    async fn due(
        &self,
        delivery: &Delivery,
        due: &JobMessage,
        phase: &PhaseWatch,
    ) -> Result<Disposition, CallError> {
        let mut attempt = due.attempt;
        for _ in 0..READS {
            let mode = ClaimMode::PooledWorker(&self.name);
            let stop = phase.reached(Phase::ForceStop);
            let found = match process_job(&self.services, &due.job, attempt, mode, stop).await {
                Outcome::Done(records) => return Ok(Disposition::Ack(records)),
                Outcome::Left(Change::Fail, job) => return self.notify(&job.id).await,
                Outcome::Left(Change::Requeue, job) => return self.returned(&job).await,
                Outcome::Left(..) => return Ok(Disposition::Ack(0)),
                // Another worker has it, or the claim was not renewed in time: read the job anew. This may be its only
                // message, which must stay until the job has settled.
                Outcome::ClaimLost => continue,
                // The claim may have been taken. Then its lease runs out, and the next receiver finds the worker lost.
                Outcome::Unclaimed(error) => return Err(error),
                Outcome::Unrecorded => return Ok(Disposition::Leave),
                Outcome::Refused(None) => {
                    return self
                        .dead_letter(delivery, Unusable::UnknownJob, Unusable::UnknownJob.sentence())
                        .await;
                }
                Outcome::Refused(Some(job)) => job,
            };
            let now = self.services.clock.now();
            attempt = match claim_denied(&found, now) {
                ClaimDenied::Settled => return Ok(Disposition::Ack(0)),
                ClaimDenied::NotNotified => return self.notify(&found.id).await,
                ClaimDenied::Leased { until } => {
                    let lease = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    return self.wait_for(delivery, &found, lease + Duration::from_secs(1)).await;
                }
                // Delayed: if this worker is the outdated one, λ uploads sends the job back to the pool, and this worker
                // leaves soon.
                ClaimDenied::Available if !may_take(&found, self.services.revision.as_deref()) => {
                    return self.requeue(&found, OUTDATED).await;
                }
                // A later attempt than the message names is due.
                ClaimDenied::Available if found.attempt != attempt && self.is_dedicated(&found) => {
                    return self.requeue(&found, Duration::ZERO).await;
                }
                ClaimDenied::Available => found.attempt,
                ClaimDenied::LeaseExpired => match self.lost(&found).await? {
                    Ended::Retry { job, .. } if self.is_dedicated(&job) => {
                        return self.requeue(&job, Duration::ZERO).await;
                    }
                    // At once: waiting would not help. If the process is killed here, the job waits at this attempt and
                    // the message names the last one; its next receiver finds the job available.
                    Ended::Retry { job, .. } => job.attempt,
                    Ended::GivenUp(job) => return self.notify(&job.id).await,
                    // Another worker was faster: read again.
                    Ended::Refused(_) | Ended::Nothing => found.attempt,
                },
            };
        }
        Ok(Disposition::Retry(PAUSE))
    }

    /// Ends the attempt of a job whose worker was lost.
    async fn lost(&self, job: &Job) -> Result<Ended, CallError> {
        let now = self.services.clock.now();
        // A task whose launch was never recorded has no name.
        let worker = job.pooled_worker().unwrap_or_default();
        warn!(job.id = %job.id, worker, attempt = job.attempt, "lost worker {worker}, which had job {}", job.id);
        let verdict = Verdict::from(Kind::WorkerLost);
        let ended = verdict.of_attempt(job.attempt, job, worker, now);
        // Refused if that worker has renewed its lease meanwhile: it is alive.
        let over = Over::Lost { fence: job.fence, now };
        finish(&self.services.ledger, job, &verdict, &ended, over, now).await
    }

    /// This worker has returned the job to the ledger with a reason. Decides what follows, as λ stops does for a task.
    ///
    /// If the process is killed before the end is written, the job waits at this attempt, and the next receiver of the
    /// message runs it again. If it is killed before the message of the next attempt is sent, the job waits at that
    /// attempt, and the next receiver of this message runs it at once.
    async fn returned(&self, job: &Job) -> Result<Disposition, CallError> {
        let kind = job.returned_for();
        if kind == Kind::Terminated {
            // The worker stops; the attempt did not fail.
            return Ok(Disposition::Retry(Duration::ZERO));
        }
        let now = self.services.clock.now();
        let verdict = Verdict::from(kind);
        let ended = verdict.of_attempt(job.attempt, job, &self.name, now);
        // Refused if a second message of this job gave it to another worker meanwhile.
        let over = Over::Left { fence: job.fence };
        match finish(&self.services.ledger, job, &verdict, &ended, over, now).await? {
            Ended::Retry { job, after } => self.requeue(&job, after).await,
            Ended::GivenUp(job) => self.notify(&job.id).await,
            Ended::Refused(_) | Ended::Nothing => Ok(Disposition::Leave),
        }
    }

    /// Whether a job needs a task of its own.
    fn is_dedicated(&self, job: &Job) -> bool {
        matches!(self.route(job), Route::Dedicated(_))
    }

    fn route(&self, job: &Job) -> Route {
        route(job, self.pooled, self.services.revision.as_deref())
    }

    /// Sends a message for the present attempt of the job to the queue of those who run it.
    async fn requeue(&self, job: &Job, after: Duration) -> Result<Disposition, CallError> {
        let next = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        let (queue, to) = match self.route(job) {
            Route::Pool => (&self.jobs, "the pooled workers"),
            Route::Dedicated(_) => (&self.uploads, "a task of its own"),
        };
        queue.send(&next, after).await?;
        info!(
            job.id = %job.id,
            attempt = job.attempt,
            after_s = after.as_secs(),
            to,
            "queued attempt {} of job {} for {to}",
            job.attempt,
            job.id
        );
        Ok(Disposition::Ack(0))
    }

    /// Another worker has claimed the job and may get lost: the message must stay until the job has settled.
    async fn wait_for(
        &self,
        delivery: &Delivery,
        job: &Job,
        time: Duration,
    ) -> Result<Disposition, CallError> {
        if delivery.receives < MANY_RECEIVES {
            return Ok(Disposition::Retry(time));
        }
        let fresh = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        self.jobs.send(&fresh, time).await.map(|()| Disposition::Ack(0))
    }

    /// Asks λ stops to notify that the job has failed; it does so once.
    async fn notify(&self, job: &JobId) -> Result<Disposition, CallError> {
        self.stops.send(&FailureMessage::new(job.clone()).to_body(), Duration::ZERO).await?;
        Ok(Disposition::Ack(0))
    }

    async fn dead_letter(
        &self,
        delivery: &Delivery,
        code: Unusable,
        message: impl Into<String>,
    ) -> Result<Disposition, CallError> {
        let reason = Reason::new(code, message);
        warn!(
            message.id = delivery.id,
            reason = reason.code.as_str(),
            detail = reason.message,
            "moved message {} to the dead-letter queue: {}",
            delivery.id,
            reason.message
        );
        self.dead_letters.dead_letter(&delivery.body, &reason).await.map(|()| Disposition::Ack(0))
    }
}
