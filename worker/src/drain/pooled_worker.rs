//! What the tasks of a pooled worker share: its adapters, its slot and its name.

use std::{sync::Arc, time::Duration};

use app::run_job::{Commands, Services};
use aws::{
    Clients,
    backlog::{BATCH_MESSAGES, Backlog},
    queue::Queue,
};
use clock::Clock;
use domain::{
    fargate::Size,
    settings::{Settings, SettingsError, variables},
    text::count,
};
use tracing::warn;

use super::{
    call::{self, CALL},
    slot::Slot,
};

/// A pooled worker's adapters, slot and name.
#[derive(Debug)]
pub(super) struct PooledWorker {
    pub(super) services: Arc<Services>,
    pub(super) backlog: Backlog,
    pub(super) jobs: Queue,
    pub(super) uploads: Queue,
    pub(super) stops: Queue,
    pub(super) dead_letters: Queue,
    /// The size of pooled workers. Jobs that need a larger task do not run here.
    pub(super) pooled: Size,
    pub(super) slot: Option<Slot>,
    /// The name of this worker in the ledger.
    pub(super) name: String,
}

impl PooledWorker {
    /// Reads the task's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable that is missing or invalid.
    pub(super) fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let queue = |url| settings.get(url).map(|url: String| Queue::new(clients, &url));
        let slot = Slot::of(clients, settings, clock)?;
        Ok(Self {
            services: Arc::new(Services::new(clients, settings, clock, Commands::pooled(settings)?)?),
            backlog: Backlog::new(clients, &settings.get(variables::JOBS_QUEUE_URL)?),
            jobs: queue(variables::JOBS_QUEUE_URL)?,
            uploads: queue(variables::UPLOADS_QUEUE_URL)?,
            stops: queue(variables::STOPS_QUEUE_URL)?,
            dead_letters: queue(variables::DEAD_LETTER_QUEUE_URL)?,
            pooled: settings.fleet_size()?,
            name: slot.as_ref().map_or_else(|| "drain".to_owned(), Slot::name),
            slot,
        })
    }

    /// Sets the visibility timeout of messages, from now on; zero shows them at once. A message that SQS refuses to change
    /// belongs to another worker by now, and the ledger knows who has its job. After a failed call, the next heartbeat
    /// extends the timeout; a message that was to be shown again appears when its present timeout ends.
    pub(super) async fn change_visibility(&self, receipts: &[String], time: Duration) {
        let batches = receipts.chunks(BATCH_MESSAGES).map(async |batch| {
            let call = self.backlog.change_visibility(batch, time);
            match call::within(CALL, "change the visibility of messages", call).await {
                Ok(failures) => {
                    for failure in failures {
                        warn!(
                            code = failure.code,
                            "failed to change a message's visibility: {}", failure.code
                        );
                    }
                }
                Err(error) => {
                    let messages = count(batch.len(), "message");
                    warn!(error = telemetry::causes(&error), "failed to change the visibility of {messages}");
                }
            }
        });
        futures::future::join_all(batches).await;
    }
}
