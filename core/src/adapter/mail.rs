//! SNS: mails to the people who asked for them.

use std::{sync::Arc, time::Duration};

use aws_sdk_sns::Client;
use tokio::sync::Semaphore;

use super::{CallError, SdkConfig};
use crate::mail::Mail;

/// How many mails one process hands to SNS within [`PACE`]. SNS suspends an address that gets more than ten a second,
/// silently and until a person confirms it again; the template runs the function that mails twice at once at most.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
const MAILS: usize = 4;
const PACE: Duration = Duration::from_secs(1);

/// The topic that people subscribe to. Clones keep one pace.
#[derive(Debug, Clone)]
pub struct Post {
    client: Client,
    topic: String,
    turns: Arc<Semaphore>,
}

impl Post {
    /// The topic with this ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, topic: &str) -> Self {
        let turns = Arc::new(Semaphore::new(MAILS));
        Self { client: Client::new(config), topic: topic.to_owned(), turns }
    }

    /// Hands a mail to SNS, after a wait if there are many. SNS has no token that would make a repeat the same
    /// mail.
    ///
    /// # Errors
    /// [`CallError`]: it may have been sent.
    pub async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        // Never closed, so never an error.
        let turn = self.turns.clone().acquire_owned().await.ok();
        let publish = self.client.publish().topic_arn(&self.topic).subject(&mail.subject).message(&mail.body);
        let sent = publish.send().await;
        // Counted from the answer: SNS may have got it as late as that.
        tokio::spawn(async move {
            tokio::time::sleep(PACE).await;
            drop(turn);
        });
        sent.map(drop).map_err(|e| CallError::of(format!("mail {:?}", mail.subject), e))
    }
}
