//! Replay: a failed job runs again, and a dead-letter message goes back to its queue.
//!
//! The ledger is written first, then a message is sent to the uploads queue. If the process dies between the two, a
//! waiting job is left, which the hourly sweep relaunches. In the other order, λ uploads could receive the message while
//! the job is still failed, and drop it.

use std::time::Duration;

use aws::{
    CallError,
    ledger::{Changed, Ledger},
    queue::Queue,
};
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Failed, Job, JobId, JobState, State},
    message::{self, JobMessage, Message},
    replay::refusal,
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
    /// A failed job, as it was read, runs again with a reset count of attempts; its history stays. Refused while its rows
    /// are collected or its failure is being mailed, and when somebody else has changed it since.
    ///
    /// # Errors
    /// [`ReplayError`]
    pub async fn job(&self, job: &Job, now: Timestamp) -> Result<Outcome, ReplayError> {
        if let Some(refused) = refusal(job, now) {
            return Ok(Outcome::Refused(refused.to_string()));
        }
        let next = job.attempt.saturating_add(1);
        if self.dry_run {
            return Ok(Outcome::Replayed(format!("attempt {next} would be queued")));
        }
        let note = AuditEntry::new(now, AuditKind::Replayed, audit_text(job, &self.who));
        match self.ledger.replay(job, &note, now).await? {
            Changed::Applied(job) => {
                self.send_due(&job).await?;
                Ok(Outcome::Replayed(format!("attempt {next} is queued")))
            }
            Changed::Rejected(found) => {
                let why = found.and_then(|found| refusal(&found, now)).map(|refused| refused.to_string());
                Ok(Outcome::Refused(
                    why.unwrap_or_else(|| "it was changed at the same time; try again".to_owned()),
                ))
            }
        }
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
