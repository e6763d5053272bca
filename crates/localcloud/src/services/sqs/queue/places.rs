//! Where each message of a queue is, and how time alone moves it from one place to another.

use jiff::Timestamp;

use super::{Queue, Slot};
use crate::services::sqs::{
    kept::Change,
    message::{Message, Place},
};

impl Queue {
    /// When the next message becomes visible by itself.
    pub(in crate::services::sqs) fn next_visible(&self) -> Option<Timestamp> {
        [&self.in_flight, &self.delayed].into_iter().filter_map(|set| set.first()).map(|(at, _)| *at).min()
    }

    /// Lets the time until `now` pass. Every operation begins with it.
    pub(super) fn advance(&mut self, now: Timestamp) {
        // With a history to keep, moment by moment: each is left with the counts that held in it.
        while self.history.is_some()
            && let Some(at) = self.next_change().filter(|at| *at <= now)
        {
            self.move_on(at);
            self.pass(at);
        }
        self.move_on(now);
        self.pass(now);
    }

    fn move_on(&mut self, to: Timestamp) {
        if to > self.reached {
            self.note_counts();
            self.reached = to;
        }
    }

    /// When the counts next change by themselves.
    fn next_change(&self) -> Option<Timestamp> {
        let expires = self.by_age.first().map(|(sent, _)| *sent + self.settings.retention);
        [expires, self.next_visible()].into_iter().flatten().min()
    }

    fn pass(&mut self, now: Timestamp) {
        // What has expired is gone even if it would have become visible since.
        while let Some(&(sent, slot)) = self.by_age.first()
            && sent + self.settings.retention <= now
        {
            self.remove(slot);
        }
        for waiting in [&mut self.in_flight, &mut self.delayed] {
            while let Some(&(at, slot)) = waiting.first()
                && at <= now
            {
                waiting.pop_first();
                self.visible.insert(slot);
                if let Some(message) = self.messages.get_mut(&slot) {
                    message.place = Place::Visible;
                }
            }
        }
    }

    pub(super) fn pick(&self, at_random: bool) -> Option<Slot> {
        let (first, last) = (*self.visible.first()?, *self.visible.last()?);
        if at_random {
            self.visible.range(fastrand::u64(first..=last)..).next().copied()
        } else {
            Some(first)
        }
    }

    pub(super) fn insert(&mut self, message: Message) {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.put(slot, message);
        self.changed.notify_waiters();
    }

    pub(super) fn put(&mut self, slot: Slot, message: Message) {
        match message.place {
            Place::Visible => self.visible.insert(slot),
            Place::InFlight(until) => self.in_flight.insert((until, slot)),
            Place::Delayed(until) => self.delayed.insert((until, slot)),
        };
        self.by_age.insert((message.sent, slot));
        self.messages.insert(slot, message);
        self.unkept.insert(slot);
    }

    /// Takes in the messages that were kept.
    pub(in crate::services::sqs) fn restore(&mut self, kept: Vec<(Slot, Message)>) {
        for (slot, message) in kept {
            self.next_slot = self.next_slot.max(slot + 1);
            self.put(slot, message);
        }
        self.unkept.clear();
    }

    /// What changed since the queue, which has this name, was last kept.
    pub(in crate::services::sqs) fn changes<'q>(&'q self, name: &'q str) -> impl Iterator<Item = Change<'q>> {
        self.unkept.iter().map(move |slot| (name, *slot, self.messages.get(slot)))
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Message> {
        let message = self.messages.remove(&slot)?;
        match message.place {
            Place::Visible => self.visible.remove(&slot),
            Place::InFlight(until) => self.in_flight.remove(&(until, slot)),
            Place::Delayed(until) => self.delayed.remove(&(until, slot)),
        };
        self.by_age.remove(&(message.sent, slot));
        self.unkept.insert(slot);
        Some(message)
    }
}
