//! The worker's place in the fleet: it tells that it polls, and that it leaves.

use std::time::Duration;

use aws::{
    CallError, Clients,
    fleet::{Fleet, Tally},
    tasks,
};
use clock::Clock;
use domain::{
    backoff,
    settings::{Settings, SettingsError},
};
use tokio::time::timeout;
use tracing::{error, warn};

use super::CALL;

/// How often a worker that has just started tries to check in before it works all the same: some half a minute.
const FIRST_TRIES: u32 = 6;

/// A slot of the fleet, as its worker was told of it.
#[derive(Debug)]
pub(super) struct Slot {
    fleet: Fleet,
    number: u32,
    generation: u64,
    clock: Clock,
}

impl Slot {
    /// The slot in the task's environment; none for a worker that was started by hand.
    pub(super) fn of(
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Option<Self>, SettingsError> {
        if settings.require(tasks::SLOT_VARIABLE).is_err() {
            return Ok(None);
        }
        Ok(Some(Self {
            fleet: Fleet::new(clients, settings.require("FLEET_TABLE")?),
            number: settings.parse(tasks::SLOT_VARIABLE, "it must be a slot's number")?,
            generation: settings.parse(tasks::GENERATION_VARIABLE, "it must be a slot's generation")?,
            clock,
        }))
    }

    /// The worker's name: what its task was started by.
    pub(super) fn name(&self) -> String {
        tasks::drain_name(self.number, self.generation)
    }

    /// Checks in before the first poll; false when the slot is another's. A table that does not answer is asked again
    /// for a while. Then the work goes on without: every heartbeat checks in too, and λ scaler asks ECS about
    /// slots that are silent before it does anything about them.
    pub(super) async fn first_check_in(&self) -> bool {
        for n in 0..FIRST_TRIES {
            match self.try_check_in(Tally::default()).await {
                Ok(own) => return own,
                Err(error) => error!(error = telemetry::causes(&error), "cannot check in at the fleet"),
            }
            let wait = backoff::delay(n, Duration::from_secs(1), Duration::from_secs(10), fastrand::f64());
            tokio::time::sleep(wait).await;
        }
        true
    }

    /// Tells that the worker polls; false when the slot is another's.
    pub(super) async fn check_in(&self, tally: Tally) -> bool {
        self.try_check_in(tally).await.unwrap_or_else(|error| {
            warn!(error = telemetry::causes(&error), "cannot check in at the fleet");
            true
        })
    }

    async fn try_check_in(&self, tally: Tally) -> Result<bool, CallError> {
        let call = self.fleet.check_in(self.number, self.generation, self.clock.now(), tally);
        timeout(CALL, call).await.unwrap_or_else(|elapsed| Err(CallError::exhausted("check in", elapsed)))
    }

    /// Tells that the worker takes no more.
    pub(super) async fn leave(&self, tally: Tally) {
        let call = self.fleet.leaving(self.number, self.generation, self.clock.now(), tally);
        match timeout(CALL, call).await {
            // A slot that is another's by now needs no telling.
            Ok(Ok(_)) => {}
            // The slot is freed when the task has stopped, and λ scaler comes every minute.
            Ok(Err(error)) => {
                warn!(error = telemetry::causes(&error), "cannot tell the fleet that this worker leaves")
            }
            Err(_elapsed) => warn!("the fleet does not answer that this worker leaves"),
        }
    }
}
