//! The whole system on virtual time: the real functions and worker, the real SDK and the real template, in one process
//! and on one clock that a test owns.
//!
//! ```text
//! TestEnv::plan(seed) ─ parameters, pipelines, timing ─▶ run(scenario) ─▶ TestEnv
//!                                                                        │ put, settle
//!                                                                        ▼
//!                              jobs, visible records, mails, dead letters, and the transcript of it all
//! ```
//!
//! A scenario asserts on the state at the end, with [`JobAsserts`], and makes calls fail by the verbs of [`call`].
//! [`TestEnv::golden`] compares the transcript of the run with the one that is kept.

mod asserts;
pub mod call;
mod dead_letter;
mod ending;
mod env;
pub mod flood;
mod golden;
mod host;
pub mod month;
mod observe;
pub mod packages;
mod plan;
mod scan;
mod settle;
mod sweep;
mod transcript;

pub use asserts::JobAsserts;
pub use dead_letter::DeadLetter;
pub use env::TestEnv;
pub use host::WorkerFault;
pub use observe::Contents;
pub use plan::{Plan, TIMING};
