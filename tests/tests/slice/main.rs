//! The main path from an uploaded object to its records, whatever fails on the way.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod archives;
mod breaker;
mod capacity;
mod deletes;
mod drift;
mod empty;
mod events;
mod existing_bucket;
mod faults;
mod forget;
mod hangs;
mod kills;
mod kinds;
mod launching;
mod mail;
mod messages;
mod natural;
mod overwrite;
mod own_table;
mod own_table_deletes;
mod parquet;
mod seeds;
mod stops;
mod uploads;

/// Two columns and this many rows, numbered from `first`.
fn csv(first: usize, rows: usize) -> String {
    let rows = (first..first + rows).map(|row| format!("{row},name {row}\n"));
    std::iter::once("id,name\n".to_owned()).chain(rows).collect()
}

/// The records of [`csv`].
fn records(first: usize, rows: usize) -> Vec<String> {
    (first..first + rows).map(|row| format!(r#"{{"id":{row},"name":"name {row}"}}"#)).collect()
}
