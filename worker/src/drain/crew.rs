//! The messages that are held: taken while there is room for them, and each worked on.

use std::{pin::pin, sync::Arc, time::Duration};

use aws::{
    CallError,
    backlog::{BATCH_MESSAGES, Delivery, LONGEST_WAIT},
};
use domain::{backoff, exit_code::ExitCode};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, instrument::WithSubscriber as _, warn};

use super::{
    CALL, Drain,
    held::Held,
    leave::{self, LAST_WAIT},
    message::Fate,
};

/// How many messages are held at once. The first byte of an object takes S3 100 to 200 ms, in which a worker of a quarter
/// of a core parses and writes some ten small objects; what they may hold in memory is bounded by
/// [`app::run_job`].
const MOST_HELD: usize = 32;

/// While there is room, but for less than a batch, how long it is waited for more: calls are paid one by one.
const PATIENCE: Duration = Duration::from_millis(250);

/// How often in a row receiving may fail, some ten minutes, before the worker leaves the queue to others.
const RECEIVE_TRIES: u32 = 24;

/// Why a worker takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// There was nothing to take for a while.
    Idle,
    /// Its slot is another's.
    Replaced,
    /// It is asked to stop.
    Stopped,
    /// The queue cannot be received from.
    Broken(ExitCode),
}

/// The messages being worked on, each on a task of its own: one that panics hurts only itself.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) drain: Arc<Drain>,
    pub(super) held: Held,
    pub(super) tasks: JoinSet<()>,
    pub(super) deletes: mpsc::UnboundedSender<String>,
    /// Cancelled when what is in flight is to be handed back.
    pub(super) hurry: CancellationToken,
}

impl Crew {
    /// Takes messages while there is room for them, and says why it takes no more. Messages that arrive with the stop
    /// are shown to others at once.
    pub(super) async fn take(
        &mut self,
        started: Instant,
        stop: &CancellationToken,
        replaced: &CancellationToken,
    ) -> Why {
        let mut failures = 0;
        loop {
            let patience = Instant::now() + PATIENCE;
            while self.room() < BATCH_MESSAGES && (self.room() == 0 || Instant::now() < patience) {
                tokio::select! {
                    () = stop.cancelled() => return Why::Stopped,
                    () = replaced.cancelled() => return Why::Replaced,
                    () = self.reap() => {}
                    () = sleep_until(patience), if self.room() > 0 => {}
                }
            }
            if stop.is_cancelled() {
                return Why::Stopped;
            }
            if replaced.is_cancelled() {
                return Why::Replaced;
            }
            let leave_at = self.held.idle_since().map(|since| leave::leave_at(started, since));
            let wait =
                leave_at.map_or(LONGEST_WAIT, |at| leave::wait(at.saturating_duration_since(Instant::now())));
            match self.receive(wait).await {
                Ok(deliveries) if stop.is_cancelled() => {
                    self.hand_back(deliveries).await;
                    return Why::Stopped;
                }
                Ok(deliveries) if deliveries.is_empty() => {
                    failures = 0;
                    let idle_since = self.held.idle_since();
                    if idle_since.is_some_and(|since| Instant::now() >= leave::leave_at(started, since)) {
                        return Why::Idle;
                    }
                }
                Ok(deliveries) => {
                    failures = 0;
                    self.work_on(deliveries);
                }
                Err(failure) => {
                    error!(error = telemetry::causes(&failure), failures, "cannot receive");
                    failures += 1;
                    if !failure.is_retryable() {
                        return Why::Broken(ExitCode::Config);
                    }
                    if failures >= RECEIVE_TRIES {
                        return Why::Broken(ExitCode::TryAgain);
                    }
                    let longest = Duration::from_secs(30);
                    let pause =
                        backoff::delay(failures, Duration::from_millis(500), longest, fastrand::f64());
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = stop.cancelled() => return Why::Stopped,
                    }
                }
            }
        }
    }

    /// How many more messages may be held. None while commands wait here for their turn: what comes next may be one more,
    /// and another worker has it sooner.
    fn room(&self) -> usize {
        if self.drain.workshop.commands.is_crowded() { 0 } else { MOST_HELD.saturating_sub(self.held.len()) }
    }

    /// One poll. It is never dropped while the queue may answer it: what it brings would stay hidden for a minute.
    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery>, CallError> {
        let (drain, room) = (self.drain.clone(), self.room());
        let mut poll = pin!(timeout(wait + CALL, drain.backlog.receive(room, wait)));
        loop {
            tokio::select! {
                polled = &mut poll => {
                    return polled.unwrap_or_else(|elapsed| Err(CallError::exhausted("receive", elapsed)));
                }
                () = self.reap() => {}
            }
        }
    }

    /// Works on each message on a task of its own.
    fn work_on(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let hold = self.held.take(&delivery.receipt);
            let (drain, held, deletes) = (self.drain.clone(), self.held.clone(), self.deletes.clone());
            let hurry = self.hurry.clone();
            let work = async move {
                let fate = drain.process(&delivery, &hurry).await;
                // No heartbeat may hide it for longer from here on.
                drop(hold);
                match fate {
                    Fate::Settled(records) => {
                        held.settled(records);
                        // Refused only when this worker has left, and then the message comes again.
                        drop(deletes.send(delivery.receipt));
                    }
                    Fate::Again(time) => drain.hide(&[delivery.receipt], time).await,
                    Fate::Left => {}
                }
            };
            // Hosted within another program, a worker's lines are kept apart by its subscriber.
            self.tasks.spawn(work.with_current_subscriber());
        }
    }

    /// Waits until a message is dealt with, for ever if none is held.
    pub(super) async fn reap(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(panic)) => {
                error!(error = telemetry::causes(&panic), "a message was not dealt with: it comes again");
            }
            None => std::future::pending().await,
        }
    }

    /// The last look at the queue.
    pub(super) async fn look_once_more(&mut self, stop: &CancellationToken) {
        match self.receive(LAST_WAIT).await {
            Ok(deliveries) if stop.is_cancelled() => self.hand_back(deliveries).await,
            Ok(deliveries) => self.work_on(deliveries),
            // Whatever is there keeps: λ scaler comes every minute.
            Err(failure) => {
                warn!(error = telemetry::causes(&failure), "cannot look at the queue for the last time")
            }
        }
    }

    async fn hand_back(&self, deliveries: Vec<Delivery>) {
        let receipts: Vec<String> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
        self.drain.hide(&receipts, Duration::ZERO).await;
    }
}
