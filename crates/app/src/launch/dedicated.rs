//! A task of its own for one job.

use std::time::Duration;

use aws::{
    CallError, Clients,
    fleet::Fleet,
    ledger::Ledger,
    queue::Queue,
    tasks::{Launched, TaskSpec},
};
use clock::Clock;
use domain::{
    audit::{AuditEntry, AuditKind},
    breaker::{Breaker, Signal},
    fleet::{Occupant, Slot, free_for_job},
    job::Job,
    message::JobMessage,
    retry::{LAUNCH_DEFERRED, LONGEST_MESSAGE_DELAY},
    routing::DedicatedReason,
    settings::{Settings, SettingsError, variables},
};
use jiff::Timestamp;
use tracing::info;

use super::{Launcher, breaker};

/// After this many deferrals, about a minute, an object that is only large goes to the pooled workers: they stream, and
/// are there when no other task can be.
const PATIENCE: u32 = 4;

/// Over how long paused jobs come back after the next probe is due, so that they do not all come at once.
const SPREAD: Duration = Duration::from_secs(30);

/// Launches tasks of their own for jobs.
#[derive(Debug)]
pub struct DedicatedTasks {
    ledger: Ledger,
    fleet: Fleet,
    launcher: Launcher,
    uploads: Queue,
    maximum_tasks: u32,
    clock: Clock,
}

/// What became of a job that needs a task of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dedicated {
    /// This task is on its way.
    Launched {
        /// The task's ARN.
        task: String,
    },
    /// It cannot launch now: a delayed message on the uploads queue tries again.
    Waits,
    /// No task could be launched for long enough: the job is the pooled workers'. Nobody has queued it yet.
    ToPool,
}

impl DedicatedTasks {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        Ok(Self {
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            launcher: Launcher::new(clients, settings)?,
            uploads: Queue::new(clients, &settings.get(variables::UPLOADS_QUEUE_URL)?),
            maximum_tasks: settings.get(variables::MAXIMUM_TASKS)?,
            clock,
        })
    }

    /// The revision of the task definition that is deployed.
    #[must_use]
    pub fn definition(&self) -> &str {
        self.launcher.definition()
    }

    /// Launches the task of the job's present attempt into a slot of its own. What cannot launch now waits in the
    /// queue under a message of its own, so that a shortage of hours uses up none of the original's receives. A wrong
    /// configuration uses up none of its attempts.
    ///
    /// # Errors
    /// [`CallError`]: the task may be launched; a repeat finds its slot and the task.
    pub async fn launch(
        &self,
        job: &Job,
        why: DedicatedReason,
        times_deferred: u32,
    ) -> Result<Dedicated, CallError> {
        let now = self.clock.now();
        let (slots, breaker) = self.fleet.slots_and_breaker(self.maximum_tasks).await?;
        if let Some(until) = breaker::paused_until(&self.fleet, &breaker, now).await? {
            return self.pause(job, times_deferred, &breaker, until).await;
        }
        let Some((slot, is_new)) = self.slot(job, &slots).await? else {
            return self.defer(job, why, times_deferred, "every slot is taken").await;
        };
        let refused = match self.launcher.launch(&TaskSpec::of_job(job)).await {
            Ok(launched) => return self.launched(job, &slot, launched, &breaker).await,
            Err(refused) => refused,
        };
        // After a call that was not answered, this one or that of an earlier try, the task may exist and holds its slot;
        // the next try finds both. If none comes of it, λ scaler frees the slot.
        if is_new && refused.is_answer() {
            self.fleet.free(slot.number, slot.generation).await?;
        }
        if let Some(reason) = refused.refusal() {
            let breaker = breaker::record(&self.fleet, &Signal::Refused(reason), now).await?;
            let until = breaker.probe_at.unwrap_or(now);
            return self.pause(job, times_deferred, &breaker, until).await;
        }
        self.defer(job, why, times_deferred, &telemetry::causes(&refused)).await
    }

    async fn launched(
        &self,
        job: &Job,
        slot: &Slot,
        launched: Launched,
        breaker: &Breaker,
    ) -> Result<Dedicated, CallError> {
        let Launched { task, target, other_revision } = launched;
        let now = self.clock.now();
        self.fleet.launched(slot.number, slot.generation, &task).await?;
        let on = target.map_or_else(|| "its task existed already".to_owned(), |target| target.to_string());
        let image =
            if other_revision { ", with the image deployed now as the first one's is gone" } else { "" };
        let words = format!("attempt {}: {on}{image}, task {task}", job.attempt);
        // Refused when the task already stopped and the attempt is past: nothing is left to note.
        self.ledger
            .launched(&job.id, job.attempt, &task, &AuditEntry::new(now, AuditKind::Launched, words))
            .await?;
        if breaker.is_open() {
            breaker::record(&self.fleet, &Signal::Accepted, now).await?;
        }
        Ok(Dedicated::Launched { task })
    }

    /// The slot for this attempt, and whether it is new: a free one, or the one that an earlier try reserved.
    async fn slot(&self, job: &Job, slots: &[Slot]) -> Result<Option<(Slot, bool)>, CallError> {
        if let Some(own) = slots.iter().find(|slot| slot.is_of(&job.id, job.attempt)) {
            return Ok(Some((own.clone(), false)));
        }
        for slot in free_for_job(slots) {
            let occupant = Occupant::Job { job: job.id.clone(), attempt: job.attempt };
            // Refused: another launch was faster. The next one may still be free.
            if let Some(reserved) = self.fleet.reserve(slot, occupant, self.clock.now()).await? {
                return Ok(Some((reserved, true)));
            }
        }
        Ok(None)
    }

    async fn defer(
        &self,
        job: &Job,
        why: DedicatedReason,
        times_deferred: u32,
        reason: &str,
    ) -> Result<Dedicated, CallError> {
        let now = self.clock.now();
        if why == DedicatedReason::Large && times_deferred >= PATIENCE {
            info!(job.id = %job.id, reason, "no task of its own could be launched: the job goes to the pooled workers");
            let words =
                format!("to the pooled workers, since no task of its own could be launched: {reason}");
            self.ledger.note(&job.id, &AuditEntry::new(now, AuditKind::Pooled, words)).await?;
            return Ok(Dedicated::ToPool);
        }
        let delay = LAUNCH_DEFERRED.delay(times_deferred, fastrand::f64());
        info!(job.id = %job.id, delay_s = delay.as_secs(), reason, "deferred the launch of job {}", job.id);
        self.wait(
            job,
            times_deferred.saturating_add(1),
            delay,
            &AuditEntry::new(now, AuditKind::Deferred, reason),
        )
        .await
    }

    /// The configuration is wrong: the job waits until after the next probe.
    async fn pause(
        &self,
        job: &Job,
        times_deferred: u32,
        breaker: &Breaker,
        until: Timestamp,
    ) -> Result<Dedicated, CallError> {
        let now = self.clock.now();
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        let delay = (left + SPREAD.mul_f64(fastrand::f64())).min(LONGEST_MESSAGE_DELAY);
        info!(job.id = %job.id, delay_s = delay.as_secs(), cause = breaker.words(), "paused job {}", job.id);
        let words = format!("until the configuration is fixed: {}", breaker.words());
        self.wait(job, times_deferred, delay, &AuditEntry::new(now, AuditKind::Paused, words)).await
    }

    /// Another message for the same attempt, after `delay`. If the function dies between the two calls, the message is
    /// sent twice, and `deferred_until` distinguishes the second from the first.
    async fn wait(
        &self,
        job: &Job,
        times_deferred: u32,
        delay: Duration,
        note: &AuditEntry,
    ) -> Result<Dedicated, CallError> {
        let again = JobMessage::new(job.id.clone(), job.attempt, times_deferred);
        self.uploads.send(&again.to_body(), delay).await?;
        self.ledger.defer(job, note.at + delay, note).await?;
        Ok(Dedicated::Waits)
    }
}
