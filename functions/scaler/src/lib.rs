//! λ scaler: every minute, the fleet is looked at: as many pooled workers are launched as the backlog needs, and the
//! places of tasks that are no more are freed. And mails that are due are sent: the folded ones, and those that say that
//! launches are held back or work again.

use std::time::Duration;

use app::{
    notify::Storms,
    scale::{Scaled, Scaling, Trigger},
};
use aws::{CallError, Clients, fleet::Fleet, mail::Post};
use clock::Clock;
use domain::{
    mail,
    notify::NotifyOn,
    settings::{Settings, SettingsError},
    storm::Which,
};
use futures::FutureExt;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use telemetry::logging;

/// How many folded mails are sent within a second: λ stops sends single ones at the same time, and SNS suspends an
/// address that gets more than ten.
const MAILS: usize = 1;

/// What λ scaler is made of. Built once in a cold start.
#[derive(Debug)]
pub struct Scaler {
    scaling: Scaling,
    fleet: Fleet,
    storms: Storms,
    post: Post,
    notify_on: NotifyOn,
    clock: Clock,
}

/// For how long one run may tell of the breaker before another does.
const TELLING: Duration = Duration::from_secs(60);

/// Its reservation in the fleet table.
const TELL: &str = "told:breaker";

impl Scaler {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        Ok(Self {
            scaling: Scaling::new(clients, settings)?,
            fleet: Fleet::new(clients, settings.require("FLEET_TABLE")?),
            storms: Storms::new(clients, settings.require("FLEET_TABLE")?),
            post: Post::paced(clients, settings.require("MAIL_TOPIC")?, MAILS),
            notify_on: settings.parse("NOTIFY_ON", NotifyOn::EXPECTED)?,
            clock,
        })
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
                true => self.storms.flush(&self.post, Which::Due, now).await,
                false => Ok(0),
            }
        };
        // Boxed: the SDK's futures nest so deeply that a function's main, around them, meets the compiler's limit.
        let (sized, flushed) = futures::join!(sized, flushed.boxed());
        let told = match &sized {
            Ok(scaled) => self.tell_of_launches(scaled).boxed().await,
            Err(_) => Ok(()),
        };
        for error in [flushed.as_ref().err(), told.as_ref().err()].into_iter().flatten() {
            tracing::error!(error = telemetry::causes(&error), "mails wait for the next minute");
        }
        let scaled = sized?;
        flushed?;
        told?;
        Ok(scaled)
    }

    /// Tells people, once each, that launches are held back and that they work again. Dying between SNS's answer and the
    /// note of it tells twice.
    async fn tell_of_launches(&self, scaled: &Scaled) -> Result<(), CallError> {
        if !scaled.breaker.is_news() || !self.notify_on.of_failures() {
            return Ok(());
        }
        // Sizing the fleet may have changed it.
        let breaker = self.fleet.breaker().await?;
        let now = self.clock.now();
        let mail = mail::launches(&breaker, scaled.visible, now);
        let Some(mail) = mail.filter(|_| breaker.is_news()) else { return Ok(()) };
        let holder = format!("{:032x}", fastrand::u128(..));
        if !self.fleet.lease(TELL, &holder, now, now + TELLING).await? {
            return Ok(());
        }
        self.post.send(&mail).await?;
        self.fleet.told_of(&breaker).await?;
        self.fleet.release(TELL, &holder).await?;
        Ok(())
    }
}

/// Runs the function until Lambda ends it. The schedule's event says nothing that is not looked up
/// here, so a repeated or late one is as good as any. A wrong deployment is told to Lambda as an init error.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let scaler = Scaler::new(&aws::clients().await, &settings, Clock::system())?;
    scaler.fleet.warm().await;
    let scaler = &scaler;
    lambda_runtime::run(service_fn(move |_: LambdaEvent<Value>| async move {
        scaler.run().await.map_err(|error| telemetry::failed_invocation(&error))
    }))
    .await
}
