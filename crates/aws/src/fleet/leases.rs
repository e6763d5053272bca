//! Leases: who does what only one may do at a time.

use jiff::Timestamp;

use super::table::{Fleet, made};
use crate::{
    CallError,
    attributes::{text, time},
};
use domain::document::Lease;

impl Fleet {
    /// Takes or renews this lease until `until`. False: another holder has it.
    ///
    /// # Errors
    /// [`CallError`]: it may be taken.
    pub async fn lease(
        &self,
        lease: &Lease<'_>,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, CallError> {
        let update = self
            .of_item(&lease.id())
            .update_expression("SET holder = :holder, lease_until = :until")
            .condition_expression("attribute_not_exists(id) OR holder = :holder OR lease_until < :now")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":now", time(now));
        made(update, || format!("take {} in {}", lease.id(), self.table)).await
    }

    /// Gives the lease back, if it is still this holder's.
    ///
    /// # Errors
    /// [`CallError`]: the lease may still be held, until it runs out.
    pub async fn release(&self, lease: &Lease<'_>, holder: &str) -> Result<bool, CallError> {
        let update = self
            .of_item(&lease.id())
            .update_expression("SET lease_until = :never")
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":never", time(Timestamp::UNIX_EPOCH));
        made(update, || format!("give back {} in {}", lease.id(), self.table)).await
    }
}
