//! EventBridge Scheduler, and the rules that have a schedule.
//!
//! ```text
//! schedule ─▶ waits for its next time ─▶ firing ─▶ target: Lambda function (asynchronously) or SQS queue
//!    ▲                 │                    │ failed: again, with back-off, as its retry policy says
//!    └─────────────────┘                    └ not retried: its dead-letter queue, or dropped with an error
//! ```
//!
//! Each enabled schedule is one task that sleeps until its next time, so a cloud with schedules does nothing
//! between them. AWS promises a firing within the minute and at least once; here it is at the second, or at a point
//! of the flexible window that depends on nothing but the schedule and the time. What was due while nothing ran is
//! not made up for. All ends when the last [`Scheduler`] is dropped.
//!
//! [User guide](https://docs.aws.amazon.com/scheduler/latest/UserGuide/what-is-scheduler.html).

mod delivery;
mod expression;
mod inner;
mod input;
pub(crate) mod resources;
mod schedule;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use clock::Clock;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::inner::{Action, Entry, Inner};
pub use self::{
    expression::{Expression, ExpressionError},
    schedule::{Schedule, Target},
};
use crate::{
    in_flight::InFlight,
    services::{events::EventBridge, lambda::Lambda, sqs::Sqs},
    wire::{ACCOUNT, ApiError, REGION},
};

/// A sleep is not longer than this: timers reach about two years ahead, and schedules to 2199.
const LONGEST_SLEEP: Duration = Duration::from_secs(365 * 86_400);

/// The Scheduler service. Clones share it.
#[derive(Debug, Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
    /// Ends the waits and the firings in flight. They hold what is inside, but not this.
    _end: Arc<DropGuard>,
}

/// When an entry fires.
struct Timetable {
    expression: Expression,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    window: Duration,
    created: Timestamp,
}

impl Scheduler {
    /// A service without schedules. Queues of `sqs` and functions of `lambda` can be targets; scheduled rules are
    /// those of `events`.
    #[must_use]
    pub fn new(clock: Clock, sqs: Sqs, lambda: Lambda, events: EventBridge) -> Self {
        let end = CancellationToken::new();
        let inner = Inner {
            clock,
            sqs,
            lambda,
            events,
            in_flight: InFlight::new(),
            end: end.clone(),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner), _end: Arc::new(end.drop_guard()) }
    }

    /// The ARN that a schedule of this name has, in the group `default`.
    #[must_use]
    pub fn arn(name: &str) -> String {
        format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}")
    }

    /// Schedules that come from now on only fire by [`Self::fire`].
    pub fn hold(&self) {
        self.inner.lock().held = true;
    }

    /// Creates or replaces a schedule, as of now, and answers its ARN. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// `ValidationException` for what Scheduler refuses.
    pub fn put_schedule(&self, schedule: Schedule) -> Result<String, ApiError> {
        schedule.check()?;
        let Schedule { name, expression, enabled, start, end, window, target } = schedule;
        let arn = Self::arn(&name);
        let timetable = Timetable { expression, start, end, window, created: self.inner.clock.now() };
        self.put(&arn, enabled.then_some(timetable), Action::Invoke(target));
        Ok(arn)
    }

    /// Lets the rule of this name fire by this expression ([`Expression::of_rule`]), as of now: a `Scheduled Event` of
    /// the source `aws.events`, with the rule's ARN as its resource, goes to the bus.
    pub fn put_rule(&self, name: &str, expression: Expression, enabled: bool) {
        let created = self.inner.clock.now();
        let timetable = Timetable { expression, start: None, end: None, window: Duration::ZERO, created };
        self.put(&EventBridge::rule_arn(name), enabled.then_some(timetable), Action::Emit);
    }

    /// Fires the schedule or scheduled rule of this ARN now, enabled or not, besides what its expression says.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub fn fire(&self, arn: &str) -> Result<(), ApiError> {
        let action = self.inner.lock().entries.get(arn).map(|entry| entry.action.clone());
        let action = action.ok_or_else(|| {
            ApiError::client("ResourceNotFoundException", format!("Schedule {arn} does not exist."))
                .with_status(404)
        })?;
        delivery::start(&self.inner, arn, &action, self.inner.clock.now());
        Ok(())
    }

    /// The firings in flight: those whose targets have not taken them yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.in_flight.count()
    }

    /// Waits until no firing is in flight. Schedules that wait for their time are not.
    pub async fn idle(&self) {
        self.inner.in_flight.none().await;
    }

    /// How many firings were dropped: they failed, and no dead-letter queue took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }

    /// Ends all waits and firings. Nothing fires any more.
    pub(crate) fn close(&self) {
        self.inner.end.cancel();
    }

    fn put(&self, arn: &str, timetable: Option<Timetable>, action: Action) {
        let mut state = self.inner.lock();
        let wait = timetable.filter(|_| !state.held).map(|timetable| {
            let stop = self.inner.end.child_token();
            tokio::spawn(fire_on_time(
                self.inner.clone(),
                arn.to_owned(),
                timetable,
                action.clone(),
                stop.clone(),
            ));
            stop.drop_guard()
        });
        let replaced = state.entries.insert(arn.to_owned(), Entry { action, _wait: wait });
        drop(state);
        drop(replaced);
    }
}

/// Fires at every time of the table until there is no more or `stop` is cancelled.
async fn fire_on_time(
    inner: Arc<Inner>,
    arn: String,
    table: Timetable,
    action: Action,
    stop: CancellationToken,
) {
    let mut after = table.created;
    // Each round is later than the one before, so this cannot spin.
    while let Some(at) = table.expression.next(table.created, (table.start, table.end), after) {
        let point = schedule::point_in_window(&arn, at, table.window);
        let until = at.saturating_add(point).unwrap_or(Timestamp::MAX);
        if stop.run_until_cancelled(sleep_until(inner.clock, until)).await.is_none() {
            return;
        }
        delivery::start(&inner, &arn, &action, at);
        after = at;
    }
    tracing::info!(schedule.arn = arn, expression = table.expression.as_str(), "a schedule has ended");
}

async fn sleep_until(clock: Clock, until: Timestamp) {
    while clock.now() < until {
        tokio::time::sleep_until(clock.instant(until).min(Instant::now() + LONGEST_SLEEP)).await;
    }
}
