//! The dead-letter queue, as a person looks at it.
//!
//! SQS has no way to look at a message without receiving it. A received message is hidden from all others, so a reader that
//! only looks makes it visible again.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName},
};
use jiff::Timestamp;

use super::{
    CallError, Clients,
    backlog::{BATCH_MESSAGES, Backlog},
    queue::{Counts, Queue},
};

/// The dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    client: Client,
    url: String,
    queue: Queue,
    backlog: Backlog,
}

/// A message that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's id of it, which stays when it is received again.
    pub id: String,
    /// What it says.
    pub body: String,
    /// What it is given back and deleted by.
    pub receipt: String,
    /// When it was sent here, or first sent to the queue that gave it up.
    pub sent_at: Option<Timestamp>,
    /// The code of the reason: ours, or that of the AWS service which could not deliver it.
    pub reason: Option<String>,
    /// The reason in words.
    pub detail: Option<String>,
}

impl DeadLetters {
    /// The queue with this URL.
    #[must_use]
    pub fn new(clients: &Clients, url: &str) -> Self {
        Self {
            client: clients.sqs().clone(),
            url: url.to_owned(),
            queue: Queue::new(clients, url),
            backlog: Backlog::new(clients, url),
        }
    }

    /// Receives some messages, at most [`BATCH_MESSAGES`], and hides them for `hidden`. None: there are no more that are
    /// not hidden. A call may give fewer than there are.
    ///
    /// # Errors
    /// [`CallError`]: some may be hidden for so long.
    pub async fn receive(&self, hidden: Duration) -> Result<Vec<DeadLetter>, CallError> {
        let attempt = || format!("receive from {}", self.url);
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(BATCH_MESSAGES).unwrap_or(i32::MAX))
            .visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX))
            // Asks all of SQS's servers, not some: else an answer of none would mean little.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|e| CallError::of(attempt(), e))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        let letters = messages.map(|message| {
            read(message)
                .ok_or_else(|| CallError::malformed_response(attempt(), "a message without id or receipt"))
        });
        letters.collect()
    }

    /// Shows these messages to others again. Those for which it fails are shown by themselves after their time.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn give_back(&self, receipts: &[String]) -> Result<(), CallError> {
        for some in receipts.chunks(BATCH_MESSAGES) {
            self.backlog.change_visibility(some, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Deletes a message. Durable on return; a repeat changes nothing.
    ///
    /// # Errors
    /// [`CallError`]: it may be deleted, or was shown to somebody else before.
    pub async fn delete(&self, letter: &DeadLetter) -> Result<(), CallError> {
        let failed = self.backlog.delete(std::slice::from_ref(&letter.receipt)).await?;
        match failed.first() {
            None => Ok(()),
            Some(failure) => {
                let attempt = format!("delete message {} of {}", letter.id, self.url);
                Err(CallError::retries_exhausted(attempt, failure.code.clone()))
            }
        }
    }

    /// How many there are, about.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn counts(&self) -> Result<Counts, CallError> {
        self.queue.counts().await
    }
}

/// Names of the attributes that say why: ours, and EventBridge's.
const REASON: [&str; 2] = ["reason", "ERROR_CODE"];
const DETAIL: [&str; 2] = ["detail", "ERROR_MESSAGE"];

fn read(message: Message) -> Option<DeadLetter> {
    let word = |names: [&str; 2]| {
        let all = message.message_attributes.as_ref()?;
        let found = names.iter().find_map(|name| all.get(*name));
        found.and_then(|value| value.string_value.clone())
    };
    let sent =
        message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    let sent_at = sent.and_then(|text| text.parse().ok()).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Some(DeadLetter {
        reason: word(REASON),
        detail: word(DETAIL),
        sent_at,
        id: message.message_id?,
        receipt: message.receipt_handle?,
        body: message.body.unwrap_or_default(),
    })
}
