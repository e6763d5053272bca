//! What an attempt has done so far: what a renewal of its claim tells the ledger.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// How far an attempt is.
#[derive(Debug, Default)]
pub(crate) struct Doing {
    /// Rows written.
    pub(crate) written: AtomicU64,
    progress: Mutex<Option<String>>,
}

impl Doing {
    /// How many rows are written.
    pub(crate) fn records(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// What its command said last of how far it is.
    pub(crate) fn progress(&self) -> Option<String> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what its command says of how far it is.
    pub(crate) fn is_at(&self, progress: String) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }
}
