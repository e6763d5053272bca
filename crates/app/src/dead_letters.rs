//! Going through the dead letters: messages about which nothing is left to do are removed ([`domain::dead_letter`]).

use std::{collections::HashMap, time::Duration};

use aws::{
    CallError,
    dead_letters::{DeadLetters, Receipt},
    ledger::Ledger,
    records::Records,
    tasks::{TaskPurpose, task_purpose},
};
use domain::{
    dead_letter::{Resolved, resolved},
    events::S3Change,
    job::{Job, JobId},
    message::{self, Message},
    object,
    pipelines::Pipelines,
};
use tracing::info;

use crate::item_failures::{ItemFailures, ItemsFailed};

/// How long messages are hidden from others while they are looked at. They become visible earlier when this ends.
const HIDDEN: Duration = Duration::from_secs(120);

/// How many messages are looked at in one go.
const MOST: usize = 5_000;

/// What is needed to tell what is left to do about a message.
#[derive(Debug)]
pub struct DeadLetterCheck {
    /// The jobs.
    pub ledger: Ledger,
    /// The manifests.
    pub records: Records,
    /// The pipelines, which tell the job of an object.
    pub pipelines: Pipelines,
}

/// A message about which nothing is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// SQS's id of the message.
    pub id: String,
    /// The message.
    pub body: String,
    /// Why nothing is left to do.
    pub why: Resolved,
}

impl DeadLetterCheck {
    /// Looks at every message once, removes those about which nothing is left to do, and passes each to `removed`; in a dry
    /// run, none is removed. All others are visible to everybody again at the end, also after an error. A repeat finds what
    /// is left.
    ///
    /// # Errors
    /// [`ItemsFailed`], naming the messages that could not be looked at; all others were.
    pub async fn resolve(
        &self,
        queue: &DeadLetters,
        dry_run: bool,
        mut removed: impl FnMut(Removed),
    ) -> Result<(), ItemsFailed> {
        let (mut failures, mut held) = (ItemFailures::default(), HashMap::new());
        loop {
            let Some(letters) = failures.record("the dead letters", queue.receive(HIDDEN).await) else {
                break;
            };
            // A message comes again when it was hidden for long enough: this has gone round.
            let is_end = letters.iter().all(|letter| held.contains_key(&letter.id));
            for letter in letters {
                if let Some(receipt) = held.get_mut(&letter.id) {
                    *receipt = letter.receipt;
                    continue;
                }
                let why =
                    failures.record(format!("message {}", letter.id), self.resolved(&letter.body).await);
                let Some(Some(why)) = why else {
                    held.insert(letter.id, letter.receipt);
                    continue;
                };
                if dry_run {
                    held.insert(letter.id.clone(), letter.receipt.clone());
                } else if failures
                    .record(format!("message {}", letter.id), queue.delete(&letter).await)
                    .is_none()
                {
                    continue;
                }
                info!(message = letter.id, why = %why, dry_run, "removed a dead-letter message: {why}");
                removed(Removed { id: letter.id, body: letter.body, why });
            }
            if is_end || held.len() >= MOST || failures.should_give_up() {
                break;
            }
        }
        let receipts: Vec<Receipt> = held.into_values().collect();
        failures.record("the messages that stay", queue.give_back(&receipts).await);
        failures.finish()
    }

    /// Why nothing is left to do about a message; `None` if it needs somebody.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn resolved(&self, body: &str) -> Result<Option<Resolved>, CallError> {
        match message::read(body) {
            Message::Job(due) => {
                let Some(job) = self.ledger.read(&due.job).await? else { return Ok(None) };
                let visible = self.records.manifest(&job.object.bucket, &job.object.key).await?;
                Ok(resolved(&job, due.attempt, visible.as_ref()))
            }
            Message::Failed(failed) => self.settled(&failed.failed).await,
            Message::Task(change) => {
                let started_by = change.started_by.as_deref();
                match task_purpose(started_by, |name| change.variable(name)) {
                    Some(TaskPurpose::Job { job, .. }) => self.settled(&job).await,
                    Some(TaskPurpose::Drain { .. } | TaskPurpose::Sweep(_) | TaskPurpose::Command(_))
                    | None => Ok(None),
                }
            }
            Message::S3(changes) if changes.malformed.is_empty() => self.recorded(&changes.changes).await,
            Message::S3(_)
            | Message::Object(_)
            | Message::S3Test { .. }
            | Message::Foreign
            | Message::Malformed { .. } => Ok(None),
        }
    }

    /// A message that settles a job or mails its failure.
    async fn settled(&self, job: &JobId) -> Result<Option<Resolved>, CallError> {
        let job = self.ledger.read(job).await?;
        Ok(job.as_ref().is_some_and(Job::is_over).then_some(Resolved::Settled))
    }

    /// An event of objects, each of which may have been found by the sweep. The effect of a deletion cannot be seen in the
    /// ledger.
    async fn recorded(&self, changes: &[S3Change]) -> Result<Option<Resolved>, CallError> {
        for change in changes {
            let S3Change::Created(created) = change else { return Ok(None) };
            let object = created.object();
            let Some(pipeline) = self.pipelines.route(&object.key, object.size_bytes) else {
                return Ok(None);
            };
            if self.ledger.read(&JobId::derive(&pipeline.name, &object)).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Resolved::Recorded))
    }
}

/// Removes all messages about these jobs or this object, and returns how many there were.
///
/// # Errors
/// [`CallError`]: some may be removed; a repeat removes what is left.
pub async fn remove_of_jobs(
    queue: &DeadLetters,
    jobs: &[&JobId],
    bucket: &str,
    key: &str,
) -> Result<u64, CallError> {
    let (mut held, mut removed) = (HashMap::new(), 0);
    let ended = loop {
        let letters = match queue.receive(HIDDEN).await {
            Ok(letters) => letters,
            Err(error) => break Err(error),
        };
        let is_end = letters.iter().all(|letter| held.contains_key(&letter.id));
        for letter in letters {
            let is_about = is_about(&letter.body, jobs, bucket, key);
            if is_about && queue.delete(&letter).await.is_ok() {
                removed += 1;
            } else {
                held.insert(letter.id, letter.receipt);
            }
        }
        if is_end {
            break Ok(removed);
        }
    };
    let receipts: Vec<Receipt> = held.into_values().collect();
    queue.give_back(&receipts).await?;
    ended
}

/// Whether a message is about one of these jobs or this object.
fn is_about(body: &str, jobs: &[&JobId], bucket: &str, key: &str) -> bool {
    match message::read(body) {
        Message::Job(due) => jobs.contains(&&due.job),
        Message::Failed(failed) => jobs.contains(&&failed.failed),
        Message::Object(asked) => asked.bucket == bucket && asked.key == key,
        Message::S3(changes) => changes.changes.iter().any(|change| change.uri() == object::uri(bucket, key)),
        Message::Task(change) => {
            let started_by = change.started_by.as_deref();
            let purpose = task_purpose(started_by, |name| change.variable(name));
            matches!(purpose, Some(TaskPurpose::Job { job, .. }) if jobs.contains(&&job))
        }
        Message::S3Test { .. } | Message::Foreign | Message::Malformed { .. } => false,
    }
}
