//! λ stops: a stopped task gives its slot back and becomes a verdict, and the verdict an action: the job is done,
//! tried again, or given up; whoever asked for mail gets one at once when a job has failed. What succeeded is in the
//! sweep's digest.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use tidemill_core::{
    adapter::{
        self, CallError, SdkConfig,
        batch::each_message,
        fleet::Fleet,
        ledger::{Changed, Ended, Ledger, Over},
        mail::Post,
        queue::Queue,
        scaling,
        tasks::{LaunchedFor, launched_for},
    },
    clock::Clock,
    events::TaskStateChange,
    job::{Attempt, Job, JobId, Reason, State},
    logging, mail,
    message::{self, JobMessage, Message, SettledMessage},
    notify::NotifyOn,
    settings::{Settings, SettingsError},
    verdict::{self, JobFacts, Kind},
};

/// What λ stops is made of. Built once in a cold start.
#[derive(Debug)]
pub struct Stops {
    ledger: Ledger,
    fleet: Fleet,
    maximum_tasks: u32,
    uploads: Queue,
    dead_letters: Queue,
    post: Post,
    notify_on: NotifyOn,
    clock: Clock,
}

/// How long one stop has to tell of a settled job before another may. The template lets the function run for 30 s,
/// and a message comes again after 180 s: whoever died at it is past, and the message that comes again finds it so.
const TELLING: Duration = Duration::from_secs(60);

/// The note in the fleet table that people were told of a task.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    told_at: jiff::Timestamp,
}

/// What became of one message. Each deletes it from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The job has settled; if it failed, its mail is sent, if one is wanted.
    Settled {
        /// This job.
        job: JobId,
        /// So.
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
        what: LaunchedFor,
        /// Why it ended.
        verdict: &'static str,
    },
    /// Not the stop of a task of ours.
    Foreign,
    /// Not something this queue carries: moved to the dead-letter queue with the reason.
    Buried(Reason),
}

impl Stops {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(config: &SdkConfig, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        Ok(Self {
            ledger: Ledger::new(config, settings.require("LEDGER_TABLE")?),
            fleet: Fleet::new(config, settings.require("FLEET_TABLE")?),
            maximum_tasks: scaling::maximum(settings)?,
            uploads: Queue::new(config, settings.require("UPLOADS_QUEUE_URL")?),
            dead_letters: Queue::new(config, settings.require("DEAD_LETTER_QUEUE_URL")?),
            post: Post::new(config, settings.require("MAIL_TOPIC")?),
            notify_on: settings.parse("NOTIFY_ON", NotifyOn::EXPECTED)?,
            clock,
        })
    }

    /// Processes a batch; each message fails alone. A message is deleted when its [`Outcome`] is durable, and
    /// goes back to the queue when the ledger, a queue or SNS did not answer. One that comes twice finds the
    /// attempt raised or the mail noted; of two that come at once, one tells and the other comes again. At least one
    /// mail per failed job, one unless this dies between SNS's answer and the note of it.
    pub async fn handle(&self, event: &SqsEvent) -> SqsBatchResponse {
        each_message(event, |body| self.process(body)).await.0
    }

    /// Processes one message.
    ///
    /// # Errors
    /// [`CallError`]: the message is to come again.
    pub async fn process(&self, body: &str) -> Result<Outcome, CallError> {
        match message::read(body) {
            Message::Task(change) => self.stopped(&change).await,
            Message::Settled(settled) => self.failed_elsewhere(body, &settled).await,
            Message::Created(_) | Message::Job(_) | Message::Object(_) | Message::Foreign => {
                Ok(Outcome::Foreign)
            }
            Message::Malformed { reason } => self.bury(body, Reason::new("malformed", reason)).await,
        }
    }

    async fn stopped(&self, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let started_by = change.started_by.as_deref();
        let Some(what) = launched_for(started_by, |name| change.variable(name)) else {
            return Ok(Outcome::Foreign);
        };
        if change.is_stopped() {
            self.give_back(&what, change).await?;
        }
        let LaunchedFor::Job { job: id, attempt: number } = what else {
            return self.ended(what, change).await;
        };
        // The job was recorded before its task was launched: a job that is not there is another system's.
        let Some(job) = self.ledger.read(&id).await? else { return Ok(Outcome::Foreign) };
        let facts = JobFacts::of(&job);
        let verdict = verdict::verdict(change, &facts);
        let now = self.clock.now();
        let ended = verdict.of_attempt(number, &job, &change.task_arn, now);
        match verdict.kind {
            // A Spot warning comes two minutes before the stop, as a change of what is desired.
            Kind::NotStopped | Kind::NotOurs => return Ok(Outcome::Foreign),
            Kind::Duplicate => return self.repeat(job, change).await,
            _ if job.state.is_settled() => return self.settle(job, Some(&ended)).await,
            _ if job.attempt != number => return self.repeat(job, change).await,
            _ => {}
        }
        match self.ledger.end(&job, &verdict, &ended, Over::Stopped, now).await? {
            Ended::Retry { job, after } => self.relaunch(&job, after).await,
            Ended::GivenUp(job) => self.settle(*job, None).await,
            // Ours all the same, if the SDK repeated a write whose answer was lost. Whoever else settled it meanwhile has
            // a stop of his own that tells of it.
            Ended::Refused(Some(job)) => self.repeat(*job, change).await,
            Ended::Refused(None) | Ended::Nothing => Ok(Outcome::Duplicate { job: id }),
        }
    }

    /// Frees the slot of a task that is no more. A repeat finds the slot's next generation, and changes nothing.
    async fn give_back(&self, what: &LaunchedFor, change: &TaskStateChange) -> Result<(), CallError> {
        match what {
            LaunchedFor::Drain { slot, generation } => {
                self.fleet.free(*slot, *generation).await?;
            }
            LaunchedFor::Job { job, attempt } => {
                // Two launches of one attempt may each have reserved a slot for the one task.
                let task = Some(change.task_arn.as_str());
                for slot in self.fleet.slots(self.maximum_tasks).await? {
                    if slot.is_of(job, *attempt) && (slot.task.is_none() || slot.task.as_deref() == task) {
                        self.fleet.free(slot.number, slot.generation).await?;
                    }
                }
            }
            LaunchedFor::Sweep(_) | LaunchedFor::Command(_) => {}
        }
        Ok(())
    }

    /// A task that was launched for no job has ended. Of a sweep or command that did not succeed, people are told once:
    /// a second event finds it told, or that another is at it and may die, and then comes again to see.
    async fn ended(&self, what: LaunchedFor, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let (kind, name) = match &what {
            LaunchedFor::Sweep(which) => (verdict::of_task(change), Some(format!("the sweep {which}"))),
            LaunchedFor::Command(schedule) => {
                (verdict::of_command(change), Some(format!("the command {schedule}")))
            }
            LaunchedFor::Drain { .. } | LaunchedFor::Job { .. } => (verdict::of_task(change), None),
        };
        let outcome = Outcome::Ended { what, verdict: kind.code() };
        let Some(name) = name else { return Ok(outcome) };
        if kind == Kind::Succeeded || !change.is_stopped() || !self.notify_on.of_failures() {
            return Ok(outcome);
        }
        let (task, now) = (&change.task_arn, self.clock.now());
        let note = format!("told:{task}");
        if self.fleet.kept::<Told>(&note).await?.is_some() {
            return Ok(outcome);
        }
        let holder = format!("{:032x}", fastrand::u128(..));
        if !self.fleet.lease(&note, &holder, now, now + TELLING).await? {
            return Err(CallError::exhausted(format!("tell of {name}"), "another stop is at it"));
        }
        let reason = Reason::new(kind.code(), kind.words());
        self.post.send(&mail::run_failed(&name, &reason, task, now)).await?;
        self.fleet.keep(&note, &Told { told_at: self.clock.now() }).await?;
        Ok(outcome)
    }

    /// A pooled worker gave a job up, and leaves the telling to this function.
    async fn failed_elsewhere(&self, body: &str, settled: &SettledMessage) -> Result<Outcome, CallError> {
        match self.ledger.read(&settled.settled).await? {
            Some(job) if job.state.is_settled() => self.settle(job, None).await,
            Some(job) => Ok(Outcome::Duplicate { job: job.id }),
            None => self.bury(body, Reason::new("unknown_job", "the ledger has no such job")).await,
        }
    }

    /// A stop that the ledger already knows, or that is not of the job's present task. If it was this one that
    /// raised the attempt or settled the job, and this function died on the next line, that line is made up for:
    /// at worst a message or mail goes out once more.
    async fn repeat(&self, job: Job, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let ours = job.history.last().is_some_and(|ended| ended.task == change.task_arn);
        if ours && job.state.is_settled() {
            return self.settle(job, None).await;
        }
        if ours && job.state == State::Waiting && job.task.is_none() {
            return self.relaunch(&job, Duration::ZERO).await;
        }
        Ok(Outcome::Duplicate { job: job.id })
    }

    async fn relaunch(&self, job: &Job, after: Duration) -> Result<Outcome, CallError> {
        self.uploads.send(&JobMessage::new(job.id.clone(), job.attempt, 0).to_body(), after).await?;
        Ok(Outcome::Retried { job: job.id.clone(), attempt: job.attempt, after })
    }

    /// Tells of a failed job, once: it enters the dead-letter queue, and the mail goes out. `ended` is the attempt
    /// that settled it, where the ledger does not have it yet. Of a job that settled otherwise, the digest tells.
    async fn settle(&self, mut job: Job, ended: Option<&Attempt>) -> Result<Outcome, CallError> {
        if job.state != State::Failed {
            return Ok(Outcome::Settled { job: job.id, state: job.state });
        }
        if job.notified_at.is_some() {
            return Ok(Outcome::Duplicate { job: job.id });
        }
        let now = self.clock.now();
        match self.ledger.tell(&job.id, now, now + TELLING).await? {
            Changed::Yes(_) => {}
            Changed::No(Some(told)) if told.notified_at.is_some() => {
                return Ok(Outcome::Duplicate { job: job.id });
            }
            // Another stop of it is telling, and may die at it: come again and see.
            Changed::No(_) => {
                return Err(CallError::exhausted(format!("tell of job {}", job.id), "another stop is at it"));
            }
        }
        job.history.extend(ended.cloned());
        let reason = job.reason.clone().unwrap_or_else(|| Reason::new("unknown", "no reason was recorded"));
        let entry = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        self.dead_letters.bury(&entry, &reason).await?;
        if self.notify_on.of_failures() {
            self.post.send(&mail::settled(&job)).await?;
        }
        self.ledger.notified(&job.id, ended, self.clock.now()).await?;
        Ok(Outcome::Settled { job: job.id, state: job.state })
    }

    async fn bury(&self, body: &str, reason: Reason) -> Result<Outcome, CallError> {
        self.dead_letters.bury(body, &reason).await?;
        Ok(Outcome::Buried(reason))
    }
}

/// Runs the function until Lambda ends it. A wrong deployment is told to Lambda as an init error.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    logging::json();
    let stops = Stops::new(&adapter::sdk_config().await, &Settings::of_process(), Clock::system())?;
    let stops = &stops;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, std::convert::Infallible>(stops.handle(&event.payload).await)
    }))
    .await
}
