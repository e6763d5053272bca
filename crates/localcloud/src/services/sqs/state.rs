//! The queues by name, and what goes for all of them.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    QueueSettings,
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

    pub(super) fn add(&mut self, mut queue: Queue) {
        queue.delay_counts(self.counts_delay, queue.created);
        self.queues.insert(queue.settings.name.clone(), queue);
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
