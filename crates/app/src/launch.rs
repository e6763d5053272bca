//! Launching tasks: each where Fargate has capacity for it ([`Launcher`]), none while the configuration is known to be
//! wrong ([`breaker`]), and for a job that needs one, a task of its own (`dedicated`).
//!
//! ```text
//! job ─▶ breaker: may it launch? ─▶ slot ─▶ RunTask, with fallbacks ─┬─▶ launched
//!           └ no: paused                └ none free: deferred        └─ no capacity: deferred
//! ```

pub mod breaker;
mod dedicated;
mod fallbacks;

pub use dedicated::{Dedicated, DedicatedTasks};
pub use fallbacks::Launcher;
