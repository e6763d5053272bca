//! EventBridge: the default bus, its rules, and their targets.
//!
//! An event that is emitted is matched at once and delivered in the background, each target alone:
//!
//! ```text
//!  emit ─▶ rules whose pattern matches ─▶ target: SQS queue, Lambda function or registered sink
//!                                            │ failed: again, with back-off, as its retry policy says
//!                                            └ not retried: its dead-letter queue, or dropped with a warning
//! ```
//!
//! Deliveries end when the last [`EventBridge`] is dropped.

mod bus;
mod delivery;
pub mod pattern;
pub(crate) mod required_actions;
pub(crate) mod resources;
pub(crate) mod retries;
mod target;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, OnceLock};

use clock::Clock;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    faults::{Delivery, happens},
    in_flight::InFlight,
    services::{iam::Iam, lambda::Lambda, sqs::Sqs},
    wire::{ACCOUNT, ApiError, REGION},
};
use bus::Bus;
pub use bus::{Rule, Sink};
pub use pattern::{Pattern, PatternError};
pub use target::{Input, Target};

/// The event bus. Clones share it.
#[derive(Debug, Clone)]
pub struct EventBridge {
    bus: Arc<Bus>,
    /// Ends the deliveries in flight. They hold the bus, but not this.
    _end: Arc<DropGuard>,
}

impl EventBridge {
    /// A bus without rules. Queues of `sqs` can be targets and dead-letter queues.
    #[must_use]
    pub fn new(clock: Clock, sqs: Sqs) -> Self {
        let end = CancellationToken::new();
        let bus = Bus {
            clock,
            sqs,
            lambda: OnceLock::new(),
            state: Mutex::default(),
            in_flight: InFlight::new(),
            end: end.clone(),
        };
        Self { bus: Arc::new(bus), _end: Arc::new(end.drop_guard()) }
    }

    /// The ARN a rule of this name has.
    #[must_use]
    pub fn rule_arn(name: &str) -> String {
        bus::rule_arn(name)
    }

    /// Creates or replaces a rule, its targets included, and answers its ARN.
    ///
    /// # Errors
    /// `ValidationException` for a name or retry policy out of range, `LimitExceededException` for more than five
    /// targets.
    pub fn put_rule(&self, rule: Rule) -> Result<String, ApiError> {
        check_name(&rule.name)?;
        target::check_all(&rule.targets)?;
        let arn = Self::rule_arn(&rule.name);
        self.bus.state().rules.insert(rule.name.clone(), rule);
        Ok(arn)
    }

    /// Lets functions of `lambda` be targets from now on, for the rules that their policies allow. They are invoked
    /// asynchronously: a target's retry policy is over when Lambda has accepted the event. Only the first call
    /// counts.
    pub fn set_lambda(&self, lambda: Lambda) {
        // A bus has one Lambda for life.
        let _ = self.bus.lambda.set(lambda);
    }

    /// Lets `sink` take the events of targets whose ARN begins with `arn_prefix`; the longest prefix wins. A
    /// refusal it answers with a status from 500 up or a throttle is retried, any other is final.
    pub fn register_sink(&self, arn_prefix: &str, sink: Sink) {
        self.bus.state().sinks.insert(arn_prefix.into(), sink);
    }

    /// Who may do what here, and in all of this cloud.
    pub(crate) fn iam(&self) -> &Iam {
        self.bus.sqs.iam()
    }

    /// Takes an event in the EventBridge envelope (`source`, `detail-type`, `detail`, ...; `id`, `time`, `account`
    /// and `region` are filled in where absent) and delivers it, in the background, to the targets of every rule
    /// that matches.
    ///
    /// Call it inside a tokio runtime. What is not delivered when the process ends is lost: the bus is memory.
    pub fn emit(&self, event: Value) {
        let event = Arc::new(self.completed(event));
        let state = self.bus.state();
        let faults = state.delivery_faults;
        if happens(faults.lose) {
            return;
        }
        let matching = state.rules.values().filter(|rule| rule.enabled && rule.pattern.matches(&event));
        for rule in matching {
            for _ in 0..=usize::from(happens(faults.duplicate)) {
                for target in &rule.targets {
                    let delay =
                        faults.delay.mul_f64(if faults.delay.is_zero() { 0.0 } else { fastrand::f64() });
                    delivery::start(&self.bus, &rule.name, target, &event, delay);
                }
            }
        }
    }

    /// Waits until nothing is being delivered or waiting to be retried.
    pub async fn idle(&self) {
        self.bus.in_flight.none().await;
    }

    /// The deliveries in flight, retries that wait included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.bus.in_flight.count()
    }

    /// How many deliveries were dropped: they failed, and no dead-letter queue took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.bus.state().dropped
    }

    /// Sets how the bus delivers from now on. Random choices use the thread's `fastrand` generator.
    pub fn set_delivery_faults(&self, faults: Delivery) {
        self.bus.state().delivery_faults = faults;
    }

    /// The event with the envelope members it lacks.
    fn completed(&self, event: Value) -> Value {
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
        let now = self.bus.clock.now();
        let mut whole = json!({
            "version": "0",
            "id": id.to_string(),
            "account": ACCOUNT,
            "region": REGION,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "resources": [],
            "detail": {},
        });
        if let (Value::Object(whole), Value::Object(given)) = (&mut whole, event) {
            whole.extend(given);
        }
        whole
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(ApiError::client(
            "ValidationException",
            format!("Value '{name}' at 'name' failed to satisfy constraint: 1 to 64 of [\\.\\-_A-Za-z0-9]"),
        ));
    }
    Ok(())
}
