//! SNS: mails to the people who asked for them, and the same in short to chat channels.

use std::time::Duration;

use super::{CallError, Clients, rate_limit::RateLimit};
use domain::{
    mail::Mail,
    settings::{Settings, SettingsError, variables},
};
use telemetry::metrics::{self, Metric};

/// How many mails one process hands to SNS within a second. SNS suspends an address that gets more than ten a second,
/// silently and until a person confirms it again; the template runs the function that mails twice at once at most.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
const MAILS: usize = 4;

/// The topics that people and chat channels subscribe to. Clones share one rate limit.
#[derive(Debug, Clone)]
pub struct Mailer {
    clients: Clients,
    topic: String,
    chat_topic: Option<String>,
    rate_limit: RateLimit,
}

impl Mailer {
    /// The topics of the environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn of(clients: &Clients, settings: &Settings) -> Result<Self, SettingsError> {
        let mailer = Self::new(clients, &settings.get(variables::MAIL_TOPIC)?);
        Ok(Self { chat_topic: settings.get(variables::CHAT_TOPIC)?, ..mailer })
    }

    /// The topic of mails with this ARN, and no chat.
    #[must_use]
    pub fn new(clients: &Clients, topic: &str) -> Self {
        let rate_limit = RateLimit::new(MAILS, Duration::from_secs(1));
        Self { clients: clients.clone(), topic: topic.to_owned(), chat_topic: None, rate_limit }
    }

    /// The same, for at most `mails` mails a second.
    #[must_use]
    pub fn rate_limited(self, mails: usize) -> Self {
        Self { rate_limit: RateLimit::new(mails, Duration::from_secs(1)), ..self }
    }

    /// Hands a mail to SNS, after a wait if there are many, and then the same in short to the chat channels. SNS has no token
    /// that would make a repeat the same mail. So a notification for the chat that SNS refuses is logged and counted, and
    /// not an error: a repeat would send the mail again.
    ///
    /// # Errors
    /// [`CallError`]: the mail may have been sent, and the chat has nothing of it.
    pub async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        let publish =
            self.clients.sns().publish().topic_arn(&self.topic).subject(&mail.subject).message(&mail.body);
        let sent = self.rate_limit.run(publish.send()).await;
        sent.map_err(|e| {
            metrics::put(Metric::MailsRefused, 1);
            CallError::of(format!("mail {:?}", mail.subject), e)
        })?;
        self.notify_chat(mail).await;
        Ok(())
    }

    async fn notify_chat(&self, mail: &Mail) {
        let Some(topic) = &self.chat_topic else { return };
        let published = self.clients.sns().publish().topic_arn(topic).message(mail.to_chat()).send().await;
        if let Err(error) = published {
            metrics::put(Metric::MailsRefused, 1);
            let error = CallError::of(format!("notify the chat of {:?}", mail.subject), error);
            tracing::error!(
                error = telemetry::causes(&error),
                "failed to notify the chat; its mail was sent, so it is not repeated"
            );
        }
    }
}
