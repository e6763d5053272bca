//! The service's core, which its operations and the lifecycles of its tasks share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use clock::Clock;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    describe,
    state::State,
    task::{Order, Status, Task},
};
use crate::services::{events::EventBridge, logs::Logs};

/// Lifecycles hold this and not [`Ecs`](super::Ecs), so that they do not keep themselves alive.
pub(super) struct Inner {
    pub(super) clock: Clock,
    pub(super) events: EventBridge,
    pub(super) logs: Logs,
    pub(super) closing: CancellationToken,
    /// The tasks' lifecycles, one each.
    pub(super) lifecycles: TaskTracker,
    /// Woken whenever a task stops.
    pub(super) stopped: Notify,
    state: Mutex<State>,
    #[cfg(test)]
    pub(super) emitted: Mutex<Vec<Value>>,
}

impl Inner {
    pub(super) fn new(clock: Clock, events: EventBridge, logs: Logs) -> Self {
        Self {
            clock,
            events,
            logs,
            closing: CancellationToken::new(),
            lifecycles: TaskTracker::new(),
            stopped: Notify::new(),
            state: Mutex::default(),
            #[cfg(test)]
            emitted: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an order to a live task, named by ARN or id. False if there is none.
    pub(super) fn order(&self, task: &str, order: Order) -> bool {
        let state = self.lock();
        let found = state.tasks.iter().find(|record| record.task.is_named(task));
        found.is_some_and(|record| record.task.status != Status::Stopped && record.orders.send(order).is_ok())
    }

    /// Changes a task and emits the event of the change. Only the task's own lifecycle calls this, so its events
    /// leave in the order of their versions.
    pub(super) fn change(&self, task_arn: &str, change: impl FnOnce(&mut Task, Timestamp)) {
        let now = self.clock.now();
        let event = {
            let mut state = self.lock();
            let Some(record) = state.tasks.iter_mut().find(|record| record.task.arn == task_arn) else {
                return;
            };
            change(&mut record.task, now);
            record.task.version += 1;
            record.task.updated_at = now;
            describe::event(&record.task)
        };
        self.emit(event);
    }

    pub(super) fn emit(&self, event: Value) {
        #[cfg(test)]
        self.emitted.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        self.events.emit(event);
    }
}
