//! The queues by name, and what goes for all of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    QueueSettings,
    kept::Kept,
    queue::Queue,
    settings::{self, name_of, no_such_queue},
};
use crate::{faults::Delivery, wire::ApiError};

#[derive(Debug)]
pub(super) struct State {
    pub(super) endpoint: String,
    pub(super) delivery_faults: Delivery,
    pub(super) counts_delay: Duration,
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) message_moves: Vec<Move>,
    /// Where the messages are kept; none in memory.
    pub(super) kept: Option<Kept>,
}

/// A finished move task.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) source_arn: String,
    pub(super) destination_arn: Option<String>,
    pub(super) started: Timestamp,
    pub(super) moved: usize,
    pub(super) failure: Option<String>,
}

impl State {
    pub(super) fn queue(&mut self, name: &str) -> Result<&mut Queue, ApiError> {
        self.queues.get_mut(name).ok_or_else(no_such_queue)
    }

    /// Adds a queue, with the messages that one of its name had when the cloud last ran.
    pub(super) fn add(&mut self, mut queue: Queue) -> Result<(), ApiError> {
        queue.delay_counts(self.counts_delay, queue.created);
        if let Some(kept) = &self.kept {
            queue.restore(kept.messages(&queue.settings.name)?);
        }
        self.queues.insert(queue.settings.name.clone(), queue);
        Ok(())
    }

    /// Removes a queue and all its messages.
    pub(super) fn remove(&mut self, name: &str, now: Timestamp) -> Result<(), ApiError> {
        let queue = self.queue(name)?;
        queue.clear(now);
        // Receives that wait for a message wake up and fail.
        queue.changed.notify_waiters();
        self.keep()?;
        self.queues.remove(name);
        Ok(())
    }

    /// Writes what changed since it was last kept.
    pub(super) fn keep(&mut self) -> Result<(), ApiError> {
        if let Some(kept) = &mut self.kept
            && self.queues.values().any(|queue| !queue.unkept.is_empty())
        {
            kept.write(self.queues.iter().flat_map(|(name, queue)| queue.changes(name)))?;
        }
        self.queues.values_mut().for_each(|queue| queue.unkept.clear());
        Ok(())
    }

    /// The name of the queue's dead-letter queue, if it has one that exists.
    pub(super) fn dead_letters_of(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let redrive = self.queue(name)?.settings.redrive.as_ref();
        let target = redrive.and_then(|redrive| name_of(&redrive.dead_letter_arn).ok()).map(str::to_owned);
        Ok(target.filter(|target| target != name && self.queues.contains_key(target)))
    }

    /// Checks settings by themselves and against the other queues.
    pub(super) fn check(&self, settings: &QueueSettings) -> Result<(), ApiError> {
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
