//! The backlog: the SQS queue of jobs that wait for pooled workers, as a worker sees it.
//!
//! A message that is received is hidden from all others for a time, which its holder extends; it is gone only when it is
//! deleted. Whatever the holder's death leaves behind is shown to another after that time.

use domain::text::count;
use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName,
};

use super::{CallError, Clients};

/// SQS's limit for one call: messages received, hidden for longer, or deleted (SQS developer guide, "Quotas").
pub const BATCH_MESSAGES: usize = 10;

/// The longest that a receive waits for a first message (ReceiveMessage, `WaitTimeSeconds`).
pub const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The backlog.
#[derive(Debug, Clone)]
pub struct Backlog {
    clients: Clients,
    url: String,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// SQS's id of it, for logs.
    pub id: String,
    /// What it says.
    pub body: String,
    /// What it is hidden and deleted by. Every receive of a message gives another.
    pub receipt: String,
    /// About how often it was received, this time included.
    pub receives: u32,
}

/// A message that a call did not do what it was asked to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the receipts that were given.
    pub index: usize,
    /// SQS's code for why, such as `ReceiptHandleIsInvalid`.
    pub code: String,
    /// Whether the same may succeed later. Of a message that is deleted or held by another, it may not.
    pub is_retryable: bool,
}

impl Backlog {
    /// The queue with this URL.
    #[must_use]
    pub fn new(clients: &Clients, url: &str) -> Self {
        Self { clients: clients.clone(), url: url.to_owned() }
    }

    /// Receives up to `most` messages, at most [`BATCH_MESSAGES`], waiting up to `wait`, at most [`LONGEST_WAIT`] and in
    /// whole seconds, for the first. They are hidden for the queue's visibility timeout.
    ///
    /// # Errors
    /// [`CallError`]: messages may be hidden that nobody holds; they are shown again.
    pub async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, CallError> {
        let attempt = || format!("receive from {}", self.url);
        let whole = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
        let call = self
            .clients
            .sqs_long_polls()
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(whole(most.clamp(1, BATCH_MESSAGES) as u64))
            .wait_time_seconds(whole(wait.min(LONGEST_WAIT).as_secs()))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = call.send().await.map_err(|e| CallError::of(attempt(), e))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        let deliveries = messages.map(|message| {
            let receives = message
                .attributes
                .as_ref()
                .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
                .and_then(|count| count.parse().ok());
            let receipt = message.receipt_handle;
            Ok(Delivery {
                id: message.message_id.unwrap_or_default(),
                body: message.body.unwrap_or_default(),
                receipt: receipt
                    .ok_or_else(|| CallError::malformed_response(attempt(), "a message without a receipt"))?,
                receives: receives.unwrap_or(1),
            })
        });
        deliveries.collect()
    }

    /// Sets the visibility timeout of these messages, at most [`BATCH_MESSAGES`], from now on; zero shows them at once.
    /// Returns those that SQS did not change, which a 200 answer lists.
    ///
    /// # Errors
    /// [`CallError`]: the timeout may be set; a repeat sets it anew from then on.
    pub async fn change_visibility(
        &self,
        receipts: &[String],
        time: Duration,
    ) -> Result<Vec<Failure>, CallError> {
        let attempt =
            || format!("change the visibility of {} of {}", count(receipts.len(), "message"), self.url);
        let seconds = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let mut call = self.clients.sqs().change_message_visibility_batch().queue_url(&self.url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(receipt).visibility_timeout(seconds).build();
            call = call.entries(entry.map_err(|e| CallError::malformed_response(attempt(), e))?);
        }
        let answer = call.send().await.map_err(|e| CallError::of(attempt(), e))?;
        failures(&answer.failed, attempt)
    }

    /// Deletes these messages, at most [`BATCH_MESSAGES`], and returns those that it did not: they are listed in a 200.
    /// Durable on return, but SQS may show a deleted message once more. A repeat changes nothing.
    ///
    /// # Errors
    /// [`CallError`]: they may be deleted.
    pub async fn delete(&self, receipts: &[String]) -> Result<Vec<Failure>, CallError> {
        let attempt = || format!("delete {} of {}", count(receipts.len(), "message"), self.url);
        let mut call = self.clients.sqs().delete_message_batch().queue_url(&self.url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry =
                DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt);
            call = call.entries(entry.build().map_err(|e| CallError::malformed_response(attempt(), e))?);
        }
        let answer = call.send().await.map_err(|e| CallError::of(attempt(), e))?;
        failures(&answer.failed, attempt)
    }
}

fn failures(
    failed: &[BatchResultErrorEntry],
    attempt: impl Fn() -> String,
) -> Result<Vec<Failure>, CallError> {
    let failure = |entry: &BatchResultErrorEntry| {
        let index = entry.id().parse().map_err(|e| CallError::malformed_response(attempt(), e))?;
        Ok(Failure { index, code: entry.code().to_owned(), is_retryable: !entry.sender_fault() })
    };
    failed.iter().map(failure).collect()
}
