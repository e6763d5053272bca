//! Running a job: claim it, read its object, write its records, and publish them or leave the job with a reason.
//!
//! ```text
//! process_job ─▶ read_and_write ─┬─▶ rows ◀────────── command_output ─▶ command
//!  claim, renew,                 ├─▶ command_output     │
//!  publish, leave                └─▶ object_metadata    ▼
//!                                        └───────────▶ write ─▶ records table
//! ```
//!
//! [`process_job`] is one attempt of one job from claim to publish. A dedicated task and a pooled worker run the same
//! code. It reads the object twice: first to check every byte and to settle the types of the columns, then to write. No
//! row is written for an object that does not pass the check, and all records become visible in one transaction. Between
//! the two readings the object's columns are compared with those of the pipeline's earlier objects (`drift`).
//! [`readers`] turns bytes into records. A pipeline may instead run a program of the image that prints the records
//! (`command`), or ask only for the metadata of the object (`object_metadata`). The job of a deletion reads older versions for
//! the keys of their items, and deletes these (`remove`).

mod batches;
mod command;
mod command_output;
mod drift;
mod job_exit;
mod job_progress;
mod job_run;
mod memory;
mod object_metadata;
mod own_table;
mod preview;
mod process_job;
mod read_and_write;
mod reading;
mod rejects;
mod remove;
mod replace;
mod rows;
mod services;
mod source;
mod usage;
mod version_rows;
mod write;

pub use command::Commands;
pub use preview::{Preview, PreviewColumn, preview, preview_object};
pub use process_job::{ClaimMode, Outcome, process_job};
pub use services::Services;
pub use usage::Usage;
