//! Ingesting objects: an *Object Created* event becomes a job in the ledger, and the job is routed: a message for the
//! pooled workers, or a task of its own. An *Object Deleted* event makes the key's records invisible, where the pipeline
//! says so, or records the job that removes its items from a table of the user's own.
//!
//! ```text
//! message ─▶ object, from the event or the bucket ─▶ pipeline ─▶ job in the ledger ─▶ route ─┬─▶ jobs queue
//!   └ an attempt that is due ─────────────────────────────────────────────────────────┘      └─▶ task of its own
//! ```
//! The uploads queue also carries attempts that are due again ([`JobMessage`]), from λ stops, the workers, the sweep
//! and λ uploads itself, and objects that somebody asks for ([`ObjectMessage`]).

mod deleted;
mod resolve;

use std::time::Duration;

use aws::{
    CallError, Clients,
    fleet::Fleet,
    ledger::{Ledger, Recorded},
    objects::Objects,
    queue::Queue,
    records::Records,
};
use clock::Clock;
use domain::{
    deletion::Unaffected,
    events::{S3Change, S3Changes, S3Created},
    fargate::Size,
    job::{Job, JobId, JobState, Reason},
    message::{self, JobMessage, Message, ObjectMessage, Unusable},
    object::Object,
    pipelines::Pipelines,
    routing::{Route, route},
    settings::{Settings, variables},
    watched::Watched,
};
use futures::future::join_all;
use jiff::Timestamp;
use telemetry::metrics::{self, Metric};
use tracing::{error, info};

use crate::{
    batch::{self, QueueMessage},
    item_failures::ItemFailures,
    launch::{Dedicated, DedicatedTasks},
    pipelines_file::{self, StartError},
    scale::{Scaling, Trigger},
};

/// What ingesting needs. Built once in a cold start.
#[derive(Debug)]
pub struct Ingest {
    ledger: Ledger,
    records: Records,
    objects: Objects,
    fleet: Fleet,
    dedicated: DedicatedTasks,
    scaling: Scaling,
    jobs: Queue,
    dead_letters: Queue,
    pipelines: Pipelines,
    watched: Watched,
    pooled: Size,
    clock: Clock,
}

/// What became of one message. Each deletes it from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A task is on its way.
    Launched {
        /// For this job.
        job: JobId,
        /// This task.
        task: String,
    },
    /// Pooled workers have it in their queue.
    Queued {
        /// This job.
        job: JobId,
    },
    /// Fargate has no capacity for its task now, or launches are paused: a delayed message tries again.
    Deferred {
        /// This job.
        job: JobId,
    },
    /// The ledger has the job already, and nothing is left to do for it.
    Duplicate {
        /// This job.
        job: JobId,
    },
    /// No pipeline takes this object.
    NoPipeline,
    /// Not an event of objects that are watched.
    Foreign,
    /// Not something this queue carries: moved to the dead-letter queue with the reason.
    DeadLettered(Reason),
    /// The object was deleted, and no record of its key is visible any more.
    Removed {
        /// The job whose records were visible.
        job: Option<JobId>,
    },
    /// The deletion of an object changes nothing.
    Unaffected(Unaffected),
    /// A classic notification named several objects.
    Several(Vec<Outcome>),
}

impl Outcome {
    /// How many jobs it gave to the pooled workers.
    fn queued(&self) -> u64 {
        match self {
            Self::Queued { .. } => 1,
            Self::Several(all) => all.iter().map(Self::queued).sum(),
            _ => 0,
        }
    }
}

impl Ingest {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`StartError`] naming what is wrong with the deployment.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let pipelines = pipelines_file::routes(settings)?;
        Ok(Self {
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            records: Records::new(clients, &settings.get(variables::RECORDS_TABLE)?),
            objects: Objects::new(clients),
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            dedicated: DedicatedTasks::new(clients, settings, clock)?,
            scaling: Scaling::new(clients, settings)?,
            jobs: Queue::new(clients, &settings.get(variables::JOBS_QUEUE_URL)?),
            dead_letters: Queue::new(clients, &settings.get(variables::DEAD_LETTER_QUEUE_URL)?),
            pipelines,
            watched: settings.watched()?,
            pooled: settings.fleet_size()?,
            clock,
        })
    }

    /// Makes the first connection; see [`Fleet::warm`].
    pub async fn warm(&self) {
        self.fleet.warm().await;
    }

    /// Processes a batch, and returns the ids of the messages that failed; each message fails alone.
    ///
    /// A message may be deleted when its [`Outcome`] is durable: the job is in the ledger, and its task exists or another
    /// message will bring it to one. On a [`CallError`] it goes back to the queue, and after the queue's `maxReceiveCount`
    /// to the dead-letter queue. A repeated message finds its job in the ledger, RunTask answers a repeated client token
    /// with the task that exists, and a second message for pooled workers finds the job claimed.
    ///
    /// If jobs were queued and there is no pooled worker, the first is launched at once.
    pub async fn process_batch<'m>(
        &self,
        messages: impl IntoIterator<Item = QueueMessage<'m>>,
    ) -> Vec<String> {
        let (failed, outcomes) = batch::each_message(messages, |body| self.process(body)).await;
        let count = outcomes.iter().map(Outcome::queued).sum();
        if count > 0
            && let Err(error) = self.scaling.run(Trigger::Queued { count }, self.clock.now()).await
        {
            // The jobs are safe in their queue, and λ scaler launches within the minute.
            error!(
                error = telemetry::causes(&error),
                "failed to launch a worker for the jobs that were queued: λ scaler launches within the minute"
            );
        }
        failed
    }

    /// Processes one message.
    ///
    /// # Errors
    /// [`CallError`]: the message must come again.
    pub async fn process(&self, body: &str) -> Result<Outcome, CallError> {
        match message::read(body) {
            Message::S3(changes) => self.changes(body, &changes).await,
            Message::S3Test { bucket } => {
                info!(bucket, "S3 announces its notifications of bucket {bucket} to this queue");
                Ok(Outcome::Foreign)
            }
            Message::Job(due) => self.due(body, &due).await,
            Message::Object(asked) => self.asked(body, &asked).await,
            Message::Task(_) | Message::Failed(_) | Message::Foreign => Ok(Outcome::Foreign),
            Message::Malformed { reason } => {
                self.dead_letter(body, Reason::new(Unusable::Malformed, reason)).await
            }
        }
    }

    /// S3 reports changes of objects. Those that can be read are processed; the message is also a dead letter, with the
    /// place of each record that cannot.
    async fn changes(&self, body: &str, changes: &S3Changes) -> Result<Outcome, CallError> {
        let S3Changes { changes, malformed } = changes;
        let all = changes.iter().map(async |change| {
            let outcome = match change {
                S3Change::Created(created) => self.created(body, created).await,
                S3Change::Deleted(deletion) => self.deleted(deletion).await,
            };
            (change, outcome)
        });
        let (mut outcomes, mut failures) = (Vec::new(), ItemFailures::default());
        for (change, outcome) in join_all(all).await {
            outcomes.extend(failures.record(change.uri(), outcome));
        }
        failures.finish().map_err(|failed| CallError::retries_exhausted("process the objects", failed))?;
        if !malformed.is_empty() {
            let reason = Reason::new(Unusable::Malformed, malformed.join("; "));
            outcomes.push(self.dead_letter(body, reason).await?);
        }
        Ok(match outcomes.len() {
            0 => Outcome::Foreign,
            1 => outcomes.remove(0),
            _ => Outcome::Several(outcomes),
        })
    }

    /// An object was created.
    async fn created(&self, body: &str, created: &S3Created) -> Result<Outcome, CallError> {
        let object = created.object();
        // The rules filter by prefix. Another sender to this queue must not make us read what we write.
        if !self.watched.takes_event(&object.bucket, &object.key) {
            return Ok(Outcome::Foreign);
        }
        if object.size_bytes.is_some() || !self.pipelines.needs_size(&object.key) {
            return self.begin(object, Some(created)).await;
        }
        match self.resolve(&object.bucket, &object.key, object.version_id.as_deref()).await? {
            Some(found) => self.begin(Object { size_bytes: found.size_bytes, ..object }, Some(created)).await,
            None => self.dead_letter(body, no_such_object(&object.uri())).await,
        }
    }

    /// Somebody asks for an object, or the sweep found one whose event was lost.
    async fn asked(&self, body: &str, asked: &ObjectMessage) -> Result<Outcome, CallError> {
        if !self.watched.holds(&asked.bucket, &asked.key) {
            let words = format!("only objects under {} are processed", self.watched);
            return self.dead_letter(body, Reason::new(Unusable::NotWatched, words)).await;
        }
        if asked.deleted {
            let marker = asked.version_id.as_deref().unwrap_or_default();
            return match self.resolve_deletion(&asked.bucket, &asked.key, marker).await? {
                Some(deletion) => self.deleted(&deletion).await,
                // The marker was taken away, or something was put since, whose own job brings order.
                None => Ok(Outcome::Unaffected(Unaffected::Present)),
            };
        }
        match self.resolve(&asked.bucket, &asked.key, asked.version_id.as_deref()).await? {
            Some(object) => self.begin(object, None).await,
            None => {
                self.dead_letter(body, no_such_object(&domain::object::uri(&asked.bucket, &asked.key))).await
            }
        }
    }

    /// Records the job of an object and routes it. `event` is the S3 event that named the object, if there was one.
    async fn begin(&self, object: Object, event: Option<&S3Created>) -> Result<Outcome, CallError> {
        let Some(pipeline) = self.pipelines.route(&object.key, object.size_bytes) else {
            return Ok(Outcome::NoPipeline);
        };
        let now = self.clock.now();
        let job = Job {
            event_at: event.and_then(|event| event.at),
            trace: event.and_then(|event| event.event_id.clone()),
            ..Job::new(object, pipeline.clone(), now)
        };
        match self.ledger.record(&job).await? {
            Recorded::New => {
                info!(job.id = %job.id, trace.id = job.trace, object = %job.object, "recorded job {} for {}", job.id, job.object);
                metrics::put(Metric::ObjectsIn, 1);
                self.route(&job, 0).await
            }
            // An earlier call recorded it, and may have died before it launched or queued. If it did queue the job, there
            // are two messages now: the worker that receives the second finds the job claimed.
            Recorded::Existing(job) if is_due(&job, 1, now) => self.route(&job, 0).await,
            Recorded::Existing(job) => {
                self.ledger.duplicate(&job.id, self.clock.now()).await?;
                Ok(Outcome::Duplicate { job: job.id })
            }
        }
    }

    /// An attempt is due.
    async fn due(&self, body: &str, due: &JobMessage) -> Result<Outcome, CallError> {
        match self.ledger.read(&due.job).await? {
            None => {
                self.dead_letter(body, Reason::new(Unusable::UnknownJob, Unusable::UnknownJob.sentence()))
                    .await
            }
            Some(job) if is_due(&job, due.attempt, self.clock.now()) => {
                self.route(&job, due.times_deferred).await
            }
            Some(job) => Ok(Outcome::Duplicate { job: job.id }),
        }
    }

    /// Sends a job to the pooled workers, or launches a task of its own for it.
    async fn route(&self, job: &Job, times_deferred: u32) -> Result<Outcome, CallError> {
        match route(job, self.pooled, Some(self.dedicated.definition())) {
            Route::Pool => self.queue(job, Duration::ZERO).await,
            Route::Dedicated(why) => match self.dedicated.launch(job, why, times_deferred).await? {
                Dedicated::Launched { task } => Ok(Outcome::Launched { job: job.id.clone(), task }),
                Dedicated::Waits => Ok(Outcome::Deferred { job: job.id.clone() }),
                Dedicated::ToPool => self.queue(job, Duration::ZERO).await,
            },
        }
    }

    async fn queue(&self, job: &Job, delay: Duration) -> Result<Outcome, CallError> {
        let message = JobMessage::new(job.id.clone(), job.attempt, 0);
        self.jobs.send(&message.to_body(), delay).await?;
        Ok(Outcome::Queued { job: job.id.clone() })
    }

    async fn dead_letter(&self, body: &str, reason: Reason) -> Result<Outcome, CallError> {
        self.dead_letters.dead_letter(body, &reason).await?;
        Ok(Outcome::DeadLettered(reason))
    }
}

fn no_such_object(uri: &str) -> Reason {
    Reason::new(Unusable::NoSuchObject, format!("{uri} is not in the bucket, or not in this version"))
}

/// Clocks differ, and SQS delays by whole seconds.
const EARLY: Duration = Duration::from_secs(5);

/// Whether this attempt waits for a task or worker that it does not have yet, and no other message brings it there
/// later.
fn is_due(job: &Job, attempt: u32, now: Timestamp) -> bool {
    let JobState::Waiting(waiting) = &job.state else { return false };
    let is_deferred = waiting.deferred_until.is_some_and(|until| until > now + EARLY);
    job.task.is_none() && job.attempt == attempt && !is_deferred
}
