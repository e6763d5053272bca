//! How far an attempt is. Every renewal of its claim writes this to the ledger.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::destination::{TableCounts, guard::WriteOutcome};
use tokio::time::Instant;

/// How far an attempt is.
#[derive(Debug, Default)]
pub(crate) struct JobProgress {
    rows_written: AtomicU64,
    reported: Mutex<Option<String>>,
    table: Mutex<TableCounts>,
    reading: Mutex<Option<Reading>>,
}

/// How far an object is read, from its first byte to its last. It is read more than once.
#[derive(Debug)]
struct Reading {
    began: Instant,
    bytes: u64,
    of_bytes: u64,
}

/// How much was read, and how fast, such as `45% checked, 31 MB/s`.
fn words(what: &str, bytes: u64, of_bytes: u64, took: Duration) -> String {
    let share = u128::from(bytes.min(of_bytes)) * 100 / u128::from(of_bytes.max(1));
    let rate = bytes as f64 / took.as_secs_f64().max(0.001) / 1e6;
    if rate < 9.95 {
        format!("{share}% {what}, {rate:.1} MB/s")
    } else {
        format!("{share}% {what}, {rate:.0} MB/s")
    }
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

    /// A reading of an object of this size begins.
    pub(crate) fn begin_reading(&self, of_bytes: u64) {
        let reading = Reading { began: Instant::now(), bytes: 0, of_bytes };
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    /// Counts bytes of the present reading.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        if let Some(reading) = &mut *self.reading.lock().unwrap_or_else(PoisonError::into_inner) {
            reading.bytes += bytes as u64;
        }
    }

    /// How far it is: the last progress line of the pipeline's command, such as `120/400 resizing`; else how much of the
    /// object is read. None before the first byte.
    pub(crate) fn reported(&self) -> Option<String> {
        let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner).clone();
        reported.or_else(|| {
            let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            let Reading { began, bytes, of_bytes } = reading.as_ref()?;
            // Nothing is written before all of it was checked.
            let what = if self.rows_written() > 0 { "written" } else { "checked" };
            Some(words(what, *bytes, *of_bytes, began.elapsed()))
        })
    }

    /// Records a progress line of the pipeline's command.
    pub(crate) fn report(&self, progress: String) {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reading_shows_its_share_and_its_rate() {
        let progress = JobProgress::default();
        assert_eq!(progress.reported(), None);
        progress.begin_reading(200_000_000);
        progress.add_bytes(90_000_000);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(progress.reported().as_deref(), Some("45% checked, 30 MB/s"));
        progress.begin_reading(200_000_000);
        progress.add_rows(25);
        progress.add_bytes(1_000_000);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(progress.reported().as_deref(), Some("0% written, 0.5 MB/s"));
        progress.report("120/400 resizing".to_owned());
        assert_eq!(progress.reported().as_deref(), Some("120/400 resizing"));
    }

    #[test]
    fn an_empty_object_and_no_time_are_no_division_by_zero() {
        assert_eq!(words("checked", 0, 0, Duration::ZERO), "0% checked, 0.0 MB/s");
        assert_eq!(words("checked", 7, 5, Duration::from_secs(1)), "100% checked, 0.0 MB/s");
    }
}
