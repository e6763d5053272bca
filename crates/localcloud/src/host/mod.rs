//! How a task or a function environment is run: as a process of its own, in this process (tests), or, a task, as a
//! container.
//!
//! One shape for all: a [`Runner`] gets a [`Launch`] and becomes an [`Exit`]. SIGTERM is the launch's `stop`
//! token; SIGKILL is dropping the future.

mod container;
mod orphan_reaper;
mod output;
mod process;

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::{
    container::{Containers, ContainersError},
    process::process,
};
use crate::services::logs::LogStream;

/// A program to run, with all it gets.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The template's name for it: the function's logical id or the container's name.
    pub name: String,
    /// The container's command; empty for a function.
    pub command: Vec<String>,
    /// Its whole environment: nothing of ours leaks into it.
    pub env: BTreeMap<String, String>,
    /// How much memory it may hold; as much as there is, if nothing is said.
    pub memory_bytes: Option<u64>,
    /// What its task definition says of it as a container; nothing for a function. A process is no container and
    /// passes it over.
    pub container: Option<Confinement>,
    /// Where its output lines go.
    pub logs: LogStream,
    /// Cancelled when it is asked to stop (SIGTERM).
    pub stop: CancellationToken,
}

/// The container around a program, as its task definition has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// The image it is made from.
    pub image: String,
    /// Replaces the image's own entry point; empty if it does not.
    pub entry_point: Vec<String>,
    /// Who it runs as, as `uid:gid` or a name that the image knows; the image's own user, if nothing is said.
    pub user: Option<String>,
    /// Its share of processor time: 1024 are one processor.
    pub cpu_units: u32,
    /// Whether nothing of the image can be written to.
    pub read_only: bool,
    /// What even its root may not do, such as `ALL`.
    pub dropped_capabilities: Vec<String>,
    /// Folders of its own that can be written to, and are gone with it.
    pub scratch: Vec<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code; a signal `n` is `128 + n`, as container runtimes say it.
    Code(i32),
    /// It held more memory than it may, and was killed.
    OutOfMemory,
    /// It could not be started, for this reason.
    NotStarted(String),
}

/// Runs a [`Launch`] to its end. Dropping the future kills what it runs.
pub type Runner = Arc<dyn Fn(Launch) -> BoxFuture<'static, Exit> + Send + Sync>;
