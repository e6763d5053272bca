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

mod call;
mod deletes;
mod in_flight;
mod leave;
mod message;
mod phase;
mod poller;
mod pooled_worker;
mod slot;

use std::{sync::Arc, time::Duration};

use app::run_job::Usage;
use aws::Clients;
use clock::Clock;
use domain::{
    exit_code::ExitCode,
    fleet::HEARTBEAT,
    settings::{Settings, SettingsError},
    text::count,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, instrument::WithSubscriber as _};

use deletes::Deletes;
use in_flight::InFlight;
use phase::{Phase, PhaseWatch};
use poller::{Poller, Why};
use pooled_worker::PooledWorker;

/// The visibility timeout that each heartbeat sets, the same as the queue's own: two heartbeats may fail.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long jobs in flight may continue after SIGTERM. The template gives a stopped task 120 s, of which the last poll may
/// take twenty.
const GRACE: Duration = Duration::from_secs(20);

/// How many heartbeats there are for one progress line in the log.
const BEATS_PER_LINE: u32 = 3;

/// A pooled worker, ready to run. Clones are the same worker.
#[derive(Debug, Clone)]
pub(crate) struct Drain(Arc<PooledWorker>);

impl Drain {
    /// Reads the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that is missing or invalid.
    pub(crate) fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        Ok(Self(Arc::new(PooledWorker::new(clients, settings, clock)?)))
    }

    /// Runs jobs until the backlog is empty, or until `stop` is cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) -> ExitCode {
        let (worker, started) = (self.0.clone(), Instant::now());
        info!(worker = worker.name, "pooled worker {} starts", worker.name);
        let own = match &worker.slot {
            Some(slot) => {
                tokio::select! {
                    biased;
                    own = slot.first_heartbeat() => own,
                    () = stop.cancelled() => true,
                }
            }
            None => true,
        };
        if !own {
            info!(
                worker = worker.name,
                "the slot of {} is reassigned to another worker; exiting", worker.name
            );
            return ExitCode::Done;
        }
        let phase = PhaseWatch::new();
        if stop.is_cancelled() {
            phase.advance(Phase::Stopping);
        }
        let (in_flight, deletes) = (InFlight::new(), Deletes::start(worker.backlog.clone()));
        let heartbeat = self.clone().heartbeat(in_flight.clone(), phase.clone());
        let heartbeat = AbortOnDropHandle::new(tokio::spawn(heartbeat.with_current_subscriber()));
        let stopping = self.clone().follow_stop(in_flight.clone(), stop, phase.clone());
        let stopping = AbortOnDropHandle::new(tokio::spawn(stopping.with_current_subscriber()));
        let mut poller = Poller {
            worker: worker.clone(),
            in_flight: in_flight.clone(),
            tasks: JoinSet::new(),
            deletes: deletes.sender(),
            phase: phase.clone(),
        };

        let why = poller.poll(started).await;
        info!(worker = worker.name, ?why, "{} receives no more messages: {why}", worker.name);
        if matches!(why, Why::Idle | Why::Broken(_)) {
            // The order matters. A function that queued a message before this line saw a worker polling, and the final poll
            // finds the message. A function that queues one after it sees no worker, and launches one.
            phase.advance(Phase::Leaving);
            self.report_leaving(&in_flight).await;
        }
        if why == Why::Idle {
            poller.final_poll().await;
        }
        while !poller.tasks.is_empty() {
            poller.join_next().await;
        }
        drop((poller, heartbeat, stopping));
        tokio::join!(deletes.finish(), worker.services.commands.end());
        self.log_progress(&in_flight);
        match why {
            _ if phase.now() >= Phase::Stopping => ExitCode::Terminated,
            Why::Broken(code) => code,
            Why::Idle | Why::Replaced | Why::Stopped => ExitCode::Done,
        }
    }

    /// Every twenty seconds, extends the visibility timeout of the messages in flight and checks in at the fleet.
    async fn heartbeat(self, in_flight: InFlight, phase: PhaseWatch) {
        for beat in 1_u32.. {
            let next = Instant::now() + HEARTBEAT;
            sleep_until(next).await;
            let fleet = async {
                let Some(slot) = &self.0.slot else { return };
                if phase.now() >= Phase::Leaving {
                    slot.leave(in_flight.stats()).await;
                } else if !slot.heartbeat(in_flight.stats()).await {
                    phase.advance(Phase::Replaced);
                }
            };
            let receipts = in_flight.receipts();
            tokio::join!(self.0.change_visibility(&receipts, VISIBILITY_TIMEOUT), fleet);
            if beat % BEATS_PER_LINE == 0 {
                self.log_progress(&in_flight);
            }
        }
    }

    /// After a SIGTERM, which Spot sends too, the worker receives no more messages. Jobs that are not done after
    /// [`GRACE`] are returned to the ledger.
    async fn follow_stop(self, in_flight: InFlight, stop: CancellationToken, phase: PhaseWatch) {
        stop.cancelled().await;
        phase.advance(Phase::Stopping);
        let over = Instant::now() + GRACE;
        self.report_leaving(&in_flight).await;
        sleep_until(over).await;
        phase.advance(Phase::ForceStop);
    }

    async fn report_leaving(&self, in_flight: &InFlight) {
        if let Some(slot) = &self.0.slot {
            slot.leave(in_flight.stats()).await;
        }
    }

    fn log_progress(&self, in_flight: &InFlight) {
        let (stats, usage) = (in_flight.stats(), Usage::of_process());
        info!(
            worker = self.0.name,
            in_flight = in_flight.len(),
            settled = stats.done,
            records = in_flight.records(),
            busy_s = stats.busy.as_secs(),
            memory.peak_bytes = usage.map(|usage| usage.peak_memory_bytes),
            "progress of {}: {} in flight, {} done",
            self.0.name,
            count(in_flight.len(), "message"),
            stats.done
        );
    }
}
