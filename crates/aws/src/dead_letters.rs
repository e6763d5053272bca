//! The dead letters, as a person looks at them. They lie in two queues: failed jobs, each of which was mailed, and messages
//! that could not be delivered or processed, for which an alarm goes off. Here they are one list.
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

/// The dead-letter queues.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    queues: [DeadLetterQueue; 2],
}

/// One of them.
#[derive(Debug, Clone)]
struct DeadLetterQueue {
    client: Client,
    url: String,
    queue: Queue,
    backlog: Backlog,
}

/// What a message is given back and deleted by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Which of the queues it was received from.
    queue: usize,
    handle: String,
}

/// A message that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's id of it, which stays when it is received again.
    pub id: String,
    /// What it says.
    pub body: String,
    /// What it is given back and deleted by.
    pub receipt: Receipt,
    /// When it was sent here, or first sent to the queue that gave it up.
    pub sent_at: Option<Timestamp>,
    /// The code of the reason: ours, or that of the AWS service which could not deliver it.
    pub reason: Option<String>,
    /// The reason in words.
    pub detail: Option<String>,
}

impl DeadLetters {
    /// The queues with these URLs: of messages that could not be delivered or processed, and of failed jobs.
    #[must_use]
    pub fn new(clients: &Clients, undelivered: &str, failed_jobs: &str) -> Self {
        let queue = |url: &str| DeadLetterQueue {
            client: clients.sqs().clone(),
            url: url.to_owned(),
            queue: Queue::new(clients, url),
            backlog: Backlog::new(clients, url),
        };
        Self { queues: [queue(undelivered), queue(failed_jobs)] }
    }

    /// Receives some messages, at most [`BATCH_MESSAGES`] of each queue, and hides them for `hidden`. None: there are no
    /// more that are not hidden. A call may give fewer than there are.
    ///
    /// # Errors
    /// [`CallError`]: some may be hidden for so long.
    pub async fn receive(&self, hidden: Duration) -> Result<Vec<DeadLetter>, CallError> {
        let [undelivered, failed_jobs] = &self.queues;
        let (mut letters, failed) =
            tokio::try_join!(undelivered.receive(0, hidden), failed_jobs.receive(1, hidden))?;
        letters.extend(failed);
        Ok(letters)
    }

    /// Shows these messages to others again. Those for which it fails are shown by themselves after their time.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn give_back(&self, receipts: &[Receipt]) -> Result<(), CallError> {
        for (number, queue) in self.queues.iter().enumerate() {
            let of_queue = receipts.iter().filter(|receipt| receipt.queue == number);
            let handles: Vec<String> = of_queue.map(|receipt| receipt.handle.clone()).collect();
            for some in handles.chunks(BATCH_MESSAGES) {
                queue.backlog.change_visibility(some, Duration::ZERO).await?;
            }
        }
        Ok(())
    }

    /// Deletes a message. Durable on return; a repeat changes nothing.
    ///
    /// # Errors
    /// [`CallError`]: it may be deleted, or was shown to somebody else before.
    pub async fn delete(&self, letter: &DeadLetter) -> Result<(), CallError> {
        let Receipt { queue, handle } = &letter.receipt;
        let queue = &self.queues[*queue];
        let failed = queue.backlog.delete(std::slice::from_ref(handle)).await?;
        match failed.first() {
            None => Ok(()),
            Some(failure) => {
                let attempt = format!("delete message {} of {}", letter.id, queue.url);
                Err(CallError::retries_exhausted(attempt, failure.code.clone()))
            }
        }
    }

    /// How many there are, about.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn counts(&self) -> Result<Counts, CallError> {
        let [undelivered, failed_jobs] = &self.queues;
        let (undelivered, failed_jobs) =
            tokio::try_join!(undelivered.queue.counts(), failed_jobs.queue.counts())?;
        Ok(Counts {
            visible: undelivered.visible + failed_jobs.visible,
            in_flight: undelivered.in_flight + failed_jobs.in_flight,
        })
    }
}

impl DeadLetterQueue {
    /// Receives some messages of this queue, which is the one of this number.
    async fn receive(&self, number: usize, hidden: Duration) -> Result<Vec<DeadLetter>, CallError> {
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
            read(message, number)
                .ok_or_else(|| CallError::malformed_response(attempt(), "a message without id or receipt"))
        });
        letters.collect()
    }
}

/// Names of the attributes that say why: ours, and EventBridge's.
const REASON: [&str; 2] = ["reason", "ERROR_CODE"];
const DETAIL: [&str; 2] = ["detail", "ERROR_MESSAGE"];

fn read(message: Message, queue: usize) -> Option<DeadLetter> {
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
        receipt: Receipt { queue, handle: message.receipt_handle? },
        body: message.body.unwrap_or_default(),
    })
}
