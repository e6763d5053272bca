//! The end of an attempt that did not settle its job, by one write: another attempt, or none.

use jiff::Timestamp;

use super::{Changed, Ledger, over::Over, write::Write};
use crate::{CallError, attributes::number};
use domain::job::{Attempt, Change, JobId};

impl Ledger {
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
            "SET #state = :to, attempt = attempt + :one, counted_attempts = counted_attempts + :charge, reason = :reason, \
             #history = list_append(#history, :ended) REMOVE lease_until, task, deferred_until",
            "attempt = :attempt",
        )
        .moving(Change::Requeue)
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
            "SET #state = :to, counted_attempts = counted_attempts + :charge, reason = :reason, settled_at = :now, status_shard = :status_shard, \
             status_at = :now, #history = list_append(#history, :ended) REMOVE lease_until",
            "attempt = :attempt",
        )
        .moving(Change::Fail)
        .only_if(over)
        .ending(ended)?
        .value(":charge", number(charge))
        .indexed_by_status(id, now);
        self.update(id, "fail", change).await
    }
}
