//! The bus: its rules and sinks, and what deliveries need.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use clock::Clock;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{pattern::Pattern, target::Target};
use crate::{
    faults::Delivery,
    in_flight::InFlight,
    services::{lambda::Lambda, sqs::Sqs},
    wire::{ACCOUNT, ApiError, REGION},
};

/// A rule of the default bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// 1 to 64 letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// Which events it takes.
    pub pattern: Pattern,
    /// A disabled rule takes none.
    pub enabled: bool,
    /// Where they go: at most five.
    pub targets: Vec<Target>,
}

/// What takes events other than a queue or a function, such as a test.
pub type Sink = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<(), ApiError>> + Send + Sync>;

/// What deliveries need.
pub(super) struct Bus {
    pub(super) clock: Clock,
    pub(super) sqs: Sqs,
    pub(super) lambda: OnceLock<Lambda>,
    pub(super) state: Mutex<State>,
    /// The deliveries in flight.
    pub(super) in_flight: InFlight,
    pub(super) end: CancellationToken,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) sinks: BTreeMap<String, Sink>,
    pub(super) delivery_faults: Delivery,
    pub(super) dropped: u64,
}

impl Bus {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is already reported; the rules stay usable for the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Bus").field("rules", &state.rules.keys()).field("dropped", &state.dropped).finish()
    }
}

/// The ARN a rule of this name has.
pub(super) fn rule_arn(name: &str) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}")
}
