//! Deletes messages that are done, in batches: SQS charges by the call.

use std::time::Duration;

use aws::backlog::{BATCH_MESSAGES, Backlog};
use domain::{retry::DELETE_MESSAGES, text::count};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, warn};

use super::call::{self, CALL};

/// How long a message that is done waits at most for others.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Collects messages that are done, and deletes them.
#[derive(Debug)]
pub(super) struct Deletes {
    send: mpsc::UnboundedSender<String>,
    deleting: AbortOnDropHandle<()>,
}

impl Deletes {
    pub(super) fn start(backlog: Backlog) -> Self {
        // Unbounded: it holds the receipt handles of about a second.
        let (send, receive) = mpsc::unbounded_channel();
        Self { send, deleting: AbortOnDropHandle::new(tokio::spawn(run(backlog, receive))) }
    }

    /// Takes the receipt handles of messages that are done.
    pub(super) fn sender(&self) -> mpsc::UnboundedSender<String> {
        self.send.clone()
    }

    /// Waits until all messages are deleted or have failed. All senders must be dropped before.
    pub(super) async fn finish(self) {
        drop(self.send);
        if let Err(panic) = self.deleting.await {
            error!(
                error = telemetry::causes(&panic),
                "failed to delete messages that are done: they will be delivered again"
            );
        }
    }
}

async fn run(backlog: Backlog, mut receive: mpsc::UnboundedReceiver<String>) {
    while let Some(first) = receive.recv().await {
        let mut batch = vec![first];
        let flush = Instant::now() + FLUSH_AFTER;
        while batch.len() < BATCH_MESSAGES {
            match timeout_at(flush, receive.recv()).await {
                Ok(Some(receipt)) => batch.push(receipt),
                // No further message in time, or the worker ends.
                Ok(None) | Err(_) => break,
            }
        }
        delete(&backlog, batch).await;
    }
}

/// Deletes what can be deleted. If the process is killed here, the messages are delivered again and their jobs are found
/// settled.
async fn delete(backlog: &Backlog, mut receipts: Vec<String>) {
    for n in 0..DELETE_MESSAGES.attempts {
        match call::within(CALL, "delete messages", backlog.delete(&receipts)).await {
            Ok(failures) => {
                for failure in failures.iter().filter(|failure| !failure.is_retryable) {
                    warn!(
                        code = failure.code,
                        "failed to delete a message, which was delivered again: {}", failure.code
                    );
                }
                let again = failures.iter().filter(|failure| failure.is_retryable);
                receipts = again.filter_map(|failure| receipts.get(failure.index).cloned()).collect();
                if receipts.is_empty() {
                    return;
                }
            }
            Err(error) => {
                warn!(
                    error = telemetry::causes(&error),
                    "failed to delete {} that are done",
                    count(receipts.len(), "message")
                );
                if !error.is_retryable() {
                    return;
                }
            }
        }
        tokio::time::sleep(DELETE_MESSAGES.delay(n, fastrand::f64())).await;
    }
    let messages = count(receipts.len(), "message");
    warn!("failed to delete {messages} that are done: the queue will deliver them again");
}
