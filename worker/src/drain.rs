//! The pooled worker: takes jobs from the backlog, many at once, until there are none.
//!
//! ```text
//!                 ┌──── heartbeat: hide what is held, check in ────┐
//! jobs queue ─▶ take ─▶ a task per message ─▶ run_job::attend ─▶ Fate ─┴▶ deletes ─▶ jobs queue
//!                │                                 └ shown again, sent on, told of
//!                └ idle, slot lost, SIGTERM ─▶ leave
//! ```
//!
//! It may die on any line. The queue shows what it held to another worker a minute after its last heartbeat, and
//! the ledger, whose leases run out as fast, tells that one how each job stands ([`domain::claim`]).

mod crew;
mod deletes;
mod held;
mod leave;
mod message;
mod slot;

use std::{sync::Arc, time::Duration};

use app::{
    run_job::{Commands, Usage, Workshop},
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

use crew::{Crew, Why};
use deletes::Deletes;
use held::Held;
use slot::Slot;

/// For how long a message is hidden by each heartbeat, which is the queue's own timeout: two heartbeats may fail.
const HIDDEN: Duration = Duration::from_secs(60);

/// How long a call may take that nothing else waits for.
const CALL: Duration = Duration::from_secs(15);

/// How long jobs in flight may go on after a SIGTERM. A task that is told to stop has 120 s by the template, of which the
/// last poll may take twenty.
const GRACE: Duration = Duration::from_secs(20);

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

impl Drain {
    /// From the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub(crate) fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let queue = |name: &str| Ok(Queue::new(clients, settings.require(name)?));
        let slot = Slot::of(clients, settings, clock)?;
        Ok(Self {
            workshop: Arc::new(Workshop::new(clients, settings, clock, Commands::pooled(settings)?)?),
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
                Ok(Err(error)) => {
                    warn!(error = telemetry::causes(&error), "cannot say when messages are to be shown")
                }
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
