//! Running a job: claim it, read its object, write its records, and publish them or leave the job with a reason.
//!
//! [`attend`] is one attempt of one job from claim to publish, in a task of its own and in a pooled worker alike. It
//! reads the object twice: once to check every byte and settle the columns' types, once to write. Nothing is written for
//! an object that does not pass the check, and all its records become visible in one transaction. [`readers`] turns bytes
//! into records; its two passes get the bytes from the same place. A pipeline may have a program of the image make the
//! records instead (`command`), or ask only for the metadata of the object itself (`object_metadata`).

mod command;
mod job_progress;
mod memory;
mod object_metadata;
mod process_job;
mod read_and_write;
mod rejects;
mod source;
mod usage;
mod write;

pub use command::Commands;
pub use process_job::{By, Outcome, Workshop, attend};
pub use usage::Usage;
