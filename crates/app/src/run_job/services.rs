//! What a worker needs to run jobs: its adapters, its memory budget and the limits for pipelines' commands.

use aws::{Clients, ledger::Ledger, objects::Objects, records::Records, tasks};
use clock::Clock;
use domain::settings::{Settings, SettingsError};

use super::{command::Commands, memory::Memory};

/// The services that all jobs of this worker share.
#[derive(Debug)]
pub struct Services {
    /// The table of jobs.
    pub ledger: Ledger,
    pub(crate) records: Records,
    pub(crate) objects: Objects,
    pub(crate) rejects_prefix: String,
    /// The revision of the task definition that this task runs; `None` when an older function launched the task.
    pub revision: Option<String>,
    /// The source of the current time.
    pub clock: Clock,
    pub(crate) memory: Memory,
    /// Runs the commands of pipelines, within the limits of this task.
    pub commands: Commands,
}

impl Services {
    /// Reads the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that is missing or invalid.
    pub fn new(
        clients: &Clients,
        settings: &Settings,
        clock: Clock,
        commands: Commands,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            ledger: Ledger::new(clients, settings.require("LEDGER_TABLE")?),
            records: Records::new(clients, settings.require("RECORDS_TABLE")?),
            objects: Objects::new(clients),
            rejects_prefix: settings.require("REJECTS_PREFIX")?.to_owned(),
            revision: settings.require(tasks::REVISION_VARIABLE).ok().map(str::to_owned),
            clock,
            memory: Memory::new(),
            commands,
        })
    }
}
