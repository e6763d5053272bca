//! How far an attempt is. Every renewal of its claim writes this to the ledger.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use domain::destination::{TableCounts, guard::WriteOutcome};

/// How far an attempt is.
#[derive(Debug, Default)]
pub(crate) struct JobProgress {
    rows_written: AtomicU64,
    reported: Mutex<Option<String>>,
    table: Mutex<TableCounts>,
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

    /// Counts what became of a row in a table of the user's own.
    pub(crate) fn count(&self, outcome: WriteOutcome) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
    }

    /// Counts rows that were written without a condition.
    pub(crate) fn add_written(&self, rows: u64) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).written += rows;
    }

    /// What became of the rows so far in a table of the user's own.
    pub(crate) fn table_counts(&self) -> TableCounts {
        *self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
