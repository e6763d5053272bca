//! Deleting what is settled, in batches: SQS is paid by the call.

use std::time::Duration;

use aws::backlog::{BATCH_MESSAGES, Backlog};
use domain::backoff;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, warn};

use super::CALL;

/// How long a settled message waits for others at most.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// How often a batch is tried. A message that stays comes again, and is found settled.
const TRIES: u32 = 3;

/// The messages on their way out.
#[derive(Debug)]
pub(super) struct Deletes {
    send: mpsc::UnboundedSender<String>,
    deleting: AbortOnDropHandle<()>,
}

impl Deletes {
    pub(super) fn begin(backlog: Backlog) -> Self {
        // Not bounded: it holds receipts, of which there are as many as objects in a second or so.
        let (send, receive) = mpsc::unbounded_channel();
        Self { send, deleting: AbortOnDropHandle::new(tokio::spawn(run(backlog, receive))) }
    }

    /// To give receipts to.
    pub(super) fn sender(&self) -> mpsc::UnboundedSender<String> {
        self.send.clone()
    }

    /// Waits until all that was given is dealt with. No sender may be left.
    pub(super) async fn finish(self) {
        drop(self.send);
        if let Err(panic) = self.deleting.await {
            error!(error = telemetry::causes(&panic), "settled messages were not deleted: they come again");
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
                // Nothing more in time, or nothing more at all.
                Ok(None) | Err(_) => break,
            }
        }
        delete(&backlog, batch).await;
    }
}

/// Deletes what can be deleted. Dying here shows the messages once more: their jobs are found settled.
async fn delete(backlog: &Backlog, mut receipts: Vec<String>) {
    for n in 0..TRIES {
        match timeout(CALL, backlog.delete(&receipts)).await {
            Ok(Ok(failures)) => {
                for failure in failures.iter().filter(|failure| !failure.is_retryable) {
                    warn!(code = failure.code, "a settled message is not to be deleted: it was shown again");
                }
                let again = failures.iter().filter(|failure| failure.is_retryable);
                receipts = again.filter_map(|failure| receipts.get(failure.index).cloned()).collect();
                if receipts.is_empty() {
                    return;
                }
            }
            Ok(Err(error)) => {
                warn!(error = telemetry::causes(&error), "settled messages are not deleted");
                if !error.is_retryable() {
                    return;
                }
            }
            Err(_elapsed) => {
                warn!(messages = receipts.len(), "the delete of settled messages takes too long")
            }
        }
        let wait = backoff::delay(n, Duration::from_millis(200), Duration::from_secs(2), fastrand::f64());
        tokio::time::sleep(wait).await;
    }
    warn!(messages = receipts.len(), "settled messages are left: they come again, and are found settled");
}
