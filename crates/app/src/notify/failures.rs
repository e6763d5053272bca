//! Mails about failures: of a job, a sweep or a command, each in a mail of its own or counted in a grouped one.
//!
//! ```text
//! failed ─▶ lease the mail ─▶ dead letter ─▶ alerts: at once? ─┬─▶ log tail, links ─▶ SNS ─┬─▶ record that it is mailed
//!                                                              └─▶ counted ────────────────┘
//! ```
//! A notification that dies on the way is made again when its message comes again, by the same rule: the alerts decide
//! anew whether it is a mail of its own.

use std::time::Duration;

use aws::{
    CallError, Clients,
    fleet::Fleet,
    ledger::{Changed, Ledger},
    mail::Mailer,
    queue::Queue,
    tasks::TaskPurpose,
};
use clock::Clock;
use domain::{
    alerts::{Delivery, Failure, Source},
    document::{Lease, StoredDocument},
    events::TaskStateChange,
    job::{Attempt, Job, JobState, Reason},
    mail::{self, RunFailed},
    message::JobMessage,
    notify::NotifyOn,
    schedule_runs::schedule_of_sweep,
    settings::{Settings, SettingsError, variables},
    verdict::Verdict,
};
use serde::{Deserialize, Serialize};

use super::{Alerts, JobMails};

/// For how long one stop may be sending a mail before another may. The template lets the function run for 30 s, and a
/// message comes again after 180 s: by then the lease of a function that died has run out.
const NOTIFY_LEASE: Duration = Duration::from_secs(60);

/// The record in the fleet table that a task's failure was mailed.
#[derive(Debug, Serialize, Deserialize)]
struct TaskNotice {
    notified_at: jiff::Timestamp,
}

/// One for each task, by its ARN.
impl StoredDocument for TaskNotice {
    const NAME: &'static str = "task_notice";
}

/// Mails failures, each at once or counted for one grouped mail.
#[derive(Debug)]
pub struct Notifier {
    ledger: Ledger,
    fleet: Fleet,
    failed_jobs: Queue,
    alerts: Alerts,
    job_mails: JobMails,
    mailer: Mailer,
    notify_on: NotifyOn,
    clock: Clock,
}

/// Whether a failure is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notified {
    /// It was handed over now, to SNS or to the count of grouped mails; or nobody wants mails.
    Now,
    /// It was handed over before.
    Before,
}

impl Notifier {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let fleet = settings.get(variables::FLEET_TABLE)?;
        Ok(Self {
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            fleet: Fleet::new(clients, &fleet),
            failed_jobs: Queue::new(clients, &settings.get(variables::FAILED_JOBS_QUEUE_URL)?),
            alerts: Alerts::new(clients, &fleet),
            job_mails: JobMails::new(clients, settings, clock)?,
            mailer: Mailer::of(clients, settings)?,
            notify_on: settings.get(variables::NOTIFY_ON)?,
            clock,
        })
    }

    /// A sweep or a schedule's command has failed: mailed once. A second event finds it mailed, or that another is at it
    /// and may die, and then comes again to see. Tasks of jobs and pooled workers are not mailed here.
    ///
    /// # Errors
    /// [`CallError`]: the mail may be sent; come again.
    pub async fn run_failed(
        &self,
        what: &TaskPurpose,
        change: &TaskStateChange,
        verdict: &Verdict,
    ) -> Result<(), CallError> {
        let (source, name, is_sweep) = match what {
            TaskPurpose::Sweep(which) => (Source::Sweep, format!("the sweep {which}"), true),
            TaskPurpose::Command(schedule) => {
                (Source::Command(schedule.clone()), format!("the command {schedule}"), false)
            }
            TaskPurpose::Drain { .. } | TaskPurpose::Job { .. } => return Ok(()),
        };
        if !self.notify_on.of_failures() {
            return Ok(());
        }
        let (task, now) = (&change.task_arn, self.clock.now());
        if self.fleet.get_document_for::<TaskNotice>(task).await?.is_some() {
            return Ok(());
        }
        let holder = format!("{:032x}", fastrand::u128(..));
        if !self.fleet.lease(&Lease::TaskNotice(task), &holder, now, now + NOTIFY_LEASE).await? {
            return Err(CallError::retries_exhausted(
                format!("mail the failure of {name}"),
                "another stop is sending it",
            ));
        }
        let reason = Reason::new(verdict.kind, verdict.words());
        let failure = Failure {
            source,
            code: reason.code.clone(),
            at: change.stopped_at.unwrap_or(now),
            id: task.clone(),
            what: name.clone(),
            words: format!("{}, task {task}", reason.message),
            key: None,
        };
        match self.alerts.record(&failure, now).await? {
            Delivery::Immediate => {
                let schedule = schedule_of(what).map(str::to_owned);
                let (log, links) = self.job_mails.log_of_run(task, is_sweep).await;
                let run = RunFailed {
                    what: name,
                    schedule,
                    reason,
                    task: task.clone(),
                    at: failure.at,
                    log,
                    links,
                };
                self.mailer.send(&mail::run_failed(&run)).await?;
            }
            Delivery::Grouped => {}
        }
        self.fleet.put_document_for(task, &TaskNotice { notified_at: self.clock.now() }).await
    }

    /// A job has failed: once, it enters the queue of failed jobs, and a mail goes out or the alerts count it. `ended` is
    /// the attempt that settled it, if the ledger does not have it yet.
    ///
    /// # Errors
    /// [`CallError`]: the mail may be sent; come again.
    pub async fn job_failed(&self, mut job: Job, ended: Option<&Attempt>) -> Result<Notified, CallError> {
        let (attempt, now) = (job.attempt, self.clock.now());
        let reason = match &job.state {
            JobState::Failed(failed) if failed.notified_at().is_none() => failed.reason.clone(),
            _ => return Ok(Notified::Before),
        };
        match self.ledger.lease_notification(&job.id, attempt, now, now + NOTIFY_LEASE).await? {
            Changed::Applied(_) => {}
            // Sent by now; or a person had the job run again, and its next failure is mailed for itself.
            Changed::Rejected(Some(found)) if !is_due(&found, attempt) => return Ok(Notified::Before),
            // Another stop of the job is sending the mail, and may die: come again and see.
            Changed::Rejected(_) => {
                return Err(CallError::retries_exhausted(
                    format!("mail the failure of job {}", job.id),
                    "another stop is sending it",
                ));
            }
        }
        job.history.extend(ended.cloned());
        let entry = JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
        self.failed_jobs.dead_letter(&entry, &reason).await?;
        if self.notify_on.of_failures() {
            match self.alerts.record(&failure(&job, &reason, now), now).await? {
                Delivery::Immediate => self.mailer.send(&self.job_mails.of(&job).await).await?,
                // The count is durable, and a grouped mail will include it. If the function dies here, the failure may be
                // counted twice when its message comes again: a wrong number in a mail, and no second mail.
                Delivery::Grouped => {}
            }
        }
        self.ledger.notified(&job.id, attempt, ended, self.clock.now()).await?;
        Ok(Notified::Now)
    }
}

/// The schedule that this task ran for.
pub(crate) fn schedule_of(what: &TaskPurpose) -> Option<&str> {
    match what {
        TaskPurpose::Command(schedule) => Some(schedule),
        TaskPurpose::Sweep(which) => schedule_of_sweep(which),
        TaskPurpose::Drain { .. } | TaskPurpose::Job { .. } => None,
    }
}

/// Whether this attempt of the job failed, and the failure was not mailed yet.
fn is_due(job: &Job, attempt: u32) -> bool {
    matches!(&job.state, JobState::Failed(failed) if failed.notified_at().is_none()) && job.attempt == attempt
}

/// A failed job, as the alerts know failures.
fn failure(job: &Job, reason: &Reason, now: jiff::Timestamp) -> Failure {
    Failure {
        source: Source::Pipeline(job.pipeline.name.clone()),
        code: reason.code.clone(),
        at: job.settled_at().unwrap_or(now),
        id: job.id.to_string(),
        what: job.object.uri(),
        words: reason.message.clone(),
        key: Some(job.object.key.clone()),
    }
}
