//! Writing an object's rows to a table of the user's own.
//!
//! ```text
//! OwnTable::open ─▶ survey ─────▶ writer
//!  keys of table    bad rows,      items, each under
//!                   duplicates     its condition
//! ```
//!
//! Items are visible as they are written. An attempt that dies leaves some of them; the next one writes the same again, and
//! nothing else comes of it. Which write counts is decided in [`domain::destination::guard`].

mod survey;
mod writer;

use std::sync::Arc;

use aws::tables::{Table, TableError};
use domain::{
    destination::{Destination, ItemMaker, RefusedRow, TableItem, WriteMode},
    job::{Change, Job},
    record::Record,
    verdict::Kind,
};
use futures::future::BoxFuture;
use readers::{Place, ReadError, Reject, Rows};

use super::{job_exit::JobExit, job_run::JobRun, rejects::beginning_as_json, services::Services};

pub(crate) use survey::{Survey, add_keys, rejects_duplicates, repeated_key, survey};
pub(crate) use writer::CALLS_IN_FLIGHT;

/// Opens an object's rows, as often as they are needed.
pub(crate) type OpenRows<'a> = dyn Fn() -> BoxFuture<'a, Result<Rows, ReadError>> + Sync + 'a;

/// The table of a job's pipeline, and how rows become its items.
#[derive(Debug, Clone)]
pub(crate) struct OwnTable {
    table: Table,
    destination: Arc<Destination>,
    maker: Arc<ItemMaker>,
}

impl OwnTable {
    /// The table of this job's pipeline; none if its records go to the records table.
    pub(crate) async fn open(run: JobRun<'_>) -> Result<Option<Self>, JobExit> {
        let JobRun { services, job, .. } = run;
        let Some(destination) = &job.pipeline.destination else { return Ok(None) };
        if destination.write == WriteMode::Replace && job.object.version_id.is_none() {
            let message = format!(
                "write = \"replace\" reads the older version of an object, and bucket {} has no versions; switch versioning \
                 on, or set write to another value in the pipelines file",
                job.object.bucket
            );
            return Err(JobExit::new(Change::Requeue, Kind::Misconfigured, message));
        }
        Self::of(services, job, destination).await.map(Some)
    }

    pub(crate) async fn of(
        services: &Services,
        job: &Job,
        destination: &Destination,
    ) -> Result<Self, JobExit> {
        let table = services.tables.open(&destination.table).await?;
        let prefix = job.pipeline.matches.prefix.as_ref();
        let maker = ItemMaker::new(&job.object, prefix, destination, table.schema.clone())
            .map_err(|message| JobExit::new(Change::Requeue, Kind::Misconfigured, message))?;
        Ok(Self { table, destination: Arc::new(destination.clone()), maker: Arc::new(maker) })
    }

    /// The item of a row, or why it can have none.
    pub(crate) fn item(&self, row: u64, place: Place, record: Record) -> Result<TableItem, Reject> {
        self.maker.item(row, record).map_err(|refused| {
            let RefusedRow { reason, message, record } = *refused;
            Reject { reason, column: None, place, message, raw: beginning_as_json(&record) }
        })
    }
}

impl From<TableError> for JobExit {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Call(error) => error.into(),
            error => Self::new(Change::Requeue, Kind::Misconfigured, telemetry::causes(&error)),
        }
    }
}
