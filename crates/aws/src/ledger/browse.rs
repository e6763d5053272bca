//! The ledger's index as a person goes through it: by time, and from its end.

use jiff::Timestamp;

use super::{
    Ledger, ShelfPage,
    shelves::{Part, Shelved},
};
use crate::CallError;

impl Ledger {
    /// A page of the jobs that were put on a shelf since this time, with those times, the first first, and the token of
    /// the next: as [`Ledger::shelf`] has them.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn shelf_since(
        &self,
        shelf: &str,
        since: Timestamp,
        from: Option<ShelfPage>,
    ) -> Result<(Vec<Shelved>, Option<ShelfPage>), CallError> {
        self.shelf_page(shelf, Part::Since(since), from).await
    }

    /// The same, the last first.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn shelf_backwards(
        &self,
        shelf: &str,
        since: Timestamp,
        from: Option<ShelfPage>,
    ) -> Result<(Vec<Shelved>, Option<ShelfPage>), CallError> {
        self.shelf_page(shelf, Part::Backwards(since), from).await
    }
}
