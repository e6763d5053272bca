//! The use cases of Tidemill: each reads what it needs through the adapters of [`aws`], lets the [`domain`] decide,
//! and writes the decision down.

pub mod batch;
pub mod cancel;
pub mod dead_letters;
#[cfg(feature = "functions")]
pub mod every_minute;
pub mod finish_attempt;
pub mod forget;
pub mod ingest;
pub mod item_failures;
pub mod launch;
pub mod notify;
pub mod pipelines_file;
pub mod reconcile;
pub mod replay;
pub mod restart;
#[cfg(feature = "worker")]
pub mod run_job;
pub mod run_schedule;
pub mod scale;
#[cfg(feature = "worker")]
pub mod sweep;
