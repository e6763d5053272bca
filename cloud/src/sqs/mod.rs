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
mod measure;
mod message;
mod moves;
mod queue;
mod settings;
mod wire;

#[cfg(test)]
mod sdk_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidemill_core::clock::Clock;
use tokio::sync::Notify;

use crate::{
    iam::{Iam, Need, Who},
    wire::{ACCOUNT, REGION, Refusal},
};
pub(crate) use measure::{Reading, Totals};
use message::Draft;
pub use message::{Attribute, AttributeValue, Attributes, MessageId, Received};
use queue::{Handed, Queue, Takes};
pub use settings::{QueueSettings, Redrive};
pub use wire::query_error;

/// What a queue holds now. AWS calls these numbers approximate; here they are exact, unless a test wants them late
/// ([`Sqs::set_counts_delay`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages a receive can get.
    pub visible: usize,
    /// Messages received and neither deleted nor visible again.
    pub in_flight: usize,
    /// Messages not yet visible for the first time.
    pub delayed: usize,
    /// How long the oldest message has been in this queue; zero for an empty one.
    pub oldest_age: Duration,
}

/// How the queues misbehave, as AWS allows itself to. The default is not at all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mischief {
    /// The probability that a received message is delivered once more, as if it had never been received.
    pub duplicate: f64,
    /// Whether a receive picks among the visible messages at random instead of the oldest first.
    pub reorder: bool,
    /// The probability that a deleted message comes back.
    pub return_after_delete: f64,
}

/// The queues. Clones share them.
#[derive(Debug, Clone)]
pub struct Sqs {
    clock: Clock,
    iam: Iam,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    endpoint: String,
    mischief: Mischief,
    counts_delay: Duration,
    queues: BTreeMap<String, Queue>,
    moves: Vec<moves::Move>,
}

impl Sqs {
    /// No queues yet, and nobody who is kept from any.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::guarded(clock, Iam::default())
    }

    /// No queues yet; services that use those to come are asked about at `iam`.
    #[must_use]
    pub fn guarded(clock: Clock, iam: Iam) -> Self {
        let state = State {
            endpoint: "http://cloud.local".into(),
            mischief: Mischief::default(),
            counts_delay: Duration::ZERO,
            queues: BTreeMap::new(),
            moves: Vec::new(),
        };
        Self { clock, iam, state: Arc::new(Mutex::new(state)) }
    }

    /// Sets the base of the queue URLs handed out, such as `http://127.0.0.1:4566`. URLs handed out before stay
    /// valid: only a URL's path names the queue.
    pub fn set_endpoint(&self, base: &str) {
        self.state().endpoint = base.trim_end_matches('/').to_owned();
    }

    /// Makes all queues misbehave from now on, by the thread's `fastrand` generator.
    pub fn misbehave(&self, mischief: Mischief) {
        self.state().mischief = mischief;
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
    pub fn create_queue(&self, settings: QueueSettings) -> Result<String, Refusal> {
        let now = self.clock.now();
        let mut state = self.state();
        state.check(&settings)?;
        let arn = Self::arn(&settings.name);
        match state.queues.get(&settings.name) {
            Some(queue) if queue.settings == settings => {}
            Some(_) => return Err(settings::exists_otherwise(&settings.name)),
            None => {
                state.add(Queue::new(settings, now));
            }
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
    ) -> Result<MessageId, Refusal> {
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
    ) -> Result<MessageId, Refusal> {
        let name = name_of(arn)?;
        self.state().queue(name)?;
        let need = Need::new("sqs:SendMessage", arn).from_source(source);
        self.iam.authorize(who, &[need]).map_err(|refused| refused.refusal("sqs"))?;
        self.enqueue(name, Draft::new(body, attributes))
    }

    /// Who may do what with the queues, and with all else of this cloud.
    pub(crate) fn iam(&self) -> &Iam {
        &self.iam
    }

    /// Receives up to `max` messages (at most 10), waiting up to `wait` for the first. `visibility` and `wait`
    /// default to the queue's settings. A dropped future has taken nothing.
    ///
    /// # Errors
    /// `QueueDoesNotExist` (also when the queue goes while waiting), `OverLimit` (too many in flight; only when
    /// not waiting), or values out of range.
    pub async fn receive(
        &self,
        arn: &str,
        max: usize,
        wait: Option<Duration>,
        visibility: Option<Duration>,
    ) -> Result<Vec<Received>, Refusal> {
        self.receive_by_name(name_of(arn)?, max, wait, visibility).await
    }

    /// Deletes the message that was received with this receipt. A receipt that a later receive has made stale
    /// succeeds and deletes nothing, as on AWS.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, or `ReceiptHandleIsInvalid` for what never was a receipt of this queue.
    pub fn delete(&self, arn: &str, receipt: &str) -> Result<(), Refusal> {
        self.delete_by_name(name_of(arn)?, receipt)
    }

    /// Makes a message in flight visible `visibility` from now; zero is at once.
    ///
    /// # Errors
    /// `MessageNotInflight`, `ReceiptHandleIsInvalid`, `QueueDoesNotExist`, or more than twelve hours in all.
    pub fn change_visibility(&self, arn: &str, receipt: &str, visibility: Duration) -> Result<(), Refusal> {
        self.change_by_name(name_of(arn)?, receipt, visibility)
    }

    /// What the queue holds now.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn counts(&self, arn: &str) -> Result<Counts, Refusal> {
        let now = self.clock.now();
        Ok(self.state().queue(name_of(arn)?)?.counts(now))
    }

    /// The messages in the queue, in the order they came, in flight or not, without receipts. Unlike a
    /// receive, it changes nothing.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn look(&self, arn: &str) -> Result<Vec<Received>, Refusal> {
        let now = self.clock.now();
        Ok(self.state().queue(name_of(arn)?)?.look(now))
    }

    /// Resolves when a receive would find a message. Another receiver may be quicker: be ready to get none.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, also when the queue goes while waiting.
    pub async fn available(&self, arn: &str) -> Result<(), Refusal> {
        let name = name_of(arn)?;
        self.until(name, |queue, now| queue.is_ready(now).then_some(Ok(()))).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is already reported; the queues stay usable for the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, name: &str, draft: Draft) -> Result<MessageId, Refusal> {
        let now = self.clock.now();
        self.state().queue(name)?.send(draft, now)
    }

    fn delete_by_name(&self, name: &str, receipt: &str) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut state = self.state();
        let returns = state.mischief.return_after_delete;
        state.queue(name)?.delete(receipt, returns, now)
    }

    fn change_by_name(&self, name: &str, receipt: &str, visibility: Duration) -> Result<(), Refusal> {
        let now = self.clock.now();
        self.state().queue(name)?.change_visibility(receipt, visibility, now)
    }

    async fn receive_by_name(
        &self,
        name: &str,
        max: usize,
        wait: Option<Duration>,
        visibility: Option<Duration>,
    ) -> Result<Vec<Received>, Refusal> {
        settings::check_receive(max, wait, visibility)?;
        let wait = match wait {
            Some(wait) => wait,
            None => self.state().queue(name)?.settings.receive_wait,
        };
        let takes = Takes { max, visibility };
        let got = self.take(name, takes, wait.is_zero())?;
        if !got.is_empty() || wait.is_zero() {
            return Ok(got);
        }
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            match tokio::time::timeout_at(
                deadline,
                self.until(name, |q, now| q.is_ready(now).then_some(Ok(()))),
            )
            .await
            {
                Err(_elapsed) => return Ok(Vec::new()),
                Ok(ready) => ready?,
            }
            let got = self.take(name, takes, false)?;
            if !got.is_empty() {
                return Ok(got);
            }
        }
    }

    /// One short poll. Messages received too often go to the dead-letter queue instead of to the caller.
    fn take(&self, name: &str, takes: Takes, refuses: bool) -> Result<Vec<Received>, Refusal> {
        let now = self.clock.now();
        let mut state = self.state();
        let mischief = state.mischief;
        let dead_letters = state.dead_letters_of(name)?;
        let queue = state.queue(name)?;
        if refuses && queue.is_full(now) {
            return Err(Refusal::client(
                "OverLimit",
                "Too many messages in flight: at most 120,000 per queue.",
            ));
        }
        let Handed { received, dead } = queue.receive(takes, dead_letters.is_some(), mischief, now);
        if let Some(dead_letters) = dead_letters {
            let target = state.queue(&dead_letters)?;
            for message in dead {
                target.bury(message, &Self::arn(name), now);
            }
        }
        Ok(received)
    }

    /// Waits until `look` finds something in the queue: it is asked again whenever the queue changes or a time
    /// comes at which a message becomes visible.
    async fn until<T>(
        &self,
        name: &str,
        look: impl Fn(&mut Queue, jiff::Timestamp) -> Option<Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        loop {
            let (changed, next) = {
                let now = self.clock.now();
                let mut state = self.state();
                let queue = state.queue(name)?;
                if let Some(found) = look(queue, now) {
                    return found;
                }
                // Registered under the lock, so that no change between this look and the wait is missed.
                let mut changed = Box::pin(Arc::clone(&queue.changed).notified_owned());
                changed.as_mut().enable();
                (changed, queue.next_visible())
            };
            match next.map(|at| self.clock.instant(at)) {
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }
}

impl State {
    fn queue(&mut self, name: &str) -> Result<&mut Queue, Refusal> {
        self.queues.get_mut(name).ok_or_else(no_such_queue)
    }

    fn add(&mut self, mut queue: Queue) {
        queue.delay_counts(self.counts_delay, queue.created);
        self.queues.insert(queue.settings.name.clone(), queue);
    }

    /// The name of the queue's dead-letter queue, if it has one that exists.
    fn dead_letters_of(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let redrive = self.queue(name)?.settings.redrive.as_ref();
        let target = redrive.and_then(|redrive| name_of(&redrive.dead_letter_arn).ok()).map(str::to_owned);
        Ok(target.filter(|target| target != name && self.queues.contains_key(target)))
    }

    /// Checks settings by themselves and against the other queues.
    fn check(&self, settings: &QueueSettings) -> Result<(), Refusal> {
        settings.check()?;
        match &settings.redrive {
            Some(redrive)
                if !name_of(&redrive.dead_letter_arn).is_ok_and(|n| self.queues.contains_key(n)) =>
            {
                Err(settings::no_dead_letter_queue(redrive))
            }
            _ => Ok(()),
        }
    }
}

fn no_such_queue() -> Refusal {
    Refusal::client("QueueDoesNotExist", "The specified queue does not exist.")
}

/// The queue's name in an ARN of this account and region.
fn name_of(arn: &str) -> Result<&str, Refusal> {
    arn.strip_prefix("arn:aws:sqs:")
        .and_then(|rest| {
            rest.strip_prefix(REGION)?.strip_prefix(':')?.strip_prefix(ACCOUNT)?.strip_prefix(':')
        })
        .filter(|name| !name.is_empty())
        .ok_or_else(no_such_queue)
}

/// Wakes who waits for a change of a queue.
type Changed = Arc<Notify>;
