//! The worker's slot in the fleet: it checks in while it polls, and says when it leaves.

use aws::{
    CallError, Clients,
    fleet::{Fleet, Heartbeat, WorkerStats},
    tasks,
};
use clock::Clock;
use domain::{
    retry::FIRST_HEARTBEAT,
    settings::{Settings, SettingsError, variables},
};
use tracing::{error, warn};

use super::call::{self, CALL};

/// The slot of the fleet that this worker was launched for.
#[derive(Debug)]
pub(super) struct Slot {
    fleet: Fleet,
    number: u32,
    generation: u64,
    clock: Clock,
}

impl Slot {
    /// Reads the slot from the task's environment; `None` for a worker that was started by hand.
    pub(super) fn of(
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Option<Self>, SettingsError> {
        let Some(number) = settings.optional(variables::TIDEMILL_SLOT)? else { return Ok(None) };
        Ok(Some(Self {
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            number,
            generation: settings.get(variables::TIDEMILL_GENERATION)?,
            clock,
        }))
    }

    /// The worker's name: the `startedBy` of its task.
    pub(super) fn name(&self) -> String {
        tasks::drain_name(self.number, self.generation)
    }

    /// Checks in before the first poll; false if the slot is reassigned to another worker. If the table does not answer, it
    /// retries for a while and then starts to work: every heartbeat checks in too, and λ scaler asks ECS about silent slots
    /// before it frees them.
    pub(super) async fn first_heartbeat(&self) -> bool {
        for n in 0..FIRST_HEARTBEAT.attempts {
            match self.try_heartbeat(WorkerStats::default()).await {
                Ok(own) => return own,
                Err(error) => error!(error = telemetry::causes(&error), "failed to check in at the fleet"),
            }
            tokio::time::sleep(FIRST_HEARTBEAT.delay(n, fastrand::f64())).await;
        }
        true
    }

    /// Reports that the worker polls; false if the slot is reassigned to another worker.
    pub(super) async fn heartbeat(&self, stats: WorkerStats) -> bool {
        self.try_heartbeat(stats).await.unwrap_or_else(|error| {
            warn!(error = telemetry::causes(&error), "failed to check in at the fleet");
            true
        })
    }

    async fn try_heartbeat(&self, stats: WorkerStats) -> Result<bool, CallError> {
        call::within(CALL, "check in at the fleet", self.fleet.heartbeat(&self.report(stats))).await
    }

    fn report(&self, stats: WorkerStats) -> Heartbeat {
        Heartbeat { slot: self.number, generation: self.generation, at: self.clock.now(), stats }
    }

    /// Reports that the worker receives no more messages.
    pub(super) async fn leave(&self, stats: WorkerStats) {
        let report = self.report(stats);
        let call = self.fleet.leaving(&report);
        // `false`: the slot is reassigned, so there is nothing to report. After a failed call, the slot is freed when the
        // task has stopped, and λ scaler runs every minute.
        if let Err(error) = call::within(CALL, "report that this worker leaves", call).await {
            warn!(error = telemetry::causes(&error), "failed to report to the fleet that this worker leaves");
        }
    }
}
