//! SQS: standard queues.
//!
//! Other services of this cloud use the typed methods of [`Sqs`] (by queue ARN); clients reach the same queues
//! through [`Sqs::call`] (by queue URL). What a queue does with a message is in `queue`, a plain structure that
//! is handed the time:
//!
//! ```text
//!  send ──▶ delayed ──▶ visible ──receive──▶ in flight ──delete──▶ gone
//!                          ▲                     │
//!                          └── visibility over ──┘   received too often: moved to the dead-letter queue
//! ```

mod attributes;
mod batch;
mod counts;
mod input;
mod kept;
mod measure;
mod message;
mod message_move;
mod query_error;
mod queue;
mod receive;
pub(crate) mod required_actions;
pub(crate) mod resources;
mod settings;
mod state;
mod wire;

#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod sdk_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clock::Clock;
use jiff::Timestamp;

use crate::{
    faults::Delivery,
    services::iam::{AccessDenied, Iam, RequiredAction, Who},
    usage::{Calls, Usage, count},
    wire::{ACCOUNT, ApiError, REGION},
};
pub use counts::Counts;
pub(crate) use counts::Totals;
use kept::Kept;
pub use kept::OpenError;
pub(crate) use measure::Reading;
use message::Draft;
pub use message::{Attribute, AttributeValue, Attributes, MessageId, Received};
pub use query_error::query_error;
use queue::Queue;
use settings::name_of;
pub use settings::{QueueSettings, Redrive};
use state::State;

/// How SQS answers a caller who lacks a permission.
pub(crate) const ACCESS_DENIED: AccessDenied = AccessDenied::JSON;

/// Adds the calls that SQS charges for. EventBridge's sends are free.
pub(crate) fn usage(calls: &Calls, usage: &mut Usage) {
    usage.sqs_requests += count(
        calls,
        "sqs",
        &[
            "SendMessage",
            "SendMessageBatch",
            "ReceiveMessage",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "GetQueueAttributes",
        ],
    );
}

/// The queues. Clones share them.
#[derive(Debug, Clone)]
pub struct Sqs {
    clock: Clock,
    iam: Iam,
    state: Arc<Mutex<State>>,
}

impl Sqs {
    /// No queues yet, and nobody who is kept from any.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_iam(clock, Iam::default())
    }

    /// No queues yet; services that use those to come are asked about at `iam`.
    #[must_use]
    pub fn with_iam(clock: Clock, iam: Iam) -> Self {
        let state = State {
            endpoint: "http://cloud.local".into(),
            delivery_faults: Delivery::default(),
            counts_delay: Duration::ZERO,
            queues: BTreeMap::new(),
            message_moves: Vec::new(),
            kept: None,
        };
        Self { clock, iam, state: Arc::new(Mutex::new(state)) }
    }

    /// Keeps what the queues hold in this folder, from before the first queue is created: one that is created again finds
    /// the messages that it had.
    ///
    /// # Errors
    /// When the folder's file cannot be used.
    pub(crate) fn keep_in(&self, folder: &Path) -> Result<(), OpenError> {
        self.state().kept = Some(Kept::open(folder)?);
        Ok(())
    }

    /// Sets the base of the queue URLs handed out, such as `http://127.0.0.1:4566`. URLs handed out before stay
    /// valid: only a URL's path names the queue.
    pub fn set_endpoint(&self, base: &str) {
        self.state().endpoint = base.trim_end_matches('/').to_owned();
    }

    /// Sets how all queues deliver from now on. Random choices use the thread's `fastrand` generator.
    pub fn set_delivery_faults(&self, faults: Delivery) {
        self.state().delivery_faults = faults;
    }

    /// The ARN a queue of this name has.
    #[must_use]
    pub fn arn(name: &str) -> String {
        format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
    }

    /// The URL a queue of this name has.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.state().endpoint)
    }

    /// Creates a queue and answers its ARN; a repeat with the same settings changes nothing.
    ///
    /// # Errors
    /// `QueueNameExists` where the queue exists with other settings; `InvalidAttributeValue` and the like for
    /// settings AWS refuses, among them a dead-letter queue that does not exist.
    pub fn create_queue(&self, settings: QueueSettings) -> Result<String, ApiError> {
        let now = self.clock.now();
        let mut state = self.state();
        state.check(&settings)?;
        let arn = Self::arn(&settings.name);
        match state.queues.get(&settings.name) {
            Some(queue) if queue.settings == settings => {}
            Some(_) => return Err(settings::exists_otherwise(&settings.name)),
            None => state.add(Queue::new(settings, now))?,
        }
        Ok(arn)
    }

    /// Enqueues a message; `delay` overrides the queue's own. When this returns the message is in the queue; a
    /// repeat is a second message.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, or a refusal of the message: too long, characters that SQS does not carry, attributes.
    pub fn send(
        &self,
        arn: &str,
        body: &str,
        attributes: Attributes,
        delay: Option<Duration>,
    ) -> Result<MessageId, ApiError> {
        let name = name_of(arn)?;
        self.enqueue(name, Draft { delay, ..Draft::new(body, attributes) })
    }

    /// Enqueues what a service sends: in its own name for `source`, such as a rule, or in a role's. To the owner of a
    /// queue this is a call like any other.
    ///
    /// # Errors
    /// As [`Self::send`], and `AccessDeniedException` where neither the role's policy nor the queue's allows it.
    pub(crate) fn send_as(
        &self,
        (who, source): (&Who, &str),
        arn: &str,
        body: &str,
        attributes: Attributes,
    ) -> Result<MessageId, ApiError> {
        let name = name_of(arn)?;
        self.state().queue(name)?;
        let required = RequiredAction::new("sqs:SendMessage", arn).from_source(source);
        self.iam.authorize(who, &[required]).map_err(|refused| refused.api_error(ACCESS_DENIED))?;
        self.enqueue(name, Draft::new(body, attributes))
    }

    /// Who may do what with the queues, and with all else of this cloud.
    pub(crate) fn iam(&self) -> &Iam {
        &self.iam
    }

    /// Deletes the message that was received with this receipt. A receipt that a later receive has made stale
    /// succeeds and deletes nothing, as on AWS.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, or `ReceiptHandleIsInvalid` for what never was a receipt of this queue.
    pub fn delete(&self, arn: &str, receipt: &str) -> Result<(), ApiError> {
        self.delete_by_name(name_of(arn)?, receipt)
    }

    /// Makes a message in flight visible `visibility` from now; zero is at once.
    ///
    /// # Errors
    /// `MessageNotInflight`, `ReceiptHandleIsInvalid`, `QueueDoesNotExist`, or more than twelve hours in all.
    pub fn change_visibility(&self, arn: &str, receipt: &str, visibility: Duration) -> Result<(), ApiError> {
        self.change_by_name(name_of(arn)?, receipt, visibility)
    }

    /// What the queue holds now.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn counts(&self, arn: &str) -> Result<Counts, ApiError> {
        let now = self.clock.now();
        Ok(self.state().queue(name_of(arn)?)?.counts(now))
    }

    /// The messages in the queue, in the order they came, in flight or not, without receipts. Unlike a
    /// receive, it changes nothing.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn peek(&self, arn: &str) -> Result<Vec<Received>, ApiError> {
        let now = self.clock.now();
        Ok(self.state().queue(name_of(arn)?)?.peek(now))
    }

    /// The messages that are delayed, without receipts, and when each becomes visible.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn delayed(&self, arn: &str) -> Result<Vec<(Received, Timestamp)>, ApiError> {
        let now = self.clock.now();
        Ok(self.state().queue(name_of(arn)?)?.delayed(now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is already reported; the queues stay usable for the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queues. What changed is kept when this returns; if it cannot be, the call fails like one whose answer is
    /// lost, and the next one tries again to keep it.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut State, Timestamp) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let now = self.clock.now();
        let mut state = self.state();
        let outcome = change(&mut state, now)?;
        state.keep()?;
        Ok(outcome)
    }

    fn enqueue(&self, name: &str, draft: Draft) -> Result<MessageId, ApiError> {
        self.change(|state, now| state.queue(name)?.send(draft, now))
    }

    fn delete_by_name(&self, name: &str, receipt: &str) -> Result<(), ApiError> {
        self.change(|state, now| {
            let returns = state.delivery_faults.return_after_delete;
            state.queue(name)?.delete(receipt, returns, now)
        })
    }

    fn change_by_name(&self, name: &str, receipt: &str, visibility: Duration) -> Result<(), ApiError> {
        self.change(|state, now| state.queue(name)?.change_visibility(receipt, visibility, now))
    }
}
