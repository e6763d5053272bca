//! What can go wrong with the delivery of messages and events, within what AWS promises: at least once, in any order.

use std::time::Duration;

/// How queues ([`crate::services::sqs::Sqs::set_delivery_faults`]) or the event bus
/// ([`crate::services::events::EventBridge::set_delivery_faults`]) deliver. By default everything arrives once, in order, at once.
///
/// Probabilities are between 0 and 1. A probability of 0 draws no random number, so that the other draws of a seeded
/// test do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Delivery {
    /// The probability that a received message is received once more, or that a rule fires twice for an event.
    pub duplicate: f64,
    /// Event bus only: the probability that an event is lost.
    pub lose: f64,
    /// Event bus only: each delivery is late by a random time up to this, so that events also overtake each other.
    pub delay: Duration,
    /// Queues only: a receive takes visible messages at random instead of the oldest first.
    pub reorder: bool,
    /// Queues only: the probability that a deleted message comes back.
    pub return_after_delete: f64,
}

/// Whether something of this probability happens now, by the thread's `fastrand` generator.
pub(crate) fn happens(probability: f64) -> bool {
    probability > 0.0 && fastrand::f64() < probability
}
