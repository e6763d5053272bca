//! Sizing the fleet: the one path by which pooled workers are launched.
//!
//! ```text
//! slots, queue's counts, last snapshot ─▶ repair ─▶ counts, trend ─▶ launches ─▶ reserve a slot ─▶ RunTask ─▶ note the task
//! ```
//! Nothing here needs a lock or must run to its end. Runs that overlap want the same slots, and each slot is won once.
//! A run that dies, or whose call is not answered, leaves a slot reserved without a task; a minute later another run
//! launches into it under the same client token, which finds the task if there is one.

mod repair;

use std::{ops::ControlFlow, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use aws::{CallError, Clients, fleet::Fleet, queue::Queue, tasks::TaskSpec};
use domain::{
    breaker::{Breaker, Signal},
    fargate::Size,
    fleet::{Occupant, Slot, free_for_drain},
    job::Reason,
    scaling::{QueueSnapshot, Signals, fleet_counts, launches, observe_queue, why_none},
    settings::{Settings, SettingsError, variables},
    text,
};
use telemetry::metrics::{self, Metric};

use crate::{
    item_failures::ItemFailures,
    launch::{Launcher, breaker},
};

/// For how long a run launches. Functions have 30 s (`template.yaml`); with the pace of RunTask this is some 25
/// launches. The next run, within the minute, goes on from what it finds.
const ROUND: Duration = Duration::from_secs(20);

/// What the fleet is sized with.
#[derive(Debug)]
pub struct Scaling {
    fleet: Fleet,
    jobs: Queue,
    launcher: Launcher,
    maximum: u32,
    size: Size,
}

/// Why the fleet is sized now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A minute has passed, or an alarm says so.
    Tick,
    /// Jobs were queued: if a pooled worker polls, nothing is done.
    Queued {
        /// How many messages were queued just now. The queue's own count may not show them yet.
        count: u64,
    },
}

/// What was seen and done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Scaled {
    /// Messages that wait in the queue.
    pub visible: u64,
    /// Messages that workers have received and not deleted.
    pub in_flight: u64,
    /// Workers that polled.
    pub running: u32,
    /// Tasks that were starting.
    pub launching: u32,
    /// Tasks that should have started long ago.
    pub overdue: u32,
    /// How many pooled workers there could be.
    pub maximum: u32,
    /// Workers that were missing.
    pub wanted: u32,
    /// Workers launched for them. If fewer than wanted, [`reason`](Self::reason) says why.
    pub launched: u32,
    /// Tasks found, or launched, for slots that were reserved without a task.
    pub recovered: u32,
    /// Slots freed because their tasks had stopped.
    pub freed: u32,
    /// Tasks stopped because they never started or sent no heartbeat.
    pub stopped: u32,
    /// Why nothing, or less than wanted, was launched.
    pub reason: Option<String>,
    /// The breaker as it was before anything was launched.
    #[serde(skip)]
    pub breaker: Breaker,
}

impl Scaling {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            jobs: Queue::new(clients, &settings.get(variables::JOBS_QUEUE_URL)?),
            launcher: Launcher::new(clients, settings)?,
            maximum: settings.get(variables::MAXIMUM_TASKS)?,
            size: settings.fleet_size()?,
        })
    }

    /// Makes the first connection; see [`Fleet::warm`].
    pub async fn warm(&self) {
        self.fleet.warm().await;
    }

    /// Launches the pooled workers that are missing; a [`Trigger::Tick`] also repairs the slots. Each launch is durable on
    /// its own. A repeat sees what the first run did, or loses its slots to it.
    ///
    /// While the [breaker](domain::breaker) is open, only probes are launched.
    ///
    /// # Errors
    /// [`CallError`]: jobs wait safely in their queue, and the next run does what this one could not. If the repair of slots
    /// fails, workers are launched first and the error is returned afterwards.
    pub async fn run(&self, trigger: Trigger, now: Timestamp) -> Result<Scaled, CallError> {
        // Boxed: the SDK's futures nest so deeply that a function's main, around them, meets the compiler's limit.
        self.size_fleet(trigger, now).boxed().await
    }

    async fn size_fleet(&self, trigger: Trigger, now: Timestamp) -> Result<Scaled, CallError> {
        let (mut slots, snapshot, mut breaker) = self.fleet.slots_and::<QueueSnapshot>(self.maximum).await?;
        let mut scaled = Scaled::default();
        if came_to_work(&slots, &breaker) {
            breaker = breaker::record(&self.fleet, &Signal::Works, now).await?;
        }
        scaled.breaker = breaker.clone();
        let repaired = match trigger {
            Trigger::Queued { .. } if fleet_counts(&slots, now).is_attended() => return Ok(scaled),
            Trigger::Queued { .. } => Ok(()),
            Trigger::Tick => self.repair_slots(&mut slots, &breaker, now, &mut scaled).await,
        };
        let signals = self.signals(trigger, &slots, snapshot.as_ref(), now).await?;
        let launched = self.launch_missing(&signals, &slots, &breaker, now, &mut scaled).await;
        log_decision(&signals, &scaled);
        if trigger == Trigger::Tick {
            measure(&slots, &scaled);
        }
        launched.and(repaired).map(|()| scaled)
    }

    /// What the scaling law decides by. The snapshot is stored for the next run before anything is launched.
    async fn signals(
        &self,
        trigger: Trigger,
        slots: &[Slot],
        snapshot: Option<&QueueSnapshot>,
        now: Timestamp,
    ) -> Result<Signals, CallError> {
        let counts = self.jobs.counts().await?;
        let visible = match trigger {
            Trigger::Tick => counts.visible,
            Trigger::Queued { count } => counts.visible.max(count),
        };
        let fleet_counts = fleet_counts(slots, now);
        let trend = observe_queue(snapshot, now, visible, counts.in_flight, fleet_counts.done);
        if trend.is_news {
            self.fleet.put_document(&trend.snapshot).await?;
        }
        Ok(fleet_counts.signals(visible, counts.in_flight, &trend))
    }

    /// Launches as many as the law says into the first free slots as they were seen. A slot that another run was
    /// faster to reserve is not replaced by another: that run launches for the same work.
    async fn launch_missing(
        &self,
        signals: &Signals,
        slots: &[Slot],
        breaker: &Breaker,
        now: Timestamp,
        scaled: &mut Scaled,
    ) -> Result<(), CallError> {
        let mut wanted = launches(signals);
        scaled.saw(signals, wanted);
        if wanted > 0
            && let Some(until) = breaker::paused_until(&self.fleet, breaker, now).await?
        {
            scaled.reason = Some(format!("launches are paused until {until:.0}: {}", breaker.words()));
            return Ok(());
        }
        if breaker.is_open() {
            // A probe is one launch.
            wanted = wanted.min(1);
        }
        let (began, mut failures) = (Instant::now(), ItemFailures::default());
        for slot in free_for_drain(slots).take(wanted as usize) {
            if began.elapsed() >= ROUND {
                scaled.reason = Some("the round is over".to_owned());
                break;
            }
            let launched = self.launch_into(slot, breaker, now, scaled).await;
            match failures.record(format!("slot {}", slot.number), launched) {
                Some(ControlFlow::Break(())) => break,
                _ if failures.should_give_up() => break,
                _ => {}
            }
        }
        failures.finish().map_err(|failed| CallError::retries_exhausted("launch the missing workers", failed))
    }

    /// Reserves a slot as it was seen, and launches a worker into it. Breaks when whatever kept this worker from being
    /// launched will keep the next.
    async fn launch_into(
        &self,
        slot: &Slot,
        breaker: &Breaker,
        now: Timestamp,
        scaled: &mut Scaled,
    ) -> Result<ControlFlow<()>, CallError> {
        let Some(slot) = self.fleet.reserve(slot, Occupant::Drain, now).await? else {
            scaled.reason = Some("another run is launching".to_owned());
            return Ok(ControlFlow::Continue(()));
        };
        let launched = self.launch(&slot).await?;
        if matches!(launched, Launched::NoRoom(_) | Launched::Refused(_)) {
            self.fleet.free(slot.number, slot.generation).await?;
        }
        match launched {
            Launched::Task(_) => {
                scaled.launched += 1;
                if breaker.is_open() {
                    breaker::record(&self.fleet, &Signal::Accepted, now).await?;
                }
                return Ok(ControlFlow::Continue(()));
            }
            Launched::Refused(reason) => {
                scaled.reason = Some(reason.message.clone());
                breaker::record(&self.fleet, &Signal::Refused(reason), now).await?;
            }
            Launched::NoRoom(reason) => scaled.reason = Some(reason),
            Launched::Unanswered => scaled.reason = Some("RunTask does not answer".to_owned()),
        }
        Ok(ControlFlow::Break(()))
    }

    /// Launches a worker into a slot that is reserved for it, and notes its task.
    async fn launch(&self, slot: &Slot) -> Result<Launched, CallError> {
        match self.launcher.launch(&TaskSpec::of_drain(slot, self.size)).await {
            Ok(launched) => {
                // Refused when the task has already stopped and its slot is free: nothing is left to note.
                self.fleet.launched(slot.number, slot.generation, &launched.task).await?;
                Ok(Launched::Task(launched.task))
            }
            Err(error) if !error.is_answer() => {
                let error = telemetry::causes(&error);
                warn!(slot = slot.number, error, "RunTask did not answer: the next run repeats the launch");
                Ok(Launched::Unanswered)
            }
            Err(error) => Ok(match error.refusal() {
                Some(reason) => Launched::Refused(reason),
                None => Launched::NoRoom(telemetry::causes(&error)),
            }),
        }
    }
}

/// What became of a launch.
enum Launched {
    /// There is this task.
    Task(String),
    /// Not now, for this reason.
    NoRoom(String),
    /// Not before somebody fixes the configuration.
    Refused(Reason),
    /// RunTask did not answer: the task may exist.
    Unanswered,
}

/// Whether a worker has come to poll since launches were paused.
fn came_to_work(slots: &[Slot], breaker: &Breaker) -> bool {
    let since = breaker.opened_at;
    since.is_some_and(|since| slots.iter().any(|slot| slot.is_drain() && slot.polling_at > Some(since)))
}

impl Scaled {
    fn saw(&mut self, signals: &Signals, wanted: u32) {
        (self.visible, self.in_flight) = (signals.visible, signals.in_flight);
        (self.running, self.launching, self.overdue) = (signals.running, signals.launching, signals.overdue);
        (self.maximum, self.wanted) = (signals.maximum, wanted);
        self.reason = (wanted == 0).then(|| why_none(signals).to_owned());
    }

    fn is_idle(&self) -> bool {
        self.visible == 0
            && self.in_flight == 0
            && self.running == 0
            && self.freed == 0
            && self.launching == 0
    }
}

/// The minute's metrics. An idle minute emits none: a metric costs for each hour in which it has data.
fn measure(slots: &[Slot], scaled: &Scaled) {
    let taken = slots.iter().filter(|slot| !slot.is_free()).count() as u64 + u64::from(scaled.launched);
    let places = slots.len().max(1) as u64;
    if taken > 0 || scaled.visible > 0 {
        metrics::put_all(&[
            (Metric::Backlog, scaled.visible),
            (Metric::Tasks, taken),
            (Metric::FleetUse, taken * 100 / places),
        ]);
    }
}

/// One log line for each decision; at debug level while the fleet is idle.
fn log_decision(signals: &Signals, scaled: &Scaled) {
    macro_rules! line {
        ($level:ident, $words:expr) => {
            $level!(
                backlog.visible = signals.visible,
                backlog.in_flight = signals.in_flight,
                backlog.waited_s = signals.waited.as_secs(),
                backlog.arrivals_per_second = signals.arrivals_per_second,
                fleet.running = signals.running,
                fleet.launching = signals.launching,
                fleet.overdue = signals.overdue,
                fleet.maximum = signals.maximum,
                service_ms = signals.service.as_millis() as u64,
                startup_s = signals.startup.as_secs(),
                wanted = scaled.wanted,
                launched = scaled.launched,
                recovered = scaled.recovered,
                freed = scaled.freed,
                stopped = scaled.stopped,
                reason = scaled.reason,
                "{}",
                $words
            )
        };
    }
    if scaled.is_idle() {
        line!(debug, "the fleet is idle");
    } else {
        line!(info, words(scaled));
    }
}

/// The decision in words.
fn words(scaled: &Scaled) -> String {
    let because = scaled.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (scaled.launched, scaled.wanted) {
        (0, 0) => format!("no worker is needed{because}"),
        (launched, wanted) if launched == wanted => {
            format!("launched {}", text::count(launched, "pooled worker"))
        }
        (launched, wanted) => {
            format!("launched {launched} of {}{because}", text::count(wanted, "pooled worker"))
        }
    }
}
