//! SNS: topics that send mail, fill queues and reach chat channels.
//!
//! A published message becomes one mail, queue message or chat message per confirmed subscription. Nobody is there to click
//! on a confirmation, so a subscription counts as confirmed when it is made.

mod chat;
mod delivery;
pub(crate) mod required_actions;
pub(crate) mod resources;
mod subscription;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clock::Clock;
use jiff::Timestamp;

pub use self::chat::{CHAT_ENDPOINT, ChatMessage};
pub use crate::mailbox::Mail;
use crate::{
    mailbox::Mailbox,
    services::{iam::AccessDenied, sqs::Sqs},
    usage::{Calls, Usage, count},
    wire::{ACCOUNT, ApiError, REGION},
};

/// How SNS answers a caller who lacks a permission.
pub(crate) const ACCESS_DENIED: AccessDenied = AccessDenied { code: "AuthorizationError", status: 403 };

/// Adds what was published: a mail each.
pub(crate) fn usage(calls: &Calls, usage: &mut Usage) {
    let mails = count(calls, "sns", &["Publish"]);
    usage.publishes += mails;
    usage.emails += mails;
}

/// The longest message, attributes included.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Above this rate SNS suspends an email subscription.
const MAILS_PER_SECOND: usize = 10;

/// The topics. Clones share them.
#[derive(Debug, Clone)]
pub struct Sns {
    clock: Clock,
    /// Where messages and dead letters go.
    sqs: Option<Sqs>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    topics: BTreeMap<String, Vec<Subscription>>,
    mailbox: Mailbox,
    /// The addresses that take no mail.
    bouncing: BTreeSet<String>,
    /// When each address got its latest mails.
    recent: BTreeMap<String, VecDeque<Timestamp>>,
    chat: chat::Channels,
}

#[derive(Debug, Clone)]
struct Subscription {
    arn: String,
    protocol: Protocol,
    endpoint: String,
    /// The queue that gets what cannot be delivered.
    dead_letter_arn: Option<String>,
    /// Not confirmed, or suspended: it gets nothing.
    pending: bool,
}

/// How a subscription gets its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Email,
    /// A queue; raw, it gets no envelope.
    Sqs {
        raw: bool,
    },
    /// The chat service, at its address.
    Chat,
}

impl Protocol {
    /// The protocol of a subscription to this endpoint.
    fn read(protocol: &str, endpoint: &str) -> Result<Self, ApiError> {
        match protocol {
            "email" if is_address(endpoint) => Ok(Self::Email),
            "email" => Err(invalid("Email address")),
            "sqs" if endpoint.starts_with("arn:aws:sqs:") => Ok(Self::Sqs { raw: false }),
            "sqs" => Err(invalid("SQS endpoint ARN")),
            "https" if endpoint == CHAT_ENDPOINT => Ok(Self::Chat),
            _ => Err(invalid(&format!(
                "the local cloud has no protocol {protocol} to {endpoint}, only email, sqs, and https to {CHAT_ENDPOINT}"
            ))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sqs { .. } => "sqs",
            Self::Chat => "https",
        }
    }
}

impl Sns {
    /// No topics yet. Mails are kept in memory, and as files in `folder` if there is one.
    #[must_use]
    pub fn new(clock: Clock, folder: Option<PathBuf>) -> Self {
        let state = State {
            topics: BTreeMap::new(),
            mailbox: Mailbox::new(folder),
            bouncing: BTreeSet::new(),
            recent: BTreeMap::new(),
            chat: chat::Channels::default(),
        };
        Self { clock, sqs: None, state: Arc::new(Mutex::new(state)) }
    }

    /// Creates a topic and answers its ARN; a repeat changes nothing.
    ///
    /// # Errors
    /// `InvalidParameter` for a name that is not 1 to 256 letters, digits, `-` and `_`.
    pub fn create_topic(&self, name: &str) -> Result<String, ApiError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 256 || !name.chars().all(legal) {
            return Err(invalid("Topic Name"));
        }
        let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}");
        self.state().topics.entry(arn.clone()).or_default();
        Ok(arn)
    }

    /// Subscribes an address, a queue by its ARN, or the chat service, confirmed at once, and answers the subscription's ARN. A repeat changes nothing but
    /// confirms a suspended subscription again.
    ///
    /// # Errors
    /// `NotFound` for the topic; `InvalidParameter` for another protocol than `email`, `sqs` and `https`, or no address.
    pub fn subscribe(&self, topic_arn: &str, protocol: &str, endpoint: &str) -> Result<String, ApiError> {
        let mut state = self.state();
        let subscriptions = state.topics.get_mut(topic_arn).ok_or_else(no_such_topic)?;
        let protocol = Protocol::read(protocol, endpoint)?;
        if let Some(known) = subscriptions.iter_mut().find(|known| known.endpoint == endpoint) {
            known.pending = false;
            return Ok(known.arn.clone());
        }
        let arn = format!("{topic_arn}:{}", new_id());
        subscriptions.push(Subscription {
            arn: arn.clone(),
            protocol,
            endpoint: endpoint.into(),
            dead_letter_arn: None,
            pending: false,
        });
        Ok(arn)
    }

    /// The mails sent so far, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.state().mailbox.mails().to_vec()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is already reported; the topics stay usable for the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an address may get one more mail now; counts it if so.
fn admits(recent: &mut VecDeque<Timestamp>, now: Timestamp) -> bool {
    while recent.front().is_some_and(|at| *at + Duration::from_secs(1) <= now) {
        recent.pop_front();
    }
    if recent.len() >= MAILS_PER_SECOND {
        return false;
    }
    recent.push_back(now);
    true
}

/// "ASCII text that begins with a letter, number, or punctuation mark; no line breaks or control characters; less
/// than 100 characters long": <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
fn check_subject(subject: Option<&str>) -> Result<(), ApiError> {
    let Some(subject) = subject else { return Ok(()) };
    let begins = subject.chars().next().is_some_and(|c| c.is_ascii_graphic());
    let legal = subject.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if begins && legal && subject.len() < 100 { Ok(()) } else { Err(invalid("Subject")) }
}

/// Whether this can stand in a mail's `To` header as it is.
fn is_address(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_graphic() && !"()<>[]:;,\\\"".contains(c);
    let parts = text.split_once('@');
    let whole = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    whole && text.len() <= 320 && text.chars().all(legal)
}

fn invalid(what: &str) -> ApiError {
    ApiError::client("InvalidParameter", format!("Invalid parameter: {what}"))
}

fn no_such_topic() -> ApiError {
    ApiError::client("NotFound", "Topic does not exist").with_status(404)
}

fn new_id() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}
