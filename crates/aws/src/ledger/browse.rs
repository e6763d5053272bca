//! The ledger's index as a person goes through it: by time, and from its end.

use jiff::Timestamp;

use super::{
    Ledger, StatusPage,
    by_status::{IndexEntry, Part},
};
use crate::CallError;

impl Ledger {
    /// A page of the jobs that were put on a shard since this time, with those times, the first first, and the token of
    /// the next: as [`Ledger::by_status`] has them.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn by_status_since(
        &self,
        status_shard: &str,
        since: Timestamp,
        from: Option<StatusPage>,
    ) -> Result<(Vec<IndexEntry>, Option<StatusPage>), CallError> {
        self.by_status_page(status_shard, Part::Since(since), from).await
    }

    /// The same, the last first.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn by_status_backwards(
        &self,
        status_shard: &str,
        since: Timestamp,
        from: Option<StatusPage>,
    ) -> Result<(Vec<IndexEntry>, Option<StatusPage>), CallError> {
        self.by_status_page(status_shard, Part::Backwards(since), from).await
    }
}
