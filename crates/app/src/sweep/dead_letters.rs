//! Removes dead-letter messages about which nothing is left to do.

use domain::sweep::report::SweepStats;

use super::{StepError, Sweep};
use crate::dead_letters::DeadLetterCheck;

impl Sweep {
    /// Goes through the dead-letter queue once. A sweep that dies on the way leaves the messages, which become visible again,
    /// to the next one.
    pub(super) async fn resolve_dead_letters(&self, stats: &mut SweepStats) -> Result<(), StepError> {
        // Most hours there is none, and to receive none takes a second.
        if self.dead_letters.counts().await?.visible == 0 {
            return Ok(());
        }
        let check = DeadLetterCheck {
            ledger: self.ledger.clone(),
            records: self.records.clone(),
            pipelines: self.pipelines().await?,
        };
        Ok(check.resolve(&self.dead_letters, self.dry_run, |_| stats.resolved += 1).await?)
    }
}
