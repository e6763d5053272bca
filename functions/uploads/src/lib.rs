//! λ uploads: an *Object Created* event becomes a job in the ledger and a task that works on it.
//!
//! The queue it reads also carries [`Relaunch`] messages: attempts that are due again, from λ stops, and launches
//! that had to wait, from this function.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{LambdaEvent, service_fn};
use tidemill_core::{
    adapter::{
        self, CallError, SdkConfig,
        batch::each_message,
        ledger::{Ledger, Recorded},
        queue::Queue,
        tasks::{LaunchError, Tasks},
    },
    backoff,
    clock::Clock,
    events::{self, Classified, S3Created},
    job::{Job, JobId, Reason, Relaunch, State},
    logging,
    pipelines::{Pipelines, PipelinesError},
    settings::{Settings, SettingsError},
};
use tracing::info;

/// What λ uploads is made of. Built once in a cold start.
#[derive(Debug)]
pub struct Uploads {
    ledger: Ledger,
    tasks: Tasks,
    uploads: Queue,
    dead_letters: Queue,
    pipelines: Pipelines,
    watched_prefix: String,
    clock: Clock,
}

/// Why λ uploads cannot start: its deployment is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The pipelines file is not there.
    #[error("cannot read the pipelines file {path}")]
    Unreadable {
        /// Where it should be.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The pipelines file is wrong.
    #[error(transparent)]
    Pipelines(#[from] PipelinesError),
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
    /// Fargate has no room now: a delayed message will try again.
    Deferred {
        /// This job.
        job: JobId,
    },
    /// The job was known and needs nothing.
    Duplicate {
        /// This job.
        job: JobId,
    },
    /// No pipeline takes this object.
    NoPipeline,
    /// Not an event of objects under the watched prefix.
    Foreign,
    /// Not something this queue carries: moved to the dead-letter queue with the reason.
    Buried(Reason),
}

/// Why a message goes back to its queue. After the queue's `maxReceiveCount` it ends in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The ledger or a queue did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A launch was refused for a reason that waiting does not cure: role, image, cluster.
    #[error("the task of job {job} cannot be launched until its configuration is mended")]
    Launch {
        /// The job, which stays in the ledger.
        job: JobId,
        /// What RunTask answered.
        #[source]
        source: CallError,
    },
}

/// The first wait after a launch that found no room, and the longest: SQS delays a message by 15 minutes at most.
const FIRST_DEFERRAL: Duration = Duration::from_secs(5);
const LONGEST_DEFERRAL: Duration = Duration::from_secs(900);

impl Uploads {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`StartError`] naming what is wrong with the deployment.
    pub fn new(config: &SdkConfig, settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let path = settings.require("PIPELINES_FILE")?;
        let text = std::fs::read_to_string(path)
            .map_err(|source| StartError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self {
            ledger: Ledger::new(config, settings.require("LEDGER_TABLE")?),
            tasks: Tasks::new(config, settings)?,
            uploads: Queue::new(config, settings.require("UPLOADS_QUEUE_URL")?),
            dead_letters: Queue::new(config, settings.require("DEAD_LETTER_QUEUE_URL")?),
            pipelines: Pipelines::parse(&text, path)?,
            watched_prefix: settings.require("WATCHED_PREFIX")?.to_owned(),
            clock,
        })
    }

    /// Processes a batch; each message fails alone. A message is deleted when its [`Outcome`] is durable: the
    /// job is in the ledger and its task exists or another message will launch it. It goes back to the queue on
    /// a [`ProcessError`]. A message that comes twice finds its job known, and RunTask answers a repeated client
    /// token with the task that exists.
    pub async fn handle(&self, event: &SqsEvent) -> SqsBatchResponse {
        each_message(event, |body| self.process(body)).await
    }

    /// Processes one message.
    ///
    /// # Errors
    /// [`ProcessError`]: the message is to come again.
    pub async fn process(&self, body: &str) -> Result<Outcome, ProcessError> {
        if let Ok(relaunch) = serde_json::from_str::<Relaunch>(body) {
            return self.relaunch(body, &relaunch).await;
        }
        match events::classify(body) {
            Classified::S3Created(created) => self.created(body, &created).await,
            Classified::TaskStateChange(_) | Classified::Foreign { .. } => Ok(Outcome::Foreign),
            Classified::Malformed { reason } => self.bury(body, Reason::new("malformed", reason)).await,
        }
    }

    async fn created(&self, body: &str, created: &S3Created) -> Result<Outcome, ProcessError> {
        let object = created.object();
        // The rule filters by prefix; whoever else feeds this queue must not make us read what we write.
        if !object.key.starts_with(&self.watched_prefix) {
            return Ok(Outcome::Foreign);
        }
        if object.size_bytes.is_none() && self.pipelines.needs_size(&object.key) {
            let why = "its event tells no size, and pipelines.toml takes objects of this name by size";
            return self.bury(body, Reason::new("unknown_size", why)).await;
        }
        let Some(pipeline) = self.pipelines.route(&object.key, object.size_bytes) else {
            return Ok(Outcome::NoPipeline);
        };
        let job = Job::new(object, pipeline.clone(), self.clock.now());
        match self.ledger.record(&job).await? {
            Recorded::New => self.launch(&job, 0).await,
            // Recorded by a call that died before it launched.
            Recorded::Known(job) if is_due(&job, 1) => self.launch(&job, 0).await,
            Recorded::Known(job) => Ok(Outcome::Duplicate { job: job.id }),
        }
    }

    async fn relaunch(&self, body: &str, relaunch: &Relaunch) -> Result<Outcome, ProcessError> {
        match self.ledger.read(&relaunch.job).await? {
            None => self.bury(body, Reason::new("unknown_job", "the ledger has no such job")).await,
            Some(job) if is_due(&job, relaunch.attempt) => self.launch(&job, relaunch.deferrals).await,
            Some(job) => Ok(Outcome::Duplicate { job: job.id }),
        }
    }

    /// Launches the task of the job's present attempt. What cannot launch now waits in the queue under a message
    /// of its own, so that a shortage of hours uses up none of the original's receives.
    async fn launch(&self, job: &Job, deferrals: u32) -> Result<Outcome, ProcessError> {
        let refused = match self.tasks.launch(job).await {
            Ok(task) => {
                // Refused when the task already stopped and the attempt is past: nothing is left to note.
                self.ledger.launched(&job.id, job.attempt, &task).await?;
                return Ok(Outcome::Launched { job: job.id.clone(), task });
            }
            Err(LaunchError::Call(source)) if !source.is_retryable() => {
                return Err(ProcessError::Launch { job: job.id.clone(), source });
            }
            Err(refused) => refused,
        };
        let delay = backoff::delay(deferrals, FIRST_DEFERRAL, LONGEST_DEFERRAL, fastrand::f64());
        let again = Relaunch::new(job.id.clone(), job.attempt, deferrals.saturating_add(1));
        info!(
            job.id = %job.id,
            delay_s = delay.as_secs(),
            reason = &refused as &dyn std::error::Error,
            "launch put off"
        );
        self.uploads.send(&again.to_message(), delay).await?;
        Ok(Outcome::Deferred { job: job.id.clone() })
    }

    async fn bury(&self, body: &str, reason: Reason) -> Result<Outcome, ProcessError> {
        self.dead_letters.bury(body, &reason).await?;
        Ok(Outcome::Buried(reason))
    }
}

/// Whether this attempt waits for a task that nobody has launched yet.
fn is_due(job: &Job, attempt: u32) -> bool {
    job.state == State::Waiting && job.task.is_none() && job.attempt == attempt
}

/// Runs the function until Lambda ends it. A wrong deployment is told to Lambda as an init error.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    logging::json();
    let uploads = Uploads::new(&adapter::sdk_config().await, &Settings::of_process(), Clock::system())?;
    let uploads = &uploads;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, std::convert::Infallible>(uploads.handle(&event.payload).await)
    }))
    .await
}
