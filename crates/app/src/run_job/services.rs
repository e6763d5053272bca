//! What a worker needs to run jobs: its adapters, its memory budget and the limits for pipelines' commands.

use aws::{Clients, fleet::Fleet, ledger::Ledger, objects::Objects, records::Records, tables::Tables};
use clock::Clock;
use domain::settings::{Settings, SettingsError, variables};

use super::{command::Commands, memory::Memory};

/// The services that all jobs of this worker share.
#[derive(Debug)]
pub struct Services {
    /// The table of jobs.
    pub ledger: Ledger,
    pub(crate) records: Records,
    /// The table that holds what is known of pipelines' columns.
    pub(crate) fleet: Fleet,
    pub(crate) objects: Objects,
    /// The stack's own bucket, whichever bucket an object is in: the worker writes to no other.
    pub(crate) bucket: String,
    /// The prefix of the keys that are watched: a pipeline that takes all of them does not say what its objects are.
    pub(crate) watched_prefix: String,
    pub(crate) tables: Tables,
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
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            records: Records::new(clients, &settings.get(variables::RECORDS_TABLE)?),
            fleet: Fleet::new(clients, &settings.get(variables::FLEET_TABLE)?),
            objects: Objects::new(clients),
            bucket: settings.get(variables::BUCKET)?,
            watched_prefix: settings.get(variables::WATCHED_PREFIX)?,
            tables: Tables::new(clients),
            rejects_prefix: settings.get(variables::REJECTS_PREFIX)?,
            revision: settings.optional(variables::TIDEMILL_REVISION)?,
            clock,
            memory: Memory::new(),
            commands,
        })
    }
}
