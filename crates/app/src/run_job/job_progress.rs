//! How far an attempt is. Every renewal of its claim writes this to the ledger.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// How far an attempt is.
#[derive(Debug, Default)]
pub(crate) struct JobProgress {
    rows_written: AtomicU64,
    reported: Mutex<Option<String>>,
}

impl JobProgress {
    /// How many rows DynamoDB has taken so far.
    pub(crate) fn rows_written(&self) -> u64 {
        self.rows_written.load(Ordering::Relaxed)
    }

    /// Counts rows that DynamoDB has taken.
    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows_written.fetch_add(rows, Ordering::Relaxed);
    }

    /// The last progress line of the pipeline's command, such as `120/400 resizing`.
    pub(crate) fn reported(&self) -> Option<String> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a progress line of the pipeline's command.
    pub(crate) fn report(&self, progress: String) {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }
}
