//! The end of an attempt that did not settle its job. λ stops decides it for a task of its own, a pooled worker for the
//! jobs it took and for those that a lost worker held: by the same verdicts, and by one write.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Changed, Ledger,
    write::{Write, number},
};
use crate::CallError;
use domain::{
    job::{Attempt, Change, Job, JobId, State},
    verdict::{self, JobFacts, NextStep, Verdict},
};
use telemetry::metrics;

/// How it is known that an attempt is over: what must still be so when its end is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its task has stopped.
    Stopped,
    /// Its worker has left the job, which nobody has claimed since.
    Left {
        /// The fence of that worker's claim.
        fence: u64,
    },
    /// Its worker was lost: the lease has run out, and nobody has claimed or renewed it since.
    Lost {
        /// The fence of that worker's claim.
        fence: u64,
        /// When the lease was found to have run out.
        now: Timestamp,
    },
}

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
    /// The job has failed for good: people are to be told.
    GivenUp(Box<Job>),
    /// Somebody else has moved the job, or this end was written before. As it stands, if it is there at all.
    Refused(Option<Box<Job>>),
    /// Nothing follows from this verdict.
    Nothing,
}

impl Ledger {
    /// Decides what follows the end of the job's present attempt and writes it down: the job waits for the next one,
    /// or has failed for good. `job` is what was read of it. Durable on return; a repeat finds the attempt raised or the
    /// job settled and is [`Ended::Refused`].
    ///
    /// # Errors
    /// [`CallError`]: the end may be written.
    pub async fn end(
        &self,
        job: &Job,
        verdict: &Verdict,
        ended: &Attempt,
        over: Over,
        now: Timestamp,
    ) -> Result<Ended, CallError> {
        let charge = u32::from(verdict.charged());
        let facts = JobFacts { parked: ended.parked, ..JobFacts::of(job) };
        let step = verdict::next_step(verdict, &facts, fastrand::f64());
        let changed = match step {
            NextStep::Retry { .. } => self.retry(&job.id, ended, charge, over).await?,
            NextStep::GiveUp => self.give_up(&job.id, ended, charge, over, now).await?,
            NextStep::Nothing => return Ok(Ended::Nothing),
        };
        Ok(match (changed, step) {
            (Changed::Yes(job), NextStep::Retry { after, .. }) => {
                metrics::ended(verdict.kind.code());
                Ended::Retry { job, after }
            }
            (Changed::Yes(job), _) => Ended::GivenUp(job),
            // The SDK repeats a write whose answer was lost: then it is our own that refuses.
            (Changed::No(Some(found)), NextStep::Retry { after, .. })
                if found.state == State::Waiting && found.history.last() == Some(ended) =>
            {
                Ended::Retry { job: found, after }
            }
            (Changed::No(Some(found)), NextStep::GiveUp)
                if found.state == State::Failed && found.history.last() == Some(ended) =>
            {
                Ended::GivenUp(found)
            }
            (Changed::No(found), _) => Ended::Refused(found),
        })
    }

    /// The attempt `ended` is over: the job waits for its next one. `charge` is 1 when the failure was the job's own. A
    /// repeat finds the attempt raised and is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn retry(
        &self,
        id: &JobId,
        ended: &Attempt,
        charge: u32,
        over: Over,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET #state = :to, attempt = attempt + :one, charged = charged + :charge, reason = :reason, \
             #history = list_append(#history, :ended) REMOVE lease_until, task, put_off_until",
            "attempt = :attempt",
        )
        .moving(Change::Return)
        .only_if(over)
        .ending(ended)?
        .value(":one", number(1))
        .value(":charge", number(charge));
        self.update(id, "retry", change).await
    }

    /// The attempt `ended` is over: the job has failed for good. A repeat finds it settled and is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn give_up(
        &self,
        id: &JobId,
        ended: &Attempt,
        charge: u32,
        over: Over,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET #state = :to, charged = charged + :charge, reason = :reason, settled_at = :now, shelf = :shelf, \
             shelf_at = :now, #history = list_append(#history, :ended) REMOVE lease_until",
            "attempt = :attempt",
        )
        .moving(Change::Fail)
        .only_if(over)
        .ending(ended)?
        .value(":charge", number(charge))
        .shelving(id, now);
        self.update(id, "give up", change).await
    }
}
