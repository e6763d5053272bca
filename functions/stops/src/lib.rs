//! λ stops: a stopped task becomes a verdict, and the verdict an action: the job is done, tried again, or given
//! up; whoever asked for mail gets one when it settles.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{LambdaEvent, service_fn};
use tidemill_core::{
    adapter::{
        self, CallError, SdkConfig,
        batch::each_message,
        ledger::{Changed, Ledger},
        mail::Post,
        queue::Queue,
        tasks::launched_for,
    },
    clock::Clock,
    events::{self, Classified, TaskStateChange},
    job::{Attempt, Job, JobId, Reason, Relaunch, State},
    logging, mail,
    settings::{Settings, SettingsError},
    verdict::{self, JobFacts, Kind, NextStep, Verdict},
};

/// What λ stops is made of. Built once in a cold start.
#[derive(Debug)]
pub struct Stops {
    ledger: Ledger,
    uploads: Queue,
    dead_letters: Queue,
    post: Post,
    notify_on: NotifyOn,
    clock: Clock,
}

/// Which settled jobs people get a mail of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyOn {
    /// Every one.
    All,
    /// Only the failed.
    Failures,
    /// None.
    None,
}

impl std::str::FromStr for NotifyOn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "all" => Ok(Self::All),
            "failures" => Ok(Self::Failures),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

impl NotifyOn {
    fn wants(self, state: State) -> bool {
        match self {
            Self::All => state.is_settled(),
            Self::Failures => state == State::Failed,
            Self::None => false,
        }
    }
}

/// How long one stop has to tell of a settled job before another may. The template lets the function run for 30 s,
/// and a message comes again after 180 s: whoever died at it is past, and the message that comes again finds it so.
const TELLING: Duration = Duration::from_secs(60);

/// What became of one message. Each deletes it from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The job has settled; its mail is sent, if one is wanted.
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
    /// Not the stop of a task that was launched for a job.
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
            uploads: Queue::new(config, settings.require("UPLOADS_QUEUE_URL")?),
            dead_letters: Queue::new(config, settings.require("DEAD_LETTER_QUEUE_URL")?),
            post: Post::new(config, settings.require("MAIL_TOPIC")?),
            notify_on: settings.parse("NOTIFY_ON", "it must be all, failures or none")?,
            clock,
        })
    }

    /// Processes a batch; each message fails alone. A message is deleted when its [`Outcome`] is durable, and
    /// goes back to the queue when the ledger, a queue or SNS did not answer. One that comes twice finds the
    /// attempt raised or the mail noted; of two that come at once, one tells and the other comes again. At least one
    /// mail per settled job, one unless this dies between SNS's answer and the note of it.
    pub async fn handle(&self, event: &SqsEvent) -> SqsBatchResponse {
        each_message(event, |body| self.process(body)).await
    }

    /// Processes one message.
    ///
    /// # Errors
    /// [`CallError`]: the message is to come again.
    pub async fn process(&self, body: &str) -> Result<Outcome, CallError> {
        match events::classify(body) {
            Classified::TaskStateChange(change) => self.stopped(&change).await,
            Classified::S3Created(_) | Classified::Foreign { .. } => Ok(Outcome::Foreign),
            Classified::Malformed { reason } => {
                let reason = Reason::new("malformed", reason);
                self.dead_letters.bury(body, &reason).await?;
                Ok(Outcome::Buried(reason))
            }
        }
    }

    async fn stopped(&self, change: &TaskStateChange) -> Result<Outcome, CallError> {
        let started_by = change.started_by.as_deref();
        let Some((id, number)) = launched_for(started_by, |name| change.variable(name)) else {
            return Ok(Outcome::Foreign);
        };
        // The job was recorded before its task was launched: a job that is not there is another system's.
        let Some(job) = self.ledger.read(&id).await? else { return Ok(Outcome::Foreign) };
        let facts = JobFacts::of(&job);
        let verdict = verdict::verdict(change, &facts);
        let ended = Attempt {
            number,
            task: change.task_arn.clone(),
            verdict: said(&job, &verdict),
            stopped_at: self.clock.now(),
        };
        match verdict.kind {
            // A Spot warning comes two minutes before the stop, as a change of what is desired.
            Kind::NotStopped | Kind::NotOurs => return Ok(Outcome::Foreign),
            Kind::Duplicate => return self.repeat(job, change).await,
            _ if job.state.is_settled() => return self.settle(job, Some(&ended)).await,
            _ if job.attempt != number => return self.repeat(job, change).await,
            _ => {}
        }
        let charge = u32::from(verdict.charged());
        match verdict::next_step(&verdict, &facts, fastrand::f64()) {
            NextStep::Retry { after, .. } => match self.ledger.retry(&id, &ended, charge).await? {
                Changed::Yes(job) => self.relaunch(&job, after).await,
                // Also where the SDK repeated our own write, whose answer was lost.
                Changed::No(Some(job)) => self.repeat(*job, change).await,
                Changed::No(None) => Ok(Outcome::Duplicate { job: id }),
            },
            NextStep::GiveUp => match self.ledger.give_up(&id, &ended, charge, self.clock.now()).await? {
                Changed::Yes(job) => self.settle(*job, None).await,
                // Ours all the same, if the SDK repeated a write whose answer was lost. Whoever else settled it
                // meanwhile has a stop of his own that tells of it.
                Changed::No(Some(job)) => self.repeat(*job, change).await,
                Changed::No(None) => Ok(Outcome::Duplicate { job: id }),
            },
            NextStep::Nothing => Ok(Outcome::Duplicate { job: id }),
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
        self.uploads.send(&Relaunch::new(job.id.clone(), job.attempt, 0).to_message(), after).await?;
        Ok(Outcome::Retried { job: job.id.clone(), attempt: job.attempt, after })
    }

    /// Tells of a settled job, once: a failed one enters the dead-letter queue, and the mail goes out. `ended` is
    /// the attempt that settled it, where the ledger does not have it yet.
    async fn settle(&self, mut job: Job, ended: Option<&Attempt>) -> Result<Outcome, CallError> {
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
        if job.state == State::Failed {
            let reason =
                job.reason.clone().unwrap_or_else(|| Reason::new("unknown", "no reason was recorded"));
            let entry = Relaunch::new(job.id.clone(), job.attempt, 0).to_message();
            self.dead_letters.bury(&entry, &reason).await?;
        }
        if self.notify_on.wants(job.state) {
            self.post.send(&mail::settled(&job)).await?;
        }
        self.ledger.notified(&job.id, ended, self.clock.now()).await?;
        Ok(Outcome::Settled { job: job.id, state: job.state })
    }
}

/// The verdict as the ledger keeps it. What the worker said of its own failure is nearer to the cause.
fn said(job: &Job, verdict: &Verdict) -> Reason {
    match &job.reason {
        Some(worker) if verdict.is_the_workers_word() => Reason::new(verdict.code(), worker.message.clone()),
        _ => Reason::new(verdict.code(), verdict.words()),
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
