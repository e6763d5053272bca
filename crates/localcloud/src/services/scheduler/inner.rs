//! What all clones of the service and its background tasks share.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use clock::Clock;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::schedule::Target;
use crate::{
    in_flight::InFlight,
    services::{events::EventBridge, lambda::Lambda, sqs::Sqs},
};

/// The service.
pub(super) struct Inner {
    pub(super) clock: Clock,
    pub(super) sqs: Sqs,
    pub(super) lambda: Lambda,
    pub(super) events: EventBridge,
    /// The firings in flight.
    pub(super) in_flight: InFlight,
    pub(super) end: CancellationToken,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) held: bool,
    pub(super) dropped: u64,
    /// By ARN.
    pub(super) entries: BTreeMap<String, Entry>,
}

pub(super) struct Entry {
    pub(super) action: Action,
    /// Ends the wait for its next time when it is replaced.
    pub(super) _wait: Option<DropGuard>,
}

/// What a firing does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// It calls the target.
    Invoke(Target),
    /// It emits the scheduled event of the rule whose ARN the entry has.
    Emit,
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is already reported; the schedules stay usable for the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("entries", &self.lock().entries.keys()).finish_non_exhaustive()
    }
}
