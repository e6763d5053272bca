//! A task has stopped: its slot is free again, the breaker learns whether tasks start, and the stop becomes a verdict and
//! the verdict an action: the job is done, retried, or failed. A failure is mailed ([`Notifier`]); what succeeded is in
//! the sweep's digest.
//!
//! ```text
//! task stopped ─▶ free its slot ─▶ breaker ─▶ verdict ─┬─▶ retry: the next attempt's message, after a wait
//!                                                      ├─▶ failed: dead letter and mail, once
//!                                                      └─▶ done, superseded …: nothing
//! ```

use std::time::Duration;

use aws::{
    CallError, Clients,
    fleet::Fleet,
    ledger::{Ledger, Over},
    queue::Queue,
    tasks::{TaskPurpose, task_purpose},
};
use clock::Clock;
use domain::{
    breaker::{self, Breaker},
    cost::task_cost,
    events::TaskStateChange,
    job::{Attempt, Job, JobId, Reason, State},
    message::{self, FailureMessage, JobMessage, Message, Unusable},
    schedule_runs::{ScheduleRun, ScheduleRuns},
    settings::{Settings, SettingsError, variables},
    verdict::{self, JobFacts, Kind},
};
use telemetry::metrics::{self, Metric};

use super::{Ended, finish};
use crate::{
    batch::{self, QueueMessage},
    item_failures::ItemFailures,
    launch::breaker as launch_breaker,
    notify::{Notified, Notifier, schedule_of},
};

/// What finishing an attempt needs. Built once in a cold start.
#[derive(Debug)]
pub struct FinishAttempt {
    ledger: Ledger,
    fleet: Fleet,
    notifier: Notifier,
    maximum_tasks: u32,
    uploads: Queue,
    dead_letters: Queue,
    clock: Clock,
}

/// What became of one message. Each deletes it from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The job has settled; if it failed, its mail is sent or it is counted for a grouped one, unless mails are off.
    Settled {
        /// This job.
        job: JobId,
        /// In this state.
        state: State,
    },
    /// The job's next attempt is due after this wait.
    Retried {
        /// This job.
        job: JobId,
        /// This attempt.
        attempt: u32,
        /// After this wait.
        after: Duration,
    },
    /// This stop was dealt with before, or is of a task that is not the job's present one.
    Duplicate {
        /// This job.
        job: JobId,
    },
    /// A pooled worker, a sweep or a schedule's command has ended.
    Ended {
        /// What it was.
        what: TaskPurpose,
        /// Why it ended.
        verdict: &'static str,
    },
    /// Not the stop of a task of ours.
    Foreign,
    /// Not something this queue carries: moved to the dead-letter queue with the reason.
    DeadLettered(Reason),
}

impl FinishAttempt {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        Ok(Self {
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            notifier: Notifier::new(clients, settings, clock)?,
            maximum_tasks: settings.get(variables::MAXIMUM_TASKS)?,
            uploads: Queue::new(clients, &settings.get(variables::UPLOADS_QUEUE_URL)?),
            dead_letters: Queue::new(clients, &settings.get(variables::DEAD_LETTER_QUEUE_URL)?),
            clock,
        })
    }

    /// Makes the first connection; see [`Fleet::warm`].
    pub async fn warm(&self) {
        self.fleet.warm().await;
    }

    /// Processes a batch, and returns the ids of the messages that failed; each message fails alone.
    ///
    /// A message may be deleted when its [`Outcome`] is durable, and goes back to the queue when the ledger, a queue or SNS
    /// did not answer. A repeated message finds the next attempt or the mail recorded; of two at once, one sends the mail
    /// and the other comes again. Each failed job is mailed at least once, and once unless the function dies between SNS's
    /// answer and the record of it.
    pub async fn process_batch<'m>(
        &self,
        messages: impl IntoIterator<Item = QueueMessage<'m>>,
    ) -> Vec<String> {
        batch::each_message(messages, |body| self.process(body)).await.0
    }

    /// Processes one message.
    ///
    /// # Errors
    /// [`CallError`]: the message must come again.
    pub async fn process(&self, body: &str) -> Result<Outcome, CallError> {
        match message::read(body) {
            Message::Task(change) => self.stopped(&change).await,
            Message::Failed(failed) => self.failed_elsewhere(body, &failed).await,
            Message::S3(_)
            | Message::S3Test { .. }
            | Message::Job(_)
            | Message::Object(_)
            | Message::Foreign => Ok(Outcome::Foreign),
            Message::Malformed { reason } => {
                self.dead_letter(body, Reason::new(Unusable::Malformed, reason)).await
            }
        }
    }

    async fn stopped(&self, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let started_by = change.started_by.as_deref();
        let Some(what) = task_purpose(started_by, |name| change.variable(name)) else {
            return Ok(Outcome::Foreign);
        };
        let breaker = if change.is_stopped() {
            if let Some(cost) = task_cost(change) {
                metrics::put(Metric::CostMicroDollars, cost.microdollars());
            }
            self.give_back(&what, change).await?;
            self.signal(&what, change).await?
        } else {
            None
        };
        let TaskPurpose::Job { job: id, attempt: number } = what else {
            return self.run_ended(what, change).await;
        };
        // The job was recorded before its task was launched: a job that is not there is another system's.
        let Some(job) = self.ledger.read(&id).await? else { return Ok(Outcome::Foreign) };
        let facts = JobFacts::of(&job);
        let verdict = verdict::verdict(change, &facts);
        let now = self.clock.now();
        let mut ended = verdict.of_attempt(number, &job, &change.task_arn, now);
        // A wrong configuration must not use up its attempts.
        ended.paused = breaker.is_some_and(|breaker| breaker.is_open()) && !verdict.counts_against_object();
        match verdict.kind {
            // A Spot warning comes two minutes before the stop, as a change of what is desired.
            Kind::NotStopped | Kind::NotOurs => return Ok(Outcome::Foreign),
            Kind::Duplicate => return self.repeat(job, change).await,
            _ if job.state().is_settled() => return self.settle(job, Some(&ended)).await,
            _ if job.attempt != number => return self.repeat(job, change).await,
            _ => {}
        }
        match finish(&self.ledger, &job, &verdict, &ended, Over::Stopped, now).await? {
            Ended::Retry { job, after } => self.relaunch(&job, after).await,
            Ended::GivenUp(job) => self.settle(*job, None).await,
            // It may be our own write, if the SDK repeated it after its answer was lost. If another stop settled the job
            // meanwhile, that stop sends the mail.
            Ended::Refused(Some(job)) => self.repeat(*job, change).await,
            Ended::Refused(None) | Ended::Nothing => Ok(Outcome::Duplicate { job: id }),
        }
    }

    /// A task that was launched for no job has ended. The run of a schedule is recorded, and a sweep or command that did not
    /// succeed is mailed, once.
    async fn run_ended(&self, what: TaskPurpose, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let verdict = match &what {
            TaskPurpose::Command(_) => verdict::of_command(change),
            _ => verdict::of_task(change),
        };
        if let Some(schedule) = schedule_of(&what).filter(|_| change.is_stopped()) {
            let run = ScheduleRun {
                task: change.task_arn.clone(),
                started_at: change.started_at,
                ended_at: change.stopped_at.unwrap_or_else(|| self.clock.now()),
                verdict: Reason::new(verdict.kind, verdict.words()),
            };
            let record = |runs: &mut ScheduleRuns| runs.record(schedule, run.clone());
            self.fleet.update_document("record the run of a schedule", record).await?;
        }
        if verdict.kind != Kind::Succeeded && change.is_stopped() {
            self.notifier.run_failed(&what, change, &verdict).await?;
        }
        Ok(Outcome::Ended { what, verdict: verdict.code() })
    }

    /// A pooled worker gave a job up, and leaves the mail to this function.
    async fn failed_elsewhere(&self, body: &str, failed: &FailureMessage) -> Result<Outcome, CallError> {
        match self.ledger.read(&failed.failed).await? {
            Some(job) if job.state().is_settled() => self.settle(job, None).await,
            Some(job) => Ok(Outcome::Duplicate { job: job.id }),
            None => {
                self.dead_letter(body, Reason::new(Unusable::UnknownJob, Unusable::UnknownJob.sentence()))
                    .await
            }
        }
    }

    /// The job has settled. One that failed is mailed, once; `ended` is the attempt that settled it, if the ledger does
    /// not have it yet.
    async fn settle(&self, job: Job, ended: Option<&Attempt>) -> Result<Outcome, CallError> {
        let (id, state) = (job.id.clone(), job.state());
        if state == State::Failed && self.notifier.job_failed(job, ended).await? == Notified::Before {
            return Ok(Outcome::Duplicate { job: id });
        }
        Ok(Outcome::Settled { job: id, state })
    }

    /// Frees the slot of a task that is no more. A repeat finds the slot's next generation, and changes nothing.
    async fn give_back(&self, what: &TaskPurpose, change: &TaskStateChange) -> Result<(), CallError> {
        match what {
            TaskPurpose::Drain { slot, generation } => {
                self.fleet.free(*slot, *generation).await?;
            }
            TaskPurpose::Job { job, attempt } => {
                // Two launches of one attempt may each have reserved a slot for the one task.
                let task = Some(change.task_arn.as_str());
                let mut failures = ItemFailures::default();
                for slot in self.fleet.slots(self.maximum_tasks).await? {
                    if slot.is_of(job, *attempt) && (slot.task.is_none() || slot.task.as_deref() == task) {
                        let freed = self.fleet.free(slot.number, slot.generation).await;
                        failures.record(format!("slot {}", slot.number), freed);
                    }
                }
                failures
                    .finish()
                    .map_err(|failed| CallError::retries_exhausted("free the task's slots", failed))?;
            }
            TaskPurpose::Sweep(_) | TaskPurpose::Command(_) => {}
        }
        Ok(())
    }

    /// Records what this stop says about launches, and returns the breaker as it stands then; none if it says nothing.
    async fn signal(
        &self,
        what: &TaskPurpose,
        change: &TaskStateChange,
    ) -> Result<Option<Breaker>, CallError> {
        match what {
            TaskPurpose::Drain { .. } | TaskPurpose::Job { .. } => {}
            // The sweep has a definition of its own, and a command its own exit codes.
            TaskPurpose::Sweep(_) | TaskPurpose::Command(_) => return Ok(None),
        }
        let Some(signal) = breaker::signal_of(change, verdict::of_task(change).kind) else { return Ok(None) };
        launch_breaker::record(&self.fleet, &signal, self.clock.now()).await.map(Some)
    }

    /// A stop that the ledger has already, or that is not of the job's present task. If this stop raised the attempt or
    /// settled the job, and the function died on the next line, that line is repeated: at worst a message or mail goes out
    /// twice.
    async fn repeat(&self, job: Job, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let ours = job.history.last().is_some_and(|ended| ended.task == change.task_arn);
        if ours && job.state().is_settled() {
            return self.settle(job, None).await;
        }
        if ours && job.state() == State::Waiting && job.task.is_none() {
            return self.relaunch(&job, Duration::ZERO).await;
        }
        Ok(Outcome::Duplicate { job: job.id })
    }

    async fn relaunch(&self, job: &Job, after: Duration) -> Result<Outcome, CallError> {
        self.uploads.send(&JobMessage::new(job.id.clone(), job.attempt, 0).to_body(), after).await?;
        Ok(Outcome::Retried { job: job.id.clone(), attempt: job.attempt, after })
    }

    async fn dead_letter(&self, body: &str, reason: Reason) -> Result<Outcome, CallError> {
        self.dead_letters.dead_letter(body, &reason).await?;
        Ok(Outcome::DeadLettered(reason))
    }
}
