//! SNS: mails to the people who asked for them.

use std::time::Duration;

use super::{CallError, Clients, rate_limit::RateLimit};
use domain::mail::Mail;
use telemetry::metrics::{self, Metric};

/// How many mails one process hands to SNS within a second. SNS suspends an address that gets more than ten a second,
/// silently and until a person confirms it again; the template runs the function that mails twice at once at most.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
const MAILS: usize = 4;

/// The topic that people subscribe to. Clones share one rate limit.
#[derive(Debug, Clone)]
pub struct Mailer {
    clients: Clients,
    topic: String,
    rate_limit: RateLimit,
}

impl Mailer {
    /// The topic with this ARN.
    #[must_use]
    pub fn new(clients: &Clients, topic: &str) -> Self {
        Self::rate_limited(clients, topic, MAILS)
    }

    /// The topic with this ARN, for at most `mails` mails a second.
    #[must_use]
    pub fn rate_limited(clients: &Clients, topic: &str, mails: usize) -> Self {
        let rate_limit = RateLimit::new(mails, Duration::from_secs(1));
        Self { clients: clients.clone(), topic: topic.to_owned(), rate_limit }
    }

    /// Hands a mail to SNS, after a wait if there are many. SNS has no token that would make a repeat the same
    /// mail.
    ///
    /// # Errors
    /// [`CallError`]: it may have been sent.
    pub async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        let publish =
            self.clients.sns().publish().topic_arn(&self.topic).subject(&mail.subject).message(&mail.body);
        let sent = self.rate_limit.run(publish.send()).await;
        sent.map(drop).map_err(|e| {
            metrics::put(Metric::MailsRefused, 1);
            CallError::of(format!("mail {:?}", mail.subject), e)
        })
    }
}
