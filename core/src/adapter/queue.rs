//! SQS: putting messages on a queue.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::MessageAttributeValue};

use super::{CallError, SdkConfig};
use crate::job::Reason;

/// SQS's longest delay (SendMessage, `DelaySeconds`).
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// A queue that this program sends to.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue with this URL.
    #[must_use]
    pub fn new(config: &SdkConfig, url: &str) -> Self {
        Self { client: Client::new(config), url: url.to_owned() }
    }

    /// Sends a message that becomes visible after `delay`, at most 15 minutes. Durable on return; a repeat is a
    /// second message.
    ///
    /// # Errors
    /// [`CallError`]: it may have been sent.
    pub async fn send(&self, body: &str, delay: Duration) -> Result<(), CallError> {
        // At most 900: it fits.
        let seconds = i32::try_from(delay.min(LONGEST_DELAY).as_secs()).unwrap_or(i32::MAX);
        let send = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(seconds);
        send.send().await.map(drop).map_err(|e| CallError::of(format!("send to {}", self.url), e))
    }

    /// Sends a message that needs a person, with the reason in its attributes `reason` and `detail`.
    ///
    /// # Errors
    /// [`CallError`]: it may have been sent.
    pub async fn bury(&self, body: &str, reason: &Reason) -> Result<(), CallError> {
        let attempt = || format!("send to {}", self.url);
        let attribute = |value: &str| {
            let value = MessageAttributeValue::builder().data_type("String").string_value(sendable(value));
            value.build().map_err(|e| CallError::nonsense(attempt(), e))
        };
        let send = self.client.send_message().queue_url(&self.url).message_body(sendable(body));
        let send = send.message_attributes("reason", attribute(&reason.code)?);
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
