//! Replaying: a failed job runs again, and a dead letter goes back to where it came from.
//!
//! The ledger is written first, and then a message brings the job to a worker. A process that dies between the two
//! leaves a waiting job, which the hourly sweep relaunches; the other way round, the message might find the job still
//! failed, and be gone.

use std::time::Duration;

use aws::{
    CallError,
    ledger::{Changed, Ledger},
    queue::Queue,
};
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Job, JobId, State},
    mail::shortened,
    message::{self, JobMessage, Message},
    replay::refusal,
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
    /// Who asks for it, for the jobs' histories.
    pub who: String,
    /// Whether it only says what it would do.
    pub dry_run: bool,
}

/// What became of something that was to be replayed. Durable when it is returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was replayed, or in a dry run would be.
    Replayed(String),
    /// It needs nothing, for this reason.
    Nothing(String),
    /// It cannot be replayed, for this reason.
    Refused(String),
}

/// What became of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The job it is about, if it names one.
    pub job: Option<JobId>,
    /// The object of that job, where the ledger has it: `s3://…`.
    pub object: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why something was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The ledger or a queue did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The job waits for its next attempt, but no message brings it to a worker.
    #[error(
        "the job {job} waits, but is not on its way: the hourly sweep sends it, or you, with \
         {{\"tidemill\":1,\"job\":…,\"attempt\":…}} to the uploads queue"
    )]
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
            return Ok(Outcome::Replayed(format!("attempt {next} would be launched")));
        }
        let note = AuditEntry::new(now, AuditKind::Replayed, words(job, &self.who));
        match self.ledger.replay(job, &note, now).await? {
            Changed::Applied(job) => {
                self.send_due(&job).await?;
                Ok(Outcome::Replayed(format!("attempt {next} is on its way")))
            }
            Changed::Rejected(found) => {
                let why = found.and_then(|found| refusal(&found, now)).map(|refused| refused.to_string());
                Ok(Outcome::Refused(
                    why.unwrap_or_else(|| "somebody else has just changed it: try again".to_owned()),
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
            Message::Created(_) | Message::Object(_) => {
                (None, self.send_back(&self.uploads, "uploads", body).await?)
            }
            Message::Failed(failed) => {
                (Some(failed.failed), self.send_back(&self.stops, "stops", body).await?)
            }
            Message::Task(_) => (None, self.send_back(&self.stops, "stops", body).await?),
            Message::Foreign => (None, stays("no queue of ours carries it: it stays")),
            Message::Malformed { .. } => (None, stays("nobody can read it: it stays")),
        };
        Ok(Replayed { job, object: None, outcome })
    }

    /// The dead letter of a job: that it failed, or a message that should have brought it to a worker.
    async fn due(&self, due: JobMessage, now: Timestamp) -> Result<Replayed, ReplayError> {
        let Some(job) = self.ledger.read(&due.job).await? else {
            let outcome = Outcome::Refused("the ledger has no such job: it stays".to_owned());
            return Ok(Replayed { job: Some(due.job), object: None, outcome });
        };
        let outcome = match (job.state, &job.task) {
            (State::Failed, _) => self.job(&job, now).await?,
            (State::Waiting, None) if job.attempt == due.attempt => {
                if !self.dry_run {
                    self.send_due(&job).await?;
                }
                let attempt = job.attempt;
                Outcome::Replayed(format!("attempt {attempt} waited for its message, which is sent again"))
            }
            (State::Waiting | State::Running, _) => {
                Outcome::Nothing(format!("it is {} already, in attempt {}", job.state.as_str(), job.attempt))
            }
            (state, _) => Outcome::Nothing(format!("it is {} by now", state.as_str())),
        };
        Ok(Replayed { job: Some(due.job), object: Some(job.object.uri()), outcome })
    }

    /// Has λ uploads route a waiting job's present attempt.
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
        Ok(Outcome::Replayed(format!("it is back on the {name} queue")))
    }
}

/// What the job's history says of it: who, and what of the failure is forgotten by it.
fn words(job: &Job, who: &str) -> String {
    let failed = match (&job.reason, job.settled_at) {
        (Some(reason), Some(at)) => {
            format!("; it had failed at {at:.0}: {}: {}", reason.code, shortened(&reason.message, 300))
        }
        _ => String::new(),
    };
    format!("by {who}{failed}")
}
