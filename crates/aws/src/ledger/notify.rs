//! The failure mail of a job: one process leases it, and notes when the mail was handed over.

use jiff::Timestamp;

use super::{
    Changed, Ledger,
    write::{self, Write},
};
use crate::{
    CallError,
    attributes::{number, text, time},
};
use domain::job::{Attempt, JobId, State};

impl Ledger {
    /// Leases the failure mail of a job until `until`, so that of two stops that come at once only one sends it. Refused when
    /// the mail was sent, when another process holds the lease, or when the job did not fail in this attempt: it may have been
    /// replayed, and the mail of its next failure must not be missing. The lease of a process that dies runs out.
    ///
    /// # Errors
    /// [`CallError`]: it may be leased; then no mail is sent before `until`.
    pub async fn lease_notification(
        &self,
        id: &JobId,
        attempt: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET notify_lease_until = :until",
            "attempt = :attempt AND #state = :failed AND attribute_not_exists(notified_at) \
             AND (attribute_not_exists(notify_lease_until) OR notify_lease_until < :now)",
        )
        .of_failure(attempt);
        self.update(id, "tell of", change.value(":until", time(until)).value(":now", time(now))).await
    }

    /// Notes that the mail of a job that failed in this attempt was handed to SNS, and how that attempt ended where the
    /// ledger does not have it yet. A repeat is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn notified(
        &self,
        id: &JobId,
        attempt: u32,
        ended: Option<&Attempt>,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let condition = "attempt = :attempt AND #state = :failed AND attribute_not_exists(notified_at)";
        let write = match ended {
            None => Write::new("SET notified_at = :now", condition),
            Some(ended) => {
                let update = "SET notified_at = :now, #history = list_append(#history, :ended)";
                Write::new(update, condition)
                    .name("#history", "history")
                    .value(":ended", write::attempts(ended)?)
            }
        };
        self.update(id, "note the mail of", write.of_failure(attempt).value(":now", time(now))).await
    }
}

impl Write {
    /// The values by which a condition asks for the failure of this attempt.
    fn of_failure(self, attempt: u32) -> Self {
        self.value(":attempt", number(attempt)).value(":failed", text(State::Failed.as_str()))
    }
}
