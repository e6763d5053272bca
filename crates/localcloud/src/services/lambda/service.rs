//! The service's core, which its API, its queues and its invocations share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clock::Clock;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    environment::Environment,
    event_invoke::EventInvokeConfig,
    settings::{FunctionEnvironment, FunctionSettings},
};
use crate::{
    in_flight::InFlight,
    services::{logs::Logs, sqs::Sqs},
};

/// What clones and background tasks share.
pub(super) struct Inner {
    pub(super) clock: Clock,
    pub(super) sqs: Sqs,
    pub(super) logs: Logs,
    /// Kills everything.
    pub(super) closing: CancellationToken,
    /// Ends the polling of queues and the waits for another try, but no invocation.
    pub(super) draining: CancellationToken,
    /// The mappings and the invocations they have in flight, and the asynchronous ones.
    pub(super) sources: TaskTracker,
    /// The asynchronous invocations that are accepted and not over.
    pub(super) in_flight: InFlight,
    /// The lives of the environments.
    pub(super) lives: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) functions: BTreeMap<String, Function>,
    pub(super) usage: Usage,
    pub(super) dropped: u64,
    pub(super) environments: BTreeMap<String, Arc<Environment>>,
    /// `host:port` at which processes reach the Runtime API.
    pub(super) endpoint: String,
    pub(super) endpoint_env: BTreeMap<String, String>,
    pub(super) function_env: Option<FunctionEnvironment>,
}

/// What Lambda would send a bill for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Invocations, failed ones included.
    pub invocations: u64,
    /// Memory times duration, each invocation rounded up to a millisecond.
    pub mb_ms: u64,
}

pub(super) struct Function {
    pub(super) settings: Arc<FunctionSettings>,
    /// Warm environments, the last used one last.
    pub(super) idle: Vec<Arc<Environment>>,
    /// The invocations in flight.
    pub(super) running: usize,
    pub(super) aliases: BTreeSet<String>,
    /// By qualifier.
    pub(super) event_invoke: BTreeMap<String, EventInvokeConfig>,
}

impl Function {
    pub(super) fn new(settings: Arc<FunctionSettings>) -> Self {
        Self {
            settings,
            idle: Vec::new(),
            running: 0,
            aliases: BTreeSet::new(),
            event_invoke: BTreeMap::new(),
        }
    }
}

impl Inner {
    pub(super) fn new(clock: Clock, sqs: Sqs, logs: Logs) -> Self {
        Self {
            clock,
            sqs,
            logs,
            closing: CancellationToken::new(),
            draining: CancellationToken::new(),
            sources: TaskTracker::new(),
            in_flight: InFlight::new(),
            lives: TaskTracker::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
