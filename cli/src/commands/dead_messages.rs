//! Messages of the dead-letter queue on their way through a command.

use std::{collections::HashSet, time::Duration};

use aws::dead_letters::{DeadLetter, Receipt};
use domain::{
    events::S3Change,
    message::{self, Message},
    object,
};

use crate::output::one_line;

/// The visibility timeout of messages that are listed; they become visible earlier when the command ends.
pub(super) const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(120);

/// Messages that were received and must become visible again.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Their receipt handles.
    pub(super) receipts: Vec<Receipt>,
    ids: HashSet<String>,
}

impl Received {
    /// Adds a message. False when it was received before: its visibility timeout has expired.
    pub(super) fn add(&mut self, dead_letter: &DeadLetter) -> bool {
        self.receipts.push(dead_letter.receipt.clone());
        self.ids.insert(dead_letter.id.clone())
    }

    /// Whether this message was received before.
    pub(super) fn has(&self, dead_letter: &DeadLetter) -> bool {
        self.ids.contains(&dead_letter.id)
    }
}

/// A text of others on one line, and not too much of it.
pub(super) fn short(text: &str) -> String {
    domain::text::shortened(&one_line(text), 400)
}

/// What a message is, in a few words.
pub(super) fn summary(body: &str) -> String {
    match message::read(body) {
        Message::Job(due) => format!("attempt {} of job {}", due.attempt, due.job),
        Message::Object(asked) => format!("a request to process {}", object::uri(&asked.bucket, &asked.key)),
        Message::Failed(failed) => format!("the failure mail of job {}", failed.failed),
        Message::S3(changes) => {
            let objects: Vec<_> = changes.changes.iter().map(S3Change::uri).collect();
            format!("the S3 event of {}", objects.join(", "))
        }
        Message::S3Test { bucket } => format!("S3's announcement of its notifications of bucket {bucket}"),
        Message::Task(change) => format!("the stop event of task {}", change.task_arn),
        Message::Foreign => "an event of another system".to_owned(),
        Message::Malformed { reason } => format!("an unreadable message: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_received_twice_is_known() {
        let message = DeadLetter {
            id: "m".into(),
            body: "{}".into(),
            receipt: Receipt::default(),
            sent_at: None,
            reason: None,
            detail: None,
        };
        let mut received = Received::default();
        assert!(received.add(&message));
        assert!(!received.add(&message));
        assert_eq!(received.receipts.len(), 2, "only the newer receipt is valid");
    }
}
