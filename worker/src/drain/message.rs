//! What becomes of one message.

use std::time::Duration;

use app::{
    finish_attempt::{Ended, finish},
    run_job::{self, By, Outcome},
};
use aws::{CallError, backlog::Delivery, ledger::Over};
use domain::{
    claim::{Refusal, refusal},
    job::{Change, Job, JobId, Reason},
    message::{self, JobMessage, Message, SettledMessage},
    placement::{Place, may_take, place},
    verdict::{Kind, Verdict},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Drain;

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is deleted: what it asks for is done, or is another's to do. So many records became visible.
    Settled(u64),
    /// It is shown again after this time, at once when that is zero.
    Again(Duration),
    /// It is shown again when nobody hides it any longer.
    Left,
}

/// How often the present state of one job is looked into for one message. Each look is made because another worker was
/// quicker, or a claim was lost.
const LOOKS: u32 = 4;

/// The wait after that.
const PAUSE: Duration = Duration::from_secs(5);

/// The wait for a worker of another revision of the task definition, for a job that only such a one may take.
const OUTDATED: Duration = Duration::from_secs(30);

/// A message that waits for another worker's lease is replaced by a fresh one after so many receives: the queue buries
/// those that were received too often, for a reason that this one has nothing to do with.
const MANY_RECEIVES: u32 = 10;

impl Drain {
    /// Does what a message asks for. The rule of what is deleted, case by case:
    ///
    /// | the message | becomes | then |
    /// | --- | --- | --- |
    /// | a job, published, superseded or gone | | deleted |
    /// | a job that failed | a message to λ stops, which tells people | deleted |
    /// | a job that was returned and is due again | a message of its next attempt, after a wait | deleted |
    /// | a job that was returned because the worker has to stop | | shown at once |
    /// | a job that has settled, or has a task of its own | | deleted |
    /// | a job that another worker holds | | shown when that one's lease would run out |
    /// | a job that was begun by another revision of the task definition | the same, for a task of that revision | deleted |
    /// | a job whose worker was lost | its next attempt, here or in a task of its own | as above |
    /// | an object, or S3's own notification | the same message to λ uploads | deleted |
    /// | anything else | a dead letter with the reason | deleted |
    ///
    /// When the process dies on any line, the message is shown again after its visibility timeout, and whoever
    /// receives it begins at the top. A message sent on just before goes out twice then, which all receivers bear.
    pub(super) async fn process(&self, delivery: &Delivery, stop: &CancellationToken) -> Fate {
        let processed = match message::read(&delivery.body) {
            Message::Job(due) => self.due(delivery, &due, stop).await,
            // λ uploads knows the pipelines and records jobs: one place for it.
            Message::Object(_) | Message::Created(_) => {
                self.uploads.send(&delivery.body, Duration::ZERO).await.map(|()| Fate::Settled(0))
            }
            Message::Malformed { reason } => self.bury(delivery, "malformed", reason).await,
            Message::Task(_) | Message::Settled(_) | Message::Foreign => {
                self.bury(delivery, "foreign", "the jobs queue carries jobs and objects only").await
            }
        };
        processed.unwrap_or_else(|error| {
            warn!(message.id = delivery.id, error = telemetry::causes(&error), "the message comes again");
            Fate::Left
        })
    }

    /// An attempt is due.
    async fn due(
        &self,
        delivery: &Delivery,
        due: &JobMessage,
        stop: &CancellationToken,
    ) -> Result<Fate, CallError> {
        let mut attempt = due.attempt;
        for _ in 0..LOOKS {
            let found = match run_job::attend(&self.workshop, &due.job, attempt, By::Worker(&self.name), stop)
                .await
            {
                Outcome::Done(records) => return Ok(Fate::Settled(records)),
                Outcome::Left(Change::Fail, job) => return self.tell(&job.id).await,
                Outcome::Left(Change::Return, job) => return self.returned(&job).await,
                Outcome::Left(..) => return Ok(Fate::Settled(0)),
                // To another, or because it could not be renewed in time: look what became of the job. This may still be
                // its only message, which stays until the job has settled.
                Outcome::ClaimLost => continue,
                // The claim may have been taken; its lease runs out, and the next who sees the message finds it lost.
                Outcome::Unclaimed(error) => return Err(error),
                Outcome::Untold => return Ok(Fate::Left),
                Outcome::Refused(None) => {
                    return self.bury(delivery, "unknown_job", "the ledger has no such job").await;
                }
                Outcome::Refused(Some(job)) => job,
            };
            let now = self.workshop.clock.now();
            attempt = match refusal(&found, now) {
                Refusal::Past => return Ok(Fate::Settled(0)),
                Refusal::Untold => return self.tell(&found.id).await,
                Refusal::Held { until } => {
                    let lease = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    return self.wait_for(delivery, &found, lease + Duration::from_secs(1)).await;
                }
                // Not at once: λ uploads gives it back if this worker is the one that is out of date, and leaves soon.
                Refusal::Free if !may_take(&found, self.workshop.revision.as_deref()) => {
                    return self.hand_on(&found, OUTDATED).await;
                }
                // An attempt that is due now, of which the message knows nothing.
                Refusal::Free if found.attempt != attempt && self.is_elsewhere(&found) => {
                    return self.hand_on(&found, Duration::ZERO).await;
                }
                Refusal::Free => found.attempt,
                Refusal::Lost => match self.lost(&found).await? {
                    Ended::Retry { job, .. } if self.is_elsewhere(&job) => {
                        return self.hand_on(&job, Duration::ZERO).await;
                    }
                    // At once: nothing is wrong that waiting would mend. Dying here leaves the job waiting at this
                    // attempt and the message at the last one: whoever receives it finds the job free.
                    Ended::Retry { job, .. } => job.attempt,
                    Ended::GivenUp(job) => return self.tell(&job.id).await,
                    // Another worker was quicker: look again.
                    Ended::Refused(_) | Ended::Nothing => found.attempt,
                },
            };
        }
        Ok(Fate::Again(PAUSE))
    }

    /// Writes down that the worker was lost that had this job.
    async fn lost(&self, job: &Job) -> Result<Ended, CallError> {
        let now = self.workshop.clock.now();
        // A task whose launch nobody noted has no name.
        let worker = job.pooled_worker().unwrap_or_default();
        warn!(job.id = %job.id, worker, attempt = job.attempt, "the worker that had the job was lost");
        let verdict = Verdict::from(Kind::WorkerLost);
        let ended = verdict.of_attempt(job.attempt, job, worker, now);
        // Not if it has renewed its lease since: then it lives, and the look comes to that.
        let over = Over::Lost { fence: job.fence, now };
        finish(&self.workshop.ledger, job, &verdict, &ended, over, now).await
    }

    /// This worker has returned the job to the ledger, which says why: decides what follows, as λ stops does for a task.
    ///
    /// Dying before the end is written leaves the job waiting at this attempt: whoever receives the message tries the
    /// same attempt again. Dying before the next attempt's message is sent leaves it waiting at the next attempt, and
    /// whoever receives this message goes on with that, at once.
    async fn returned(&self, job: &Job) -> Result<Fate, CallError> {
        let code = job.reason.as_ref().map(|reason| reason.code.as_str()).unwrap_or_default();
        let kind = Kind::of_return(code);
        if kind == Kind::Terminated {
            // It is this worker that has to stop, and no attempt of the job's.
            return Ok(Fate::Again(Duration::ZERO));
        }
        let now = self.workshop.clock.now();
        let verdict = Verdict::from(kind);
        let ended = verdict.of_attempt(job.attempt, job, &self.name, now);
        // Not if a second message of this job made it another's meanwhile.
        let over = Over::Left { fence: job.fence };
        match finish(&self.workshop.ledger, job, &verdict, &ended, over, now).await? {
            Ended::Retry { job, after } => self.hand_on(&job, after).await,
            Ended::GivenUp(job) => self.tell(&job.id).await,
            Ended::Refused(_) | Ended::Nothing => Ok(Fate::Left),
        }
    }

    /// Whether a job is not for pooled workers, or not any more.
    fn is_elsewhere(&self, job: &Job) -> bool {
        matches!(self.place(job), Place::Task(_))
    }

    fn place(&self, job: &Job) -> Place {
        place(job, self.pooled, self.workshop.revision.as_deref())
    }

    /// Sends the message of the job's present attempt to where it is to be worked on.
    async fn hand_on(&self, job: &Job, after: Duration) -> Result<Fate, CallError> {
        let next = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        let (queue, to) = match self.place(job) {
            Place::Pool => (&self.jobs, "the pooled workers"),
            Place::Task(_) => (&self.uploads, "a task of its own"),
        };
        queue.send(&next, after).await?;
        info!(job.id = %job.id, attempt = job.attempt, after_s = after.as_secs(), to, "the next attempt is due");
        Ok(Fate::Settled(0))
    }

    /// Another worker holds the job, and may be lost: the message is needed until the job has settled.
    async fn wait_for(&self, delivery: &Delivery, job: &Job, time: Duration) -> Result<Fate, CallError> {
        if delivery.receives < MANY_RECEIVES {
            return Ok(Fate::Again(time));
        }
        let fresh = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        self.jobs.send(&fresh, time).await.map(|()| Fate::Settled(0))
    }

    /// Has λ stops tell people that the job has failed; it tells once.
    async fn tell(&self, job: &JobId) -> Result<Fate, CallError> {
        self.stops.send(&SettledMessage::new(job.clone()).to_body(), Duration::ZERO).await?;
        Ok(Fate::Settled(0))
    }

    async fn bury(
        &self,
        delivery: &Delivery,
        code: &str,
        words: impl Into<String>,
    ) -> Result<Fate, CallError> {
        let reason = Reason::new(code, words);
        warn!(
            message.id = delivery.id,
            reason = reason.code,
            detail = reason.message,
            "moved to the dead letters"
        );
        self.dead_letters.bury(&delivery.body, &reason).await.map(|()| Fate::Settled(0))
    }
}
