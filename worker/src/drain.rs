//! The pooled worker: runs jobs from the backlog, many at once, until the backlog is empty.
//!
//! ```text
//!             ┌─ heartbeat: extend the visibility timeout of what is in flight, check in at the fleet
//!             │
//! jobs queue ─▶ poll ─▶ one tokio task per message ─▶ process_job ─▶ Disposition ─▶ delete ─▶ jobs queue
//!                │                                                    └▶ retry: visible again
//!                └ idle, slot reassigned, SIGTERM ─▶ Phase ─▶ leave
//! ```
//!
//! It may be killed at any line. A minute after its last heartbeat the queue shows its messages to another worker. The
//! leases in the ledger run out as fast, so that worker finds there how each job stands ([`domain::claim`]).

mod deletes;
mod in_flight;
mod leave;
mod message;
mod phase;
mod poller;
mod slot;

use std::{sync::Arc, time::Duration};

use app::{
    run_job::{Commands, Services, Usage},
    scale,
};
use aws::{
    Clients,
    backlog::{BATCH_MESSAGES, Backlog},
    queue::Queue,
};
use clock::Clock;
use domain::{
    exit_code::ExitCode,
    fargate::Size,
    fleet::HEARTBEAT,
    settings::{Settings, SettingsError},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, instrument::WithSubscriber as _, warn};

use deletes::Deletes;
use in_flight::InFlight;
use phase::{Phase, PhaseWatch};
use poller::{Poller, Why};
use slot::Slot;

/// The visibility timeout that each heartbeat sets, the same as the queue's own: two heartbeats may fail.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a call may take that no job waits for.
const CALL: Duration = Duration::from_secs(15);

/// How long jobs in flight may continue after SIGTERM. The template gives a stopped task 120 s, of which the last poll may
/// take twenty.
const GRACE: Duration = Duration::from_secs(20);

/// How many heartbeats there are for one progress line in the log.
const BEATS_PER_LINE: u32 = 3;

/// A pooled worker.
#[derive(Debug)]
pub(crate) struct Drain {
    services: Arc<Services>,
    backlog: Backlog,
    jobs: Queue,
    uploads: Queue,
    stops: Queue,
    dead_letters: Queue,
    /// The size of pooled workers. Jobs that need a larger task do not run here.
    pooled: Size,
    slot: Option<Slot>,
    /// The name of this worker in the ledger.
    name: String,
}

impl Drain {
    /// Reads the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that is missing or invalid.
    pub(crate) fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let queue = |name: &str| Ok(Queue::new(clients, settings.require(name)?));
        let slot = Slot::of(clients, settings, clock)?;
        Ok(Self {
            services: Arc::new(Services::new(clients, settings, clock, Commands::pooled(settings)?)?),
            backlog: Backlog::new(clients, settings.require("JOBS_QUEUE_URL")?),
            jobs: queue("JOBS_QUEUE_URL")?,
            uploads: queue("UPLOADS_QUEUE_URL")?,
            stops: queue("STOPS_QUEUE_URL")?,
            dead_letters: queue("DEAD_LETTER_QUEUE_URL")?,
            pooled: scale::size(settings)?,
            name: slot.as_ref().map_or_else(|| "drain".to_owned(), Slot::name),
            slot,
        })
    }

    /// Runs jobs until the backlog is empty, or until `stop` is cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) -> ExitCode {
        let (drain, started) = (Arc::new(self), Instant::now());
        info!(worker = drain.name, "pooled worker {} starts", drain.name);
        let own = match &drain.slot {
            Some(slot) => {
                tokio::select! {
                    own = slot.first_heartbeat() => own,
                    () = stop.cancelled() => true,
                }
            }
            None => true,
        };
        if !own {
            info!(worker = drain.name, "the slot of {} is reassigned to another worker; exiting", drain.name);
            return ExitCode::Done;
        }
        let phase = PhaseWatch::new();
        if stop.is_cancelled() {
            phase.advance(Phase::Stopping);
        }
        let (in_flight, deletes) = (InFlight::new(), Deletes::start(drain.backlog.clone()));
        let heartbeat = drain.clone().heartbeat(in_flight.clone(), phase.clone());
        let heartbeat = AbortOnDropHandle::new(tokio::spawn(heartbeat.with_current_subscriber()));
        let stopping = drain.clone().follow_stop(in_flight.clone(), stop, phase.clone());
        let stopping = AbortOnDropHandle::new(tokio::spawn(stopping.with_current_subscriber()));
        let mut poller = Poller {
            drain: drain.clone(),
            in_flight: in_flight.clone(),
            tasks: JoinSet::new(),
            deletes: deletes.sender(),
            phase: phase.clone(),
        };

        let why = poller.poll(started).await;
        info!(worker = drain.name, ?why, "{} receives no more messages: {why}", drain.name);
        if matches!(why, Why::Idle | Why::Broken(_)) {
            // The order matters. Whoever queued a message before this line saw a worker polling, and the final poll finds
            // the message. Whoever queues one after it sees no worker, and launches one.
            phase.advance(Phase::Leaving);
            drain.report_leaving(&in_flight).await;
        }
        if why == Why::Idle {
            poller.final_poll().await;
        }
        while !poller.tasks.is_empty() {
            poller.join_next().await;
        }
        drop((poller, heartbeat, stopping));
        tokio::join!(deletes.finish(), drain.services.commands.end());
        drain.log_progress(&in_flight);
        match why {
            _ if phase.now() >= Phase::Stopping => ExitCode::Terminated,
            Why::Broken(code) => code,
            Why::Idle | Why::Replaced | Why::Stopped => ExitCode::Done,
        }
    }

    /// Every twenty seconds, extends the visibility timeout of the messages in flight and checks in at the fleet.
    async fn heartbeat(self: Arc<Self>, in_flight: InFlight, phase: PhaseWatch) {
        for beat in 1_u32.. {
            let next = Instant::now() + HEARTBEAT;
            sleep_until(next).await;
            let fleet = async {
                let Some(slot) = &self.slot else { return };
                if phase.now() >= Phase::Leaving {
                    slot.leave(in_flight.stats()).await;
                } else if !slot.heartbeat(in_flight.stats()).await {
                    phase.advance(Phase::Replaced);
                }
            };
            let receipts = in_flight.receipts();
            tokio::join!(self.change_visibility(&receipts, VISIBILITY_TIMEOUT), fleet);
            if beat % BEATS_PER_LINE == 0 {
                self.log_progress(&in_flight);
            }
        }
    }

    /// Sets the visibility timeout of messages, from now on; zero shows them at once. A message that SQS refuses to change
    /// belongs to another worker by now, and the ledger knows who has its job. After a failed call, the next heartbeat
    /// extends the timeout; a message that was to be shown again appears when its present timeout ends.
    async fn change_visibility(&self, receipts: &[String], time: Duration) {
        let batches = receipts.chunks(BATCH_MESSAGES).map(async |batch| {
            let messages = batch.len();
            match timeout(CALL, self.backlog.change_visibility(batch, time)).await {
                Ok(Ok(failures)) => {
                    for failure in failures {
                        warn!(
                            code = failure.code,
                            "failed to change a message's visibility: {}", failure.code
                        );
                    }
                }
                Ok(Err(error)) => {
                    warn!(
                        error = telemetry::causes(&error),
                        "failed to change the visibility of {messages} messages"
                    );
                }
                Err(_elapsed) => warn!("timed out changing the visibility of {messages} messages"),
            }
        });
        futures::future::join_all(batches).await;
    }

    /// After a SIGTERM, which Spot sends too, the worker receives no more messages. Jobs that are not done after
    /// [`GRACE`] are returned to the ledger.
    async fn follow_stop(self: Arc<Self>, in_flight: InFlight, stop: CancellationToken, phase: PhaseWatch) {
        stop.cancelled().await;
        phase.advance(Phase::Stopping);
        let over = Instant::now() + GRACE;
        self.report_leaving(&in_flight).await;
        sleep_until(over).await;
        phase.advance(Phase::ForceStop);
    }

    async fn report_leaving(&self, in_flight: &InFlight) {
        if let Some(slot) = &self.slot {
            slot.leave(in_flight.stats()).await;
        }
    }

    fn log_progress(&self, in_flight: &InFlight) {
        let (stats, usage) = (in_flight.stats(), Usage::of_process());
        info!(
            worker = self.name,
            in_flight = in_flight.len(),
            settled = stats.done,
            records = in_flight.records(),
            busy_s = stats.busy.as_secs(),
            memory.peak_bytes = usage.map(|usage| usage.peak_memory_bytes),
            "progress of {}: {} messages in flight, {} done",
            self.name,
            in_flight.len(),
            stats.done
        );
    }
}
