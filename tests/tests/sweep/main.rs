//! The sweep, as λ schedule launches it: what was lost is found, what hangs is moved, what is left over is cleared
//! away, and it is mailed.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod collect;
mod dead_letters;
mod open;
mod reconcile;
mod report;
mod schedule;

use std::time::Duration;

/// Lets this many minutes pass.
async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

/// Two columns and this many rows, numbered from `first`.
fn csv(first: usize, rows: usize) -> String {
    let rows = (first..first + rows).map(|row| format!("{row},name {row}\n"));
    std::iter::once("id,name\n".to_owned()).chain(rows).collect()
}

/// The records of [`csv`].
fn records(first: usize, rows: usize) -> Vec<String> {
    (first..first + rows).map(|row| format!(r#"{{"id":{row},"name":"name {row}"}}"#)).collect()
}
