//! The pooled worker: takes jobs from the backlog, many at once, until there are none.
//!
//! ```text
//!                 ┌──── heartbeat: hide what is held, check in ────┐
//! jobs queue ─▶ take ─▶ a task per message ─▶ job::attend ─▶ Fate ─┴▶ deletes ─▶ jobs queue
//!                │                                 └ shown again, sent on, told of
//!                └ idle, slot lost, SIGTERM ─▶ leave
//! ```
//!
//! It may die on any line. The queue shows what it held to another worker a minute after its last heartbeat, and
//! the ledger, whose leases run out as fast, tells that one how each job stands ([`tidemill_core::claim`]).

mod deletes;
mod held;
mod leave;
mod message;
mod slot;

use std::{pin::pin, sync::Arc, time::Duration};

use tidemill_core::{
    adapter::{
        CallError, SdkConfig,
        backlog::{BATCH_MESSAGES, Backlog, Delivery, LONGEST_WAIT},
        queue::Queue,
        scaling,
    },
    backoff,
    clock::Clock,
    exit_code::ExitCode,
    fargate::Size,
    fleet::HEARTBEAT,
    settings::{Settings, SettingsError},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, instrument::WithSubscriber as _, warn};

use crate::{command::Commands, job::Workshop, usage::Usage};
use deletes::Deletes;
use held::Held;
use leave::{LAST_WAIT, leave_at};
use message::Fate;
use slot::Slot;

/// How many messages are held at once. The first byte of an object takes S3 100 to 200 ms, in which a worker of a quarter
/// of a core parses and writes some ten small objects; what they may hold in memory is bounded by
/// [`crate::memory`].
const MOST_HELD: usize = 32;

/// While there is room, but for less than a batch, how long it is waited for more: calls are paid one by one.
const PATIENCE: Duration = Duration::from_millis(250);

/// For how long a message is hidden by each heartbeat, which is the queue's own timeout: two heartbeats may fail.
const HIDDEN: Duration = Duration::from_secs(60);

/// How long a call may take that nothing else waits for.
const CALL: Duration = Duration::from_secs(15);

/// How long jobs in flight may go on after a SIGTERM. A task that is told to stop has 120 s by the template, of which the
/// last poll may take twenty.
const GRACE: Duration = Duration::from_secs(20);

/// How often in a row receiving may fail, some ten minutes, before the worker leaves the queue to others.
const RECEIVE_TRIES: u32 = 24;

/// One progress line for so many heartbeats.
const BEATS_PER_LINE: u32 = 3;

/// What a pooled worker works with.
#[derive(Debug)]
pub(crate) struct Drain {
    workshop: Arc<Workshop>,
    backlog: Backlog,
    jobs: Queue,
    uploads: Queue,
    stops: Queue,
    dead_letters: Queue,
    /// The size of pooled workers: larger jobs are not for them.
    pooled: Size,
    slot: Option<Slot>,
    /// What the ledger knows this worker by.
    name: String,
}

/// Why a worker takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
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
struct Crew {
    drain: Arc<Drain>,
    held: Held,
    tasks: JoinSet<()>,
    deletes: mpsc::UnboundedSender<String>,
    /// Cancelled when what is in flight is to be handed back.
    hurry: CancellationToken,
}

impl Drain {
    /// From the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub(crate) fn new(config: &SdkConfig, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let queue = |name: &str| Ok(Queue::new(config, settings.require(name)?));
        let slot = Slot::of(config, settings, clock)?;
        Ok(Self {
            workshop: Arc::new(Workshop::new(config, settings, clock, Commands::pooled(settings)?)?),
            backlog: Backlog::new(config, settings.require("JOBS_QUEUE_URL")?),
            jobs: queue("JOBS_QUEUE_URL")?,
            uploads: queue("UPLOADS_QUEUE_URL")?,
            stops: queue("STOPS_QUEUE_URL")?,
            dead_letters: queue("DEAD_LETTER_QUEUE_URL")?,
            pooled: scaling::size(settings)?,
            name: slot.as_ref().map_or_else(|| "drain".to_owned(), Slot::name),
            slot,
        })
    }

    /// Works until there is nothing to do, or until `stop` is cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) -> ExitCode {
        let (drain, started) = (Arc::new(self), Instant::now());
        info!(worker = drain.name, "begins");
        let own = match &drain.slot {
            Some(slot) => {
                tokio::select! {
                    own = slot.first_check_in() => own,
                    () = stop.cancelled() => true,
                }
            }
            None => true,
        };
        if !own {
            info!(worker = drain.name, "the slot is another's: leaves");
            return ExitCode::Done;
        }
        let (held, deletes) = (Held::new(), Deletes::begin(drain.backlog.clone()));
        let [leaving, replaced, hurry] = [(); 3].map(|()| CancellationToken::new());
        let beating = drain.clone().beat(held.clone(), leaving.clone(), replaced.clone());
        let beating = AbortOnDropHandle::new(tokio::spawn(beating.with_current_subscriber()));
        let warned = drain.clone().hear_stop(held.clone(), stop.clone(), leaving.clone(), hurry.clone());
        let warned = AbortOnDropHandle::new(tokio::spawn(warned.with_current_subscriber()));
        let mut crew = Crew {
            drain: drain.clone(),
            held: held.clone(),
            tasks: JoinSet::new(),
            deletes: deletes.sender(),
            hurry,
        };

        let why = crew.take(started, &stop, &replaced).await;
        info!(worker = drain.name, ?why, "takes no more");
        if matches!(why, Why::Idle | Why::Broken(_)) {
            // In this order: whoever queued a message before this saw a worker polling, and the last look finds it; whoever
            // queues one after this sees none, and launches one.
            leaving.cancel();
            drain.tell_leaving(&held).await;
        }
        if why == Why::Idle {
            crew.look_once_more(&stop).await;
        }
        while !crew.tasks.is_empty() {
            crew.reap().await;
        }
        drop((crew, beating, warned));
        tokio::join!(deletes.finish(), drain.workshop.commands.end());
        drain.progress(&held);
        match why {
            _ if stop.is_cancelled() => ExitCode::Terminated,
            Why::Broken(code) => code,
            Why::Idle | Why::Replaced | Why::Stopped => ExitCode::Done,
        }
    }

    /// Tells the queue and the fleet, every twenty seconds, that what is held is held.
    async fn beat(self: Arc<Self>, held: Held, leaving: CancellationToken, replaced: CancellationToken) {
        for beat in 1_u32.. {
            let next = Instant::now() + HEARTBEAT;
            sleep_until(next).await;
            let fleet = async {
                let Some(slot) = &self.slot else { return };
                if leaving.is_cancelled() {
                    slot.leave(held.tally()).await;
                } else if !slot.check_in(held.tally()).await && !leaving.is_cancelled() {
                    replaced.cancel();
                }
            };
            let receipts = held.receipts();
            tokio::join!(self.hide(&receipts, HIDDEN), fleet);
            if beat % BEATS_PER_LINE == 0 {
                self.progress(&held);
            }
        }
    }

    /// Hides messages for this time from now on; none shows them at once. A message that is not to be hidden is
    /// another's by now, and the ledger knows whose the job is. What is held and could not be told is hidden by the next
    /// heartbeat, and what is given back is shown when the queue itself does.
    async fn hide(&self, receipts: &[String], time: Duration) {
        let batches = receipts.chunks(BATCH_MESSAGES).map(async |batch| {
            match timeout(CALL, self.backlog.hide(batch, time)).await {
                Ok(Ok(failures)) => {
                    for failure in failures {
                        warn!(code = failure.code, "a message is shown at another time than was asked for");
                    }
                }
                Ok(Err(error)) => warn!(error = %error.chain(), "cannot say when messages are to be shown"),
                Err(_elapsed) => warn!("saying when messages are to be shown takes too long"),
            }
        });
        futures::future::join_all(batches).await;
    }

    /// A SIGTERM, of which a Spot warning is one: takes no more from now on, and hands back what is not finished soon.
    async fn hear_stop(
        self: Arc<Self>,
        held: Held,
        stop: CancellationToken,
        leaving: CancellationToken,
        hurry: CancellationToken,
    ) {
        stop.cancelled().await;
        leaving.cancel();
        let over = Instant::now() + GRACE;
        self.tell_leaving(&held).await;
        sleep_until(over).await;
        hurry.cancel();
    }

    async fn tell_leaving(&self, held: &Held) {
        if let Some(slot) = &self.slot {
            slot.leave(held.tally()).await;
        }
    }

    fn progress(&self, held: &Held) {
        let (tally, usage) = (held.tally(), Usage::of_process());
        info!(
            worker = self.name,
            in_flight = held.len(),
            settled = tally.done,
            records = held.records(),
            busy_s = tally.busy.as_secs(),
            memory.peak_bytes = usage.map(|usage| usage.peak_memory_bytes),
            "progress"
        );
    }
}

impl Crew {
    /// Takes messages while there is room for them, and says why it takes no more. Messages that arrive with the stop
    /// are shown to others at once.
    async fn take(
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
            let leave_at = self.held.idle_since().map(|since| leave_at(started, since));
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
                    error!(error = failure.chain(), failures, "cannot receive");
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
    async fn reap(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(panic)) => {
                error!(
                    error = &panic as &dyn std::error::Error,
                    "a message was not dealt with: it comes again"
                );
            }
            None => std::future::pending().await,
        }
    }

    /// The last look at the queue.
    async fn look_once_more(&mut self, stop: &CancellationToken) {
        match self.receive(LAST_WAIT).await {
            Ok(deliveries) if stop.is_cancelled() => self.hand_back(deliveries).await,
            Ok(deliveries) => self.work_on(deliveries),
            // Whatever is there keeps: λ scaler comes every minute.
            Err(failure) => warn!(error = failure.chain(), "cannot look at the queue for the last time"),
        }
    }

    async fn hand_back(&self, deliveries: Vec<Delivery>) {
        let receipts: Vec<String> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
        self.drain.hide(&receipts, Duration::ZERO).await;
    }
}
