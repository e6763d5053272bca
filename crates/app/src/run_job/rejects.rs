//! The rejects object of a job whose pipeline quarantines bad rows: JSON Lines, one for each rejected row, with its
//! number among the rows, the line that it begins with, the reason and its raw text.

use aws::{
    CallError,
    objects::{Objects, Writing},
};
use domain::{
    job::Job,
    object::rejects_key,
    record::{self, Record},
};
use serde_json::json;

use readers::Reject;

/// A rejects object that is being written. Its key derives from the job, so a repeat writes the same object again.
#[derive(Debug)]
pub(crate) struct Rejects(Writing);

impl Rejects {
    /// Begins the object in the stack's own `bucket`, under `prefix`, which no rule watches.
    pub(crate) fn create(objects: &Objects, bucket: &str, prefix: &str, job: &Job) -> Self {
        let key = rejects_key(prefix, &job.object.key, job.id.as_str());
        Self(objects.create(bucket, &key))
    }

    /// Adds a rejected row.
    pub(crate) async fn add(&mut self, row: u64, reject: &Reject) -> Result<(), CallError> {
        let reason = reject.reason.code();
        let line = json!({ "row": row, "line": reject.place.line(), "reason": reason, "message": reject.message, "raw": reject.raw });
        self.0.write(format!("{line}\n").as_bytes()).await
    }

    /// Completes the upload, which makes the object visible.
    pub(crate) async fn finish(self) -> Result<(), CallError> {
        self.0.finish().await
    }
}

/// The first KiB of a record as JSON.
pub(crate) fn beginning_as_json(record: &Record) -> String {
    let mut json = Vec::new();
    // Writing to memory does not fail.
    drop(record::write_record_json(record, &mut json));
    json.truncate(1_024);
    String::from_utf8_lossy(&json).into_owned()
}
