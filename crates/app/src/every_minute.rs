//! What is due every minute: as many pooled workers are launched as the backlog needs, slots whose tasks are gone come
//! free, grouped failures are mailed, and so is that launches are paused or work again.

use aws::{CallError, Clients, fleet::Fleet, mail::Mailer};
use clock::Clock;
use domain::{
    alerts::Which,
    mail::Mail,
    notify::NotifyOn,
    settings::{Settings, SettingsError, variables},
};
use futures::FutureExt;

use crate::{
    notify::{Alerts, JobMails, mail_launches},
    scale::{Scaled, Scaling, Trigger},
};

/// How many grouped mails are sent within a second: λ stops sends single ones at the same time, and SNS suspends an
/// address that gets more than ten.
const MAILS: usize = 1;

/// What the minute's run needs. Built once in a cold start.
#[derive(Debug)]
pub struct EveryMinute {
    scaling: Scaling,
    fleet: Fleet,
    alerts: Alerts,
    job_mails: JobMails,
    mailer: Mailer,
    notify_on: NotifyOn,
    clock: Clock,
}

impl EveryMinute {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let fleet = &settings.get(variables::FLEET_TABLE)?;
        Ok(Self {
            scaling: Scaling::new(clients, settings)?,
            fleet: Fleet::new(clients, fleet),
            alerts: Alerts::new(clients, fleet),
            job_mails: JobMails::new(clients, settings, clock)?,
            mailer: Mailer::of(clients, settings)?.rate_limited(MAILS),
            notify_on: settings.get(variables::NOTIFY_ON)?,
            clock,
        })
    }

    /// Makes the first connection; see [`Fleet::warm`].
    pub async fn warm(&self) {
        self.fleet.warm().await;
    }

    /// The mail of the only job of a group. What keeps it from being written keeps no mail from going out.
    async fn single(&self, job: String) -> Option<Mail> {
        match self.job_mails.of_id(&job).await {
            Ok(mail) => mail,
            Err(error) => {
                tracing::warn!(
                    job.id = job,
                    error = telemetry::causes(&error),
                    "failed to read job {job} for its mail"
                );
                None
            }
        }
    }

    /// Does what is due this minute. No part keeps the others from being done; each step is durable on its own, and a
    /// run that comes twice or late finds what is done.
    ///
    /// # Errors
    /// [`CallError`]: the first of what was not done, which the next minute does; the others are logged.
    pub async fn run(&self) -> Result<Scaled, CallError> {
        let now = self.clock.now();
        let sized = self.scaling.run(Trigger::Tick, now);
        let flushed = async {
            match self.notify_on.of_failures() {
                true => {
                    self.alerts.flush(&self.mailer, Which::Due, now, |job| self.single(job).boxed()).await
                }
                false => Ok(0),
            }
        };
        // Boxed: the SDK's futures nest so deeply that a function's main, around them, meets the compiler's limit.
        let (sized, flushed) = futures::join!(sized, flushed.boxed());
        let mailed = match &sized {
            Ok(scaled) if self.notify_on.of_failures() => {
                let (breaker, waiting) = (&scaled.breaker, scaled.visible);
                mail_launches(&self.fleet, &self.mailer, breaker, waiting, self.clock.now()).boxed().await
            }
            _ => Ok(()),
        };
        for error in [flushed.as_ref().err(), mailed.as_ref().err()].into_iter().flatten() {
            tracing::error!(error = telemetry::causes(error), "mails wait for the next minute");
        }
        let scaled = sized?;
        flushed?;
        mailed?;
        Ok(scaled)
    }
}
