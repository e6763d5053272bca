//! The rejects object of a quarantined job: the rows that were left out, as JSON Lines, each with its number, the
//! reason and its raw text.

use aws::{
    CallError,
    objects::{Objects, Writing},
};
use domain::job::Job;
use serde_json::json;

use readers::Reject;

/// A rejects object being written. Its key is the job's, so a repeat writes the same object again.
#[derive(Debug)]
pub(crate) struct Rejects(Writing);

impl Rejects {
    /// In the job's own bucket, under `prefix`, which nothing watches.
    pub(crate) fn create(objects: &Objects, prefix: &str, job: &Job) -> Self {
        let object = &job.object;
        // A key has 1,024 bytes: the id must fit, so a long key loses its end.
        let mut room = 1_024_usize.saturating_sub(prefix.len() + 40).min(object.key.len());
        while !object.key.is_char_boundary(room) {
            room -= 1;
        }
        let key = format!("{prefix}{}/{}.jsonl", &object.key[..room], job.id);
        Self(objects.create(&object.bucket, &key))
    }

    /// Adds a row.
    pub(crate) async fn add(&mut self, row: u64, reject: &Reject) -> Result<(), CallError> {
        let reason = reject.reason.code();
        let line = json!({ "row": row, "reason": reason, "message": reject.message, "raw": reject.raw });
        self.0.write(format!("{line}\n").as_bytes()).await
    }

    /// Makes the object visible.
    pub(crate) async fn finish(self) -> Result<(), CallError> {
        self.0.finish().await
    }
}
