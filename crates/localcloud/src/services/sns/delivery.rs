//! What a subscription gets of a message: a mail, a message in a queue, or a notification in a chat channel.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ACCESS_DENIED, MAILS_PER_SECOND, MAX_MESSAGE_BYTES, Mail, Protocol, Sns, State, Subscription, admits,
    chat, check_subject, invalid, new_id, no_such_topic,
};
use crate::{
    services::{
        iam::{RequiredAction, Who},
        sqs::{Attribute, AttributeValue, Attributes},
    },
    wire::{ApiError, REGION},
};

/// What a mail without a subject is called.
const DEFAULT_SUBJECT: &str = "AWS Notification Message";

/// A published message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) subject: Option<String>,
    /// What subscriptions get that have no text of their own.
    pub(super) default: String,
    /// What those of one protocol get.
    pub(super) texts: std::collections::BTreeMap<String, String>,
    pub(super) attributes: Attributes,
}

impl Message {
    /// The same text for all.
    pub(super) fn plain(subject: Option<&str>, text: &str) -> Self {
        Self {
            subject: subject.map(str::to_owned),
            default: text.to_owned(),
            texts: Default::default(),
            attributes: Attributes::new(),
        }
    }

    fn text(&self, protocol: Protocol) -> &str {
        self.texts.get(protocol.name()).unwrap_or(&self.default)
    }
}

/// A message on its way from a topic.
struct Publication<'a> {
    topic: &'a str,
    message: &'a Message,
    id: String,
    at: Timestamp,
}

impl Publication<'_> {
    /// The message as HTTP endpoints and queues get it, unsigned.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
    fn envelope(&self, subscription: &Subscription) -> Value {
        let region = format!("https://sns.{REGION}.amazonaws.com");
        let mut envelope = json!({
            "Type": "Notification",
            "MessageId": self.id,
            "TopicArn": self.topic,
            "Message": self.message.text(subscription.protocol),
            "Timestamp": self.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": format!("{region}/SimpleNotificationService.pem"),
            "UnsubscribeURL": format!("{region}/?Action=Unsubscribe&SubscriptionArn={}", subscription.arn),
        });
        if let Some(subject) = &self.message.subject {
            envelope["Subject"] = subject.as_str().into();
        }
        for (name, attribute) in &self.message.attributes {
            let value: Value = match &attribute.value {
                AttributeValue::Text(text) => text.as_str().into(),
                AttributeValue::Binary(bytes) => {
                    use base64::Engine as _;
                    base64::engine::general_purpose::STANDARD.encode(bytes).into()
                }
            };
            envelope["MessageAttributes"][name] = json!({ "Type": attribute.data_type, "Value": value });
        }
        envelope
    }

    /// What a queue gets.
    fn body(&self, subscription: &Subscription) -> (String, Attributes) {
        match subscription.protocol {
            Protocol::Sqs { raw: true } => {
                (self.message.text(subscription.protocol).to_owned(), self.message.attributes.clone())
            }
            _ => (self.envelope(subscription).to_string(), Attributes::new()),
        }
    }
}

impl Sns {
    /// Hands a message to every confirmed subscription and answers the message's id. When this returns the mails
    /// are in the mailbox, and the others in their queues and channels. There is no idempotence: a repeat, also of a publish that failed half way, mails again.
    ///
    /// What an address or queue does not take becomes a dead letter of its subscription, or is dropped with a warning.
    ///
    /// An address that gets more than ten mails within a second loses the eleventh and its subscription is
    /// suspended, without an error here, as on AWS.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` for a subject or message that SNS refuses; `InternalError` when a mail cannot
    /// be written.
    pub fn publish(&self, topic_arn: &str, subject: Option<&str>, message: &str) -> Result<String, ApiError> {
        self.publish_message(topic_arn, &Message::plain(subject, message))
    }

    /// The same as a service of AWS, for a resource of this account, where the topic's policy lets it.
    ///
    /// # Errors
    /// As of [`Self::publish`], and `AuthorizationError`.
    pub(crate) fn publish_as(
        &self,
        (who, source): (&Who, &str),
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
    ) -> Result<String, ApiError> {
        let required = RequiredAction::new("sns:Publish", topic_arn).from_source(source);
        if let Some(sqs) = &self.sqs {
            sqs.iam().authorize(who, &[required]).map_err(|refused| refused.api_error(ACCESS_DENIED))?;
        }
        self.publish(topic_arn, subject, message)
    }

    pub(super) fn publish_message(&self, topic_arn: &str, message: &Message) -> Result<String, ApiError> {
        let mut state = self.state();
        let Some(subscriptions) = state.topics.get(topic_arn).map(Vec::len) else {
            return Err(no_such_topic());
        };
        check_subject(message.subject.as_deref())?;
        if message.default.is_empty() {
            return Err(invalid("Empty message"));
        }
        if message.default.len() > MAX_MESSAGE_BYTES {
            return Err(invalid("Message too long"));
        }
        let publication = Publication { topic: topic_arn, message, id: new_id(), at: self.clock.now() };
        for index in 0..subscriptions {
            self.hand_over(&mut state, &publication, index)?;
        }
        Ok(publication.id)
    }

    /// Hands a message to one subscription. What it does not take becomes a dead letter, or is dropped with a warning.
    ///
    /// # Errors
    /// `InternalError` when a mail cannot be written.
    fn hand_over(&self, state: &mut State, of: &Publication<'_>, index: usize) -> Result<(), ApiError> {
        let State { topics, mailbox, bouncing, recent, chat } = state;
        let Some(subscription) = topics.get_mut(of.topic).and_then(|all| all.get_mut(index)) else {
            return Ok(());
        };
        if subscription.pending {
            return Ok(());
        }
        match subscription.protocol {
            Protocol::Sqs { .. } => {
                let (body, attributes) = of.body(subscription);
                let sent = self.send_to_queue(of.topic, &subscription.endpoint, &body, attributes);
                if let Err(refused) = sent {
                    self.dead_letter(of, subscription, (&refused.code, &refused.message));
                }
            }
            Protocol::Chat => chat.receive(of.message.text(Protocol::Chat), of.topic, of.at),
            Protocol::Email if !admits(recent.entry(subscription.endpoint.clone()).or_default(), of.at) => {
                subscription.pending = true;
                tracing::warn!(
                    topic.arn = of.topic,
                    subscription.arn,
                    "subscription suspended: more than {MAILS_PER_SECOND} mails within a second"
                );
            }
            Protocol::Email if bouncing.contains(&subscription.endpoint) => {
                self.dead_letter(of, subscription, ("550", "the mailbox is unavailable"));
            }
            Protocol::Email => {
                let mail = Mail {
                    to: subscription.endpoint.clone(),
                    subject: of.message.subject.as_deref().unwrap_or(DEFAULT_SUBJECT).to_owned(),
                    body: of.message.text(Protocol::Email).to_owned(),
                    sent_at: of.at,
                    topic: of.topic.to_owned(),
                };
                mailbox.deliver(mail).map_err(|error| {
                    tracing::error!(topic.arn = of.topic, error = %error, "lost a mail");
                    ApiError::client("InternalError", error.to_string()).with_status(500)
                })?;
            }
        }
        Ok(())
    }

    /// Sends to a queue as the topic does.
    fn send_to_queue(
        &self,
        topic: &str,
        queue: &str,
        body: &str,
        attributes: Attributes,
    ) -> Result<(), ApiError> {
        let none = || ApiError::client("AWS.SimpleQueueService.NonExistentQueue", "there is no such queue");
        let sqs = self.sqs.as_ref().ok_or_else(none)?;
        sqs.send_as((&Who::Service("sns.amazonaws.com"), topic), queue, body, attributes).map(drop)
    }

    /// Sends an undeliverable message to the dead-letter queue of its subscription, or drops it and logs that. The publisher
    /// gets no error, as on AWS.
    fn dead_letter(&self, of: &Publication<'_>, subscription: &Subscription, (code, why): (&str, &str)) {
        let (body, _) = of.body(subscription);
        let attributes = Attributes::from(
            [("ERROR_CODE", code), ("ERROR_MESSAGE", why)]
                .map(|(name, value)| (name.to_owned(), Attribute::text_or_dash(value))),
        );
        let sent = match &subscription.dead_letter_arn {
            Some(queue) => self.send_to_queue(of.topic, queue, &body, attributes),
            None => Err(ApiError::client("NoDeadLetterQueue", "the subscription has no dead-letter queue")),
        };
        if let Err(not_sent) = sent {
            tracing::warn!(
                topic.arn = of.topic,
                subscription.arn,
                subscription.endpoint,
                why,
                dead_letter.error = %not_sent,
                "dropped a message that could not be delivered"
            );
        }
    }

    /// What arrived in chat channels, in order.
    #[must_use]
    pub fn chat(&self) -> Vec<chat::ChatMessage> {
        self.state().chat.shown.clone()
    }

    /// Why messages to chat channels were not shown, in order.
    #[must_use]
    pub fn refused_in_chat(&self) -> Vec<String> {
        self.state().chat.refused.clone()
    }
}
