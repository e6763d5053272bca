//! The telling of a settled job: reserved by one who tells, and noted when its mail was handed over.

use jiff::Timestamp;

use super::{
    Changed, Ledger,
    write::{self, Write},
};
use crate::{CallError, attributes::time};
use domain::job::{Attempt, JobId};

impl Ledger {
    /// Reserves the telling of a settled job until `until`, so that of two stops that come at once only one tells.
    /// Refused when it was told, or is being told by another; whoever dies while telling loses the reservation by
    /// time.
    ///
    /// # Errors
    /// [`CallError`]: it may be reserved; nobody tells until then.
    pub async fn lease_notification(
        &self,
        id: &JobId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET notify_lease_until = :until",
            "attribute_not_exists(notified_at) AND (attribute_not_exists(notify_lease_until) OR notify_lease_until < :now)",
        );
        self.update(id, "tell of", change.value(":until", time(until)).value(":now", time(now))).await
    }

    /// Notes that the job's mail was handed to SNS, and the attempt that settled it where the ledger does not have
    /// it yet. A repeat is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn notified(
        &self,
        id: &JobId,
        ended: Option<&Attempt>,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let condition = "attribute_not_exists(notified_at)";
        let write = match ended {
            None => Write::new("SET notified_at = :now", condition),
            Some(ended) => {
                let update = "SET notified_at = :now, #history = list_append(#history, :ended)";
                Write::new(update, condition)
                    .name("#history", "history")
                    .value(":ended", write::attempts(ended)?)
            }
        };
        self.update(id, "note the mail of", write.value(":now", time(now))).await
    }
}
