//! The end of an attempt that did not settle its job. λ stops decides it for a task of its own, a pooled worker for the
//! jobs it took and for those that a lost worker held: by the same verdicts, and by one write.

#[cfg(feature = "functions")]
mod stopped;

use std::time::Duration;

use aws::{
    CallError,
    ledger::{Changed, Ledger, Over},
};
use domain::{
    job::{Attempt, Job, State},
    verdict::{self, JobFacts, NextStep, Verdict},
};
use jiff::Timestamp;
use telemetry::metrics;

#[cfg(feature = "functions")]
pub use stopped::{FinishAttempt, Outcome};

/// What the end of an attempt led to.
#[derive(Debug)]
pub enum Ended {
    /// The job waits for its next attempt, which is due after this wait: a message has to bring it to one.
    Retry {
        /// The job as it stands now.
        job: Box<Job>,
        /// At most SQS's longest delay.
        after: Duration,
    },
    /// The job has failed for good: a mail is due.
    GivenUp(Box<Job>),
    /// Somebody else has changed the job, or this end was written before. The job as it stands, if the ledger has it.
    Refused(Option<Box<Job>>),
    /// Nothing follows from this verdict.
    Nothing,
}

/// Decides what follows the end of the job's present attempt and writes it down: the job waits for the next one,
/// or has failed for good. `job` is what was read of it. Durable on return; a repeat finds the attempt raised or the
/// job settled and is [`Ended::Refused`].
///
/// # Errors
/// [`CallError`]: the end may be written.
pub async fn finish(
    ledger: &Ledger,
    job: &Job,
    verdict: &Verdict,
    ended: &Attempt,
    over: Over,
    now: Timestamp,
) -> Result<Ended, CallError> {
    let charge = u32::from(verdict.counts_against_object());
    let facts = JobFacts { paused: ended.paused, ..JobFacts::of(job) };
    let step = verdict::next_step(verdict, &facts, fastrand::f64());
    let changed = match step {
        NextStep::Retry { .. } => ledger.retry(&job.id, ended, charge, over).await?,
        NextStep::GiveUp => ledger.give_up(&job.id, ended, charge, over, now).await?,
        NextStep::Nothing => return Ok(Ended::Nothing),
    };
    Ok(match (changed, step) {
        (Changed::Applied(job), NextStep::Retry { after, .. }) => {
            metrics::ended(verdict.kind.code());
            Ended::Retry { job, after }
        }
        (Changed::Applied(job), _) => Ended::GivenUp(job),
        // The SDK repeats a write whose answer was lost: then it is our own that refuses.
        (Changed::Rejected(Some(found)), NextStep::Retry { after, .. })
            if found.state() == State::Waiting && found.history.last() == Some(ended) =>
        {
            Ended::Retry { job: found, after }
        }
        (Changed::Rejected(Some(found)), NextStep::GiveUp)
            if found.state() == State::Failed && found.history.last() == Some(ended) =>
        {
            Ended::GivenUp(found)
        }
        (Changed::Rejected(found), _) => Ended::Refused(found),
    })
}
