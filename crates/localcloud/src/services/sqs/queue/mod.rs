//! One queue: which messages are delayed, visible and in flight at a given time. Every operation costs the
//! logarithm of the queue's length.

mod places;
mod receipts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    Counts, MessageId, QueueSettings, Received,
    counts::{History, Totals},
    message::{self, Draft, Message, Place, Receipt},
    settings::{MAX_VISIBILITY, check_visibility, invalid, out_of_range},
};
use crate::{
    faults::{Delivery, happens},
    wire::ApiError,
};

/// AWS's limit for a standard queue.
const MAX_IN_FLIGHT: usize = 120_000;

/// The order of arrival in one queue; also a message's place in `visible`.
type Slot = u64;

/// Wakes who waits for a change of a queue.
pub(super) type Changed = Arc<Notify>;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) settings: QueueSettings,
    /// Attributes that are kept and shown but change nothing here, such as `Policy`.
    pub(super) documents: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) purged: Option<Timestamp>,
    /// Notified whenever a message may have become receivable.
    pub(super) changed: Changed,
    pub(super) totals: Totals,
    /// Where messages came, went or changed since the queue was last kept.
    pub(super) unkept: BTreeSet<Slot>,
    /// Up to when time has passed for this queue.
    reached: Timestamp,
    /// Kept only while counts are answered late.
    history: Option<History>,
    next_slot: Slot,
    messages: BTreeMap<Slot, Message>,
    visible: BTreeSet<Slot>,
    in_flight: BTreeSet<(Timestamp, Slot)>,
    delayed: BTreeSet<(Timestamp, Slot)>,
    /// By when they were first enqueued, which retention counts from.
    by_age: BTreeSet<(Timestamp, Slot)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Takes {
    pub(super) max: usize,
    pub(super) visibility: Option<Duration>,
}

/// The outcome of a receive.
#[derive(Debug, Default)]
pub(super) struct Handed {
    pub(super) received: Vec<Received>,
    /// Messages received too often, no longer in the queue.
    pub(super) dead: Vec<Message>,
}

impl Queue {
    pub(super) fn new(settings: QueueSettings, now: Timestamp) -> Self {
        Self {
            settings,
            documents: BTreeMap::new(),
            tags: BTreeMap::new(),
            created: now,
            modified: now,
            purged: None,
            changed: Arc::new(Notify::new()),
            totals: Totals::default(),
            unkept: BTreeSet::new(),
            reached: now,
            history: None,
            next_slot: 0,
            messages: BTreeMap::new(),
            visible: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            delayed: BTreeSet::new(),
            by_age: BTreeSet::new(),
        }
    }

    pub(super) fn send(&mut self, draft: Draft, now: Timestamp) -> Result<MessageId, ApiError> {
        message::check(&draft.body, &draft.attributes, self.settings.max_message_bytes)?;
        let delay = draft.delay.unwrap_or(self.settings.delay);
        if delay > Duration::from_secs(900) {
            let reason = "DelaySeconds must be >= 0 and <= 900.";
            return Err(out_of_range("DelaySeconds", &delay.as_secs(), reason));
        }
        let punctuation_or_alphanumeric = |c: char| c.is_ascii_graphic();
        if let Some(group) = &draft.group
            && (!(1..=128).contains(&group.len()) || !group.chars().all(punctuation_or_alphanumeric))
        {
            return Err(out_of_range(
                "MessageGroupId",
                group,
                "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
            ));
        }
        self.advance(now);
        let place = if delay.is_zero() { Place::Visible } else { Place::Delayed(now + delay) };
        let message = Message::new(draft, place, now);
        let id = message.id.clone();
        self.insert(message);
        self.totals.sent += 1;
        Ok(id)
    }

    /// Takes in a message that died in the queue `source_arn`. Its age is not reset.
    pub(super) fn add_dead_letter(&mut self, mut message: Message, source_arn: &str, now: Timestamp) {
        self.advance(now);
        message.source_arn = Some(source_arn.into());
        message.arrived = now;
        message.receipt = None;
        message.place = Place::Visible;
        self.insert(message);
    }

    /// Takes in a message moved out of a dead-letter queue: to SQS it is a new one.
    pub(super) fn revive(&mut self, message: Message, now: Timestamp) {
        self.advance(now);
        self.insert(Message::new(message.into(), Place::Visible, now));
    }

    pub(super) fn receive(
        &mut self,
        takes: Takes,
        redrives: bool,
        faults: Delivery,
        now: Timestamp,
    ) -> Handed {
        self.advance(now);
        let most =
            self.settings.redrive.as_ref().filter(|_| redrives).map(|redrive| redrive.max_receive_count);
        let visibility = takes.visibility.unwrap_or(self.settings.visibility_timeout);
        let mut handed = Handed::default();
        let mut taken = Vec::new();
        let mut echoes = Vec::new();
        while taken.len() < takes.max && self.in_flight.len() + taken.len() < MAX_IN_FLIGHT {
            let Some(slot) = self.pick(faults.reorder) else { break };
            let Some(mut message) = self.remove(slot) else { break };
            if most.is_some_and(|most| message.receive_count >= most) {
                handed.dead.push(message);
                continue;
            }
            if happens(faults.duplicate) {
                echoes.push(Message { place: Place::Visible, receipt: None, ..message.clone() });
            }
            let nonce = fastrand::u64(..);
            message.receipt = Some(Receipt { nonce, at: now });
            message.receive_count += 1;
            message.first_received.get_or_insert(now);
            message.place = Place::InFlight(now + visibility);
            handed.received.push(message.as_received(&self.receipt_handle(slot, nonce)));
            taken.push((slot, message));
        }
        self.totals.received += taken.len() as u64;
        // Only now back into the order, so that one receive never gets a message twice.
        for (slot, message) in taken {
            self.put(slot, message);
        }
        for echo in echoes {
            self.insert(echo);
        }
        handed
    }

    pub(super) fn delete(&mut self, handle: &str, returns: f64, now: Timestamp) -> Result<(), ApiError> {
        self.advance(now);
        let (slot, nonce) = self.read_handle(handle)?;
        self.totals.deleted += 1;
        if self.holds(slot, nonce)
            && let Some(mut message) = self.remove(slot)
        {
            if happens(returns) {
                message.place = Place::Visible;
                self.put(slot, message);
            }
            // Fewer are in flight, which a receiver may have been waiting for.
            self.changed.notify_waiters();
        }
        Ok(())
    }

    pub(super) fn change_visibility(
        &mut self,
        handle: &str,
        visibility: Duration,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        check_visibility(visibility)?;
        self.advance(now);
        let (slot, nonce) = self.read_handle(handle)?;
        let unavailable = || {
            invalid(format!(
                "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not \
                 available for visibility timeout change."
            ))
        };
        if !self.holds(slot, nonce) {
            return Err(unavailable());
        }
        let mut message = self.remove(slot).ok_or_else(unavailable)?;
        let held_since = message.receipt.map_or(now, |receipt| receipt.at);
        let outcome = match message.place {
            Place::InFlight(_) if now + visibility > held_since + MAX_VISIBILITY => Err(out_of_range(
                "VisibilityTimeout",
                &visibility.as_secs(),
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
            )),
            Place::InFlight(_) => {
                message.place = Place::InFlight(now + visibility);
                Ok(())
            }
            Place::Visible | Place::Delayed(_) => {
                Err(ApiError::client("MessageNotInflight", "The specified message isn't in flight."))
            }
        };
        self.put(slot, message);
        // Also a new, later deadline: who waits must not sleep towards the old one only.
        self.changed.notify_waiters();
        outcome
    }

    pub(super) fn purge(&mut self, now: Timestamp) -> Result<(), ApiError> {
        if self.purged.is_some_and(|at| now < at + Duration::from_secs(60)) {
            let name = &self.settings.name;
            return Err(ApiError::client(
                "PurgeQueueInProgress",
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
            ));
        }
        self.purged = Some(now);
        self.clear(now);
        Ok(())
    }

    /// Removes every message.
    pub(super) fn clear(&mut self, now: Timestamp) {
        self.advance(now);
        self.unkept.extend(self.messages.keys());
        self.messages.clear();
        self.visible.clear();
        self.in_flight.clear();
        self.delayed.clear();
        self.by_age.clear();
    }

    /// Takes out every visible message `may_go` says yes to.
    pub(super) fn drain(&mut self, now: Timestamp, may_go: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.advance(now);
        let going: Vec<Slot> = self
            .visible
            .iter()
            .copied()
            .filter(|slot| self.messages.get(slot).is_some_and(&may_go))
            .collect();
        going.into_iter().filter_map(|slot| self.remove(slot)).collect()
    }

    pub(super) fn counts(&mut self, now: Timestamp) -> Counts {
        self.advance(now);
        let oldest = self.messages.first_key_value().map(|(_, message)| now.duration_since(message.arrived));
        let oldest_age = oldest.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
        Counts { oldest_age, ..self.held() }
    }

    /// The counts that a client gets: late ones, if [`Self::delay_counts`] says so. They have no age.
    pub(super) fn answered_counts(&mut self, now: Timestamp) -> Counts {
        self.advance(now);
        let held = self.held();
        let (created, reached) = (self.created, self.reached);
        match &mut self.history {
            None => held,
            Some(history) => {
                history.note(reached, held);
                history.counts(now, created)
            }
        }
    }

    /// Answers counts this late from now on; zero is at once.
    pub(super) fn delay_counts(&mut self, delay: Duration, now: Timestamp) {
        self.advance(now);
        self.history = (!delay.is_zero()).then(|| History::new(delay));
        self.note_counts();
    }

    fn held(&self) -> Counts {
        Counts {
            visible: self.visible.len(),
            in_flight: self.in_flight.len(),
            delayed: self.delayed.len(),
            oldest_age: Duration::ZERO,
        }
    }

    fn note_counts(&mut self) {
        let held = self.held();
        if let Some(history) = &mut self.history {
            history.note(self.reached, held);
        }
    }

    /// The messages in the order they came, without receipts.
    pub(super) fn peek(&mut self, now: Timestamp) -> Vec<Received> {
        self.advance(now);
        self.messages.values().map(|message| message.as_received("")).collect()
    }

    /// The messages that are delayed, without receipts, and when each becomes visible.
    pub(super) fn delayed(&mut self, now: Timestamp) -> Vec<(Received, Timestamp)> {
        self.advance(now);
        let message = |(at, slot): &(Timestamp, Slot)| Some((self.messages.get(slot)?.as_received(""), *at));
        self.delayed.iter().filter_map(message).collect()
    }

    /// Whether a receive would find a message.
    pub(super) fn is_ready(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        !self.visible.is_empty() && self.in_flight.len() < MAX_IN_FLIGHT
    }

    pub(super) fn is_full(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        self.in_flight.len() >= MAX_IN_FLIGHT
    }
}
