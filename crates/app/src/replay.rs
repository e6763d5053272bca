//! Replay: an object version is processed again, with the pipelines of today or the one that its job was recorded with, and a
//! dead-letter message goes back to its queue. [`domain::replay`] decides whether the same job runs again or a new one.
//!
//! The ledger is written first, then a message is sent to the uploads queue. If the process dies between the two, a
//! waiting job is left, which the hourly sweep relaunches. In the other order, λ uploads could receive the message while
//! the job is still failed, and drop it.

use std::time::Duration;

use aws::{
    CallError,
    ledger::{Changed, Ledger, Recorded},
    queue::Queue,
};
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Failed, Job, JobId, JobState, State},
    message::{self, JobMessage, Message},
    object::Object,
    pipelines::{Pipeline, Pipelines},
    replay::{NotNeeded, Step, refusal, step},
    text::shortened,
};
use jiff::Timestamp;

/// What a replay needs.
#[derive(Debug)]
pub struct Replay {
    /// The jobs.
    pub ledger: Ledger,
    /// The queue that λ uploads reads.
    pub uploads: Queue,
    /// The queue that λ stops reads.
    pub stops: Queue,
    /// The pipelines of today, which decide what becomes of an object; none: each job's own.
    pub pipelines: Option<Pipelines>,
    /// Whether objects whose job is done are processed again, too.
    pub done: bool,
    /// Whether only a new job is wanted, with another pipeline than the job before.
    pub outdated: bool,
    /// The caller, for the audit of the jobs.
    pub who: String,
    /// Whether to change nothing and only return what would be done.
    pub dry_run: bool,
}

/// The outcome for one job or message. Durable when it is returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was replayed, or in a dry run would be.
    Replayed(String),
    /// It needs no replay, for this reason.
    NotNeeded(String),
    /// It cannot be replayed, for this reason.
    Refused(String),
}

/// The outcome for a dead-letter message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The job that it names, if it names one.
    pub job: Option<JobId>,
    /// The object of that job, where the ledger has it: `s3://…`.
    pub object: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
}

/// Why something was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The ledger or a queue did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The job waits for its next attempt, but the message to λ uploads was not sent.
    #[error("job {job} waits, but its message was not sent; the hourly sweep sends it")]
    NotSent {
        /// Which job.
        job: JobId,
        /// Why not.
        #[source]
        source: CallError,
    },
}

impl Replay {
    /// The object version of a job, as it was read, is processed again: by the same job, or by a new one where it is done or
    /// its pipeline has changed. Refused where no pipeline takes the object today.
    ///
    /// # Errors
    /// [`ReplayError`]
    pub async fn job(&self, job: &Job, now: Timestamp) -> Result<Outcome, ReplayError> {
        let state = job.state();
        if state == State::Done && !self.done {
            return Ok(Outcome::Refused("it is done; --done processes its object again".to_owned()));
        }
        let pipeline = match &self.pipelines {
            None => &job.pipeline,
            Some(pipelines) => match pipelines.route(&job.object.key, job.object.size_bytes) {
                Some(pipeline) => pipeline,
                None => return Ok(Outcome::Refused(NO_PIPELINE.to_owned())),
            },
        };
        let jobs = jobs_of(&self.ledger, &pipeline.name, &job.object).await?;
        match step(job, pipeline, &jobs) {
            Err(why) => Ok(not_needed(why)),
            Ok(Step::Again) if self.outdated => {
                Ok(Outcome::NotNeeded("it failed with the pipelines of today".to_owned()))
            }
            Ok(Step::Again) => self.again(jobs.last().unwrap_or(job), now).await,
            Ok(Step::Anew(number)) => self.anew(job, pipeline, number, now).await,
        }
    }

    /// A failed job runs again with a reset count of attempts; its history stays. Refused while its rows are collected or its
    /// failure is being mailed, and when somebody else has changed it since.
    async fn again(&self, job: &Job, now: Timestamp) -> Result<Outcome, ReplayError> {
        if let Some(refused) = refusal(job, now) {
            return Ok(Outcome::Refused(refused.to_string()));
        }
        let next = job.attempt.saturating_add(1);
        let with = with(&job.pipeline, job);
        if self.dry_run {
            return Ok(Outcome::Replayed(format!("attempt {next} would be queued, {with}")));
        }
        let note = AuditEntry::new(now, AuditKind::Replayed, audit_text(job, &self.who));
        match self.ledger.replay(job, &note, now).await? {
            Changed::Applied(job) => {
                self.send_due(&job).await?;
                Ok(Outcome::Replayed(format!("attempt {next} is queued, {with}")))
            }
            Changed::Rejected(found) => {
                let why = found.and_then(|found| refusal(&found, now)).map(|refused| refused.to_string());
                Ok(Outcome::Refused(
                    why.unwrap_or_else(|| "it was changed at the same time; try again".to_owned()),
                ))
            }
        }
    }

    /// A new job of the object version begins. The job before stays as it is, and notes which job follows it.
    async fn anew(
        &self,
        job: &Job,
        pipeline: &Pipeline,
        number: u32,
        now: Timestamp,
    ) -> Result<Outcome, ReplayError> {
        let mut next = Job::replayed(job.object.clone(), pipeline.clone(), number, now);
        // Records under natural keys are ordered by this time: a replay is no later than the job before.
        (next.event_at, next.trace) = (Some(job.version_at()), job.trace.clone());
        let with = with(pipeline, job);
        if self.dry_run {
            return Ok(Outcome::Replayed(format!("a new job would be queued, {with}")));
        }
        let words = format!("{}; it follows job {}", audit_text(job, &self.who), job.id);
        next.audit.push(AuditEntry::new(now, AuditKind::Replayed, words));
        if let Recorded::Existing(found) = self.ledger.record(&next).await? {
            return Ok(not_needed(NotNeeded::Open(found.id.clone(), found.state())));
        }
        self.send_due(&next).await?;
        let words = format!("by {}: job {} follows, {with}", self.who, next.id);
        self.ledger.note(&job.id, &AuditEntry::new(now, AuditKind::Replayed, words)).await?;
        Ok(Outcome::Replayed(format!("job {} is queued, {with}", next.id)))
    }

    /// A dead letter goes back to the queue that it came from. A repeat sends it twice, which all receivers bear. It is
    /// the caller's to delete, unless it is [`Outcome::Refused`].
    ///
    /// # Errors
    /// [`ReplayError`]
    pub async fn dead_letter(&self, body: &str, now: Timestamp) -> Result<Replayed, ReplayError> {
        let stays = |words: &str| Outcome::Refused(words.to_owned());
        let (job, outcome) = match message::read(body) {
            Message::Job(due) => return self.due(due, now).await,
            Message::S3(_) | Message::Object(_) => {
                (None, self.send_back(&self.uploads, "uploads", body).await?)
            }
            Message::Failed(failed) => {
                (Some(failed.failed), self.send_back(&self.stops, "stops", body).await?)
            }
            Message::Task(_) => (None, self.send_back(&self.stops, "stops", body).await?),
            Message::S3Test { .. } | Message::Foreign => {
                (None, stays("it belongs to no queue of the deployment; it stays"))
            }
            Message::Malformed { .. } => (None, stays("it cannot be read; it stays")),
        };
        Ok(Replayed { job, object: None, outcome })
    }

    /// The dead-letter message of a job: that it failed, or that an attempt is due.
    async fn due(&self, due: JobMessage, now: Timestamp) -> Result<Replayed, ReplayError> {
        let Some(job) = self.ledger.read(&due.job).await? else {
            let outcome = Outcome::Refused("the ledger has no such job; the message stays".to_owned());
            return Ok(Replayed { job: Some(due.job), object: None, outcome });
        };
        let outcome = match (job.state(), &job.task) {
            (State::Failed, _) => self.job(&job, now).await?,
            (State::Waiting, None) if job.attempt == due.attempt => {
                if !self.dry_run {
                    self.send_due(&job).await?;
                }
                let attempt = job.attempt;
                Outcome::Replayed(format!(
                    "attempt {attempt} was waiting for this message, which is sent again"
                ))
            }
            (State::Waiting | State::Running, _) => Outcome::NotNeeded(format!(
                "the job is already {}, attempt {}",
                job.state().as_str(),
                job.attempt
            )),
            (state, _) => Outcome::NotNeeded(format!("the job is already {}", state.as_str())),
        };
        Ok(Replayed { job: Some(due.job), object: Some(job.object.uri()), outcome })
    }

    /// Sends the message by which λ uploads launches the present attempt of a waiting job.
    async fn send_due(&self, job: &Job) -> Result<(), ReplayError> {
        let message = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        let sent = self.uploads.send(&message, Duration::ZERO).await;
        sent.map_err(|source| ReplayError::NotSent { job: job.id.clone(), source })
    }

    async fn send_back(&self, queue: &Queue, name: &str, body: &str) -> Result<Outcome, ReplayError> {
        if self.dry_run {
            return Ok(Outcome::Replayed(format!("it would go back to the {name} queue")));
        }
        queue.send(body, Duration::ZERO).await?;
        Ok(Outcome::Replayed(format!("sent back to the {name} queue")))
    }
}

/// The answer where an object's pipeline was removed.
const NO_PIPELINE: &str =
    "no pipeline of today takes this object; add one, or run it with --as-recorded, as its job was";

fn not_needed(why: NotNeeded) -> Outcome {
    Outcome::NotNeeded(why.to_string())
}

/// All jobs of an object version with pipelines of this name, in the order of their numbers.
///
/// # Errors
/// [`CallError`], also where the item of one of them cannot be read.
pub async fn jobs_of(ledger: &Ledger, pipeline: &str, object: &Object) -> Result<Vec<Job>, CallError> {
    let read = ledger.read_versions(&[(pipeline, object)]).await?;
    let attempt = || format!("read the jobs of {object}");
    let read = read.into_iter().map(|job| job.map_err(|e| CallError::malformed_response(attempt(), e)));
    let mut jobs = read.collect::<Result<Vec<Job>, _>>()?;
    jobs.sort_by_key(|job| job.replay);
    Ok(jobs)
}

/// Which version of which pipeline is used, and which one before.
fn with(pipeline: &Pipeline, job: &Job) -> String {
    let (name, version, before) = (&pipeline.name, pipeline.fingerprint(), &job.pipeline);
    match (*name == before.name, pipeline.processes_like(before)) {
        (true, true) => format!("with pipeline {name}, version {version}, as before"),
        (true, false) => {
            format!("with pipeline {name}, version {version} (before: {})", before.fingerprint())
        }
        (false, _) => {
            let before = format!("{}, version {}", before.name, before.fingerprint());
            format!("with pipeline {name}, version {version} (before: {before})")
        }
    }
}

/// The text of the audit entry: who replayed the job, and the failure that the job itself no longer shows.
fn audit_text(job: &Job, who: &str) -> String {
    let failed = match &job.state {
        JobState::Failed(Failed { settled_at, reason, .. }) => {
            let message = shortened(&reason.message, 300);
            format!("; it had failed at {settled_at:.0}: {}: {message}", reason.code)
        }
        _ => String::new(),
    };
    format!("by {who}{failed}")
}
