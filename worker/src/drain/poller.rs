//! Receives messages while this worker has capacity for them, and processes each on a task of its own.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use aws::{
    CallError,
    backlog::{BATCH_MESSAGES, Delivery, LONGEST_WAIT},
};
use domain::{exit_code::ExitCode, retry::RECEIVE_JOBS};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tracing::{error, instrument::WithSubscriber as _, warn};

use super::{
    call::{self, CALL},
    in_flight::InFlight,
    leave::{self, FINAL_WAIT},
    message::Disposition,
    phase::{Phase, PhaseWatch},
    pooled_worker::PooledWorker,
};

/// How many messages are in flight at most. S3 takes 100 to 200 ms to send the first byte of an object; in that time a
/// worker with a quarter of a core parses and writes about ten small objects. Their memory is bounded separately
/// ([`app::run_job`]).
const MOST_IN_FLIGHT: usize = 32;

/// How long the worker waits for capacity for a full batch before it receives a smaller one: SQS charges by the call.
const PATIENCE: Duration = Duration::from_millis(250);

/// Why a worker receives no more messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The backlog has been empty for a while.
    Idle,
    /// Its slot belongs to another worker.
    Replaced,
    /// It was asked to stop.
    Stopped,
    /// The queue cannot be received from. The worker leaves with this exit code.
    Broken(ExitCode),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "the backlog is empty",
            Self::Replaced => "its slot is reassigned to another worker",
            Self::Stopped => "it was asked to stop",
            Self::Broken(_) => "it cannot receive from the queue",
        })
    }
}

/// Receives messages and processes each on a task of its own: one that panics harms no other.
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) worker: Arc<PooledWorker>,
    pub(super) in_flight: InFlight,
    pub(super) tasks: JoinSet<()>,
    pub(super) deletes: mpsc::UnboundedSender<String>,
    pub(super) phase: PhaseWatch,
}

impl Poller {
    /// Receives messages while there is capacity for them, and says why it stops. Messages that arrive after SIGTERM are
    /// shown to other workers at once.
    pub(super) async fn poll(&mut self, started: Instant) -> Why {
        let mut failures = 0;
        let phase = self.phase.clone();
        loop {
            let patience = Instant::now() + PATIENCE;
            while self.capacity() < BATCH_MESSAGES && (self.capacity() == 0 || Instant::now() < patience) {
                tokio::select! {
                    biased;
                    () = phase.reached(Phase::Replaced) => break,
                    () = self.join_next() => {}
                    () = sleep_until(patience), if self.capacity() > 0 => {}
                }
            }
            match phase.now() {
                Phase::Polling => {}
                Phase::Replaced | Phase::Leaving => return Why::Replaced,
                Phase::Stopping | Phase::ForceStop => return Why::Stopped,
            }
            let leave_at = self.in_flight.idle_since().map(|since| leave::leave_at(started, since));
            let wait =
                leave_at.map_or(LONGEST_WAIT, |at| leave::wait(at.saturating_duration_since(Instant::now())));
            match self.receive(wait).await {
                Ok(deliveries) if phase.now() >= Phase::Stopping => {
                    self.give_back(deliveries).await;
                    return Why::Stopped;
                }
                Ok(deliveries) if deliveries.is_empty() => {
                    failures = 0;
                    let idle_since = self.in_flight.idle_since();
                    if idle_since.is_some_and(|since| Instant::now() >= leave::leave_at(started, since)) {
                        return Why::Idle;
                    }
                }
                Ok(deliveries) => {
                    failures = 0;
                    self.process_all(deliveries);
                }
                Err(failure) => {
                    error!(error = telemetry::causes(&failure), failures, "failed to receive messages");
                    failures += 1;
                    if !failure.is_retryable() {
                        return Why::Broken(ExitCode::Config);
                    }
                    if failures >= RECEIVE_JOBS.attempts {
                        return Why::Broken(ExitCode::TryAgain);
                    }
                    tokio::select! {
                        biased;
                        () = sleep(RECEIVE_JOBS.delay(failures - 1, fastrand::f64())) => {}
                        () = phase.reached(Phase::Stopping) => return Why::Stopped,
                    }
                }
            }
        }
    }

    /// How many more messages the worker can take. None while commands wait for their permit: the next message may be for
    /// another command, and another worker would start it sooner.
    fn capacity(&self) -> usize {
        if self.worker.services.commands.is_crowded() {
            0
        } else {
            MOST_IN_FLIGHT.saturating_sub(self.in_flight.len())
        }
    }

    /// One poll. It is never dropped while the queue may still answer: the messages of that answer would stay invisible
    /// for a minute.
    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery>, CallError> {
        let (worker, capacity) = (self.worker.clone(), self.capacity());
        let poll = worker.backlog.receive(capacity, wait);
        let mut poll = pin!(call::within(wait + CALL, "receive messages", poll));
        loop {
            tokio::select! {
                biased;
                polled = &mut poll => return polled,
                () = self.join_next() => {}
            }
        }
    }

    /// Processes each message on a task of its own.
    fn process_all(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let guard = self.in_flight.start(&delivery.receipt);
            let (worker, in_flight, deletes) =
                (self.worker.clone(), self.in_flight.clone(), self.deletes.clone());
            let phase = self.phase.clone();
            let work = async move {
                let disposition = worker.process(&delivery, &phase).await;
                // From here on no heartbeat may extend its visibility timeout.
                drop(guard);
                match disposition {
                    Disposition::Ack(records) => {
                        in_flight.settled(records);
                        // It fails only after the worker has left, and then the message is delivered again.
                        drop(deletes.send(delivery.receipt));
                    }
                    Disposition::Retry(time) => worker.change_visibility(&[delivery.receipt], time).await,
                    Disposition::Leave => {}
                }
            };
            // If several workers run in one process, as in tests, each has its own log.
            self.tasks.spawn(work.with_current_subscriber());
        }
    }

    /// Waits until one message is processed; for ever if none is in flight.
    pub(super) async fn join_next(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(panic)) => {
                error!(
                    error = telemetry::causes(&panic),
                    "processing a message panicked: it will be delivered again"
                );
            }
            None => std::future::pending().await,
        }
    }

    /// Polls once more after this worker has reported to the fleet that it leaves.
    pub(super) async fn final_poll(&mut self) {
        match self.receive(FINAL_WAIT).await {
            Ok(deliveries) if self.phase.now() >= Phase::Stopping => self.give_back(deliveries).await,
            Ok(deliveries) => self.process_all(deliveries),
            // Messages stay in the queue, and λ scaler runs every minute.
            Err(failure) => warn!(error = telemetry::causes(&failure), "failed to poll a last time"),
        }
    }

    /// Shows messages to other workers at once.
    async fn give_back(&self, deliveries: Vec<Delivery>) {
        let receipts: Vec<String> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
        self.worker.change_visibility(&receipts, Duration::ZERO).await;
    }
}
