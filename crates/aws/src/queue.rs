//! SQS: putting messages on a queue.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{MessageAttributeValue, QueueAttributeName},
};

use super::{CallError, Clients};
use domain::{job::Reason, retry::LONGEST_MESSAGE_DELAY};

/// A queue that this program sends to.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// About how many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be received.
    pub visible: u64,
    /// Received and neither deleted nor visible again.
    pub in_flight: u64,
}

impl Queue {
    /// The queue with this URL.
    #[must_use]
    pub fn new(clients: &Clients, url: &str) -> Self {
        Self { client: clients.sqs().clone(), url: url.to_owned() }
    }

    /// Sends a message that becomes visible after `delay`, at most 15 minutes. Durable on return; a repeat is a
    /// second message.
    ///
    /// # Errors
    /// [`CallError`]: it may have been sent.
    pub async fn send(&self, body: &str, delay: Duration) -> Result<(), CallError> {
        // At most 900: it fits.
        let seconds = i32::try_from(delay.min(LONGEST_MESSAGE_DELAY).as_secs()).unwrap_or(i32::MAX);
        let send = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(seconds);
        send.send().await.map(drop).map_err(|e| CallError::of(format!("send to {}", self.url), e))
    }

    /// How many messages it holds, about: SQS's counts settle a minute after the last change.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn counts(&self) -> Result<Counts, CallError> {
        let (waiting, held) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let call = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = call.attribute_names(waiting.clone()).attribute_names(held.clone()).send().await;
        let attempt = || format!("count the messages of {}", self.url);
        let answer = answer.map_err(|e| CallError::of(attempt(), e))?;
        let count = |name| {
            let text = answer.attributes().and_then(|all| all.get(&name)).map(String::as_str);
            let count = text.unwrap_or_default().parse();
            count.map_err(|e| CallError::malformed_response(attempt(), e))
        };
        Ok(Counts { visible: count(waiting)?, in_flight: count(held)? })
    }

    /// Sends a message that needs a person, with the reason in its attributes `reason` and `detail`.
    ///
    /// # Errors
    /// [`CallError`]: it may have been sent.
    pub async fn dead_letter(&self, body: &str, reason: &Reason) -> Result<(), CallError> {
        let attempt = || format!("send to {}", self.url);
        let attribute = |value: &str| {
            let value = MessageAttributeValue::builder().data_type("String").string_value(sendable(value));
            value.build().map_err(|e| CallError::malformed_response(attempt(), e))
        };
        let send = self.client.send_message().queue_url(&self.url).message_body(sendable(body));
        let send = send.message_attributes("reason", attribute(reason.code.as_str())?);
        let send = send.message_attributes("detail", attribute(&reason.message)?);
        send.send().await.map(drop).map_err(|e| CallError::of(attempt(), e))
    }
}

/// SQS refuses control characters other than tab, line feed and carriage return, and empty values.
fn sendable(text: &str) -> String {
    let clean = |c: char| match c {
        '\t' | '\n' | '\r' => c,
        c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    if text.is_empty() { "(empty)".to_owned() } else { text.chars().map(clean).collect() }
}
