//! How a task or a function environment is run: as a process of its own, or in this process (tests).
//!
//! One shape for all: a [`Runner`] gets a [`Launch`] and becomes an [`Exit`]. SIGTERM is the launch's `stop`
//! token; SIGKILL is dropping the future.

mod keeper;
mod process;

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use tidemill_core::logging;
use tokio_util::sync::CancellationToken;
use tracing::instrument::{WithDispatch, WithSubscriber as _};

pub use self::process::process;
use crate::logs::LogStream;

/// What is to be run.
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
    /// Where its output lines go.
    pub logs: LogStream,
    /// Cancelled when it is asked to stop (SIGTERM).
    pub stop: CancellationToken,
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

/// Runs a program in this process and keeps what it logs in its own stream, as a process's output would be. What it
/// spawns logs there too if it takes its subscriber along ([`with_current_subscriber`]).
///
/// [`with_current_subscriber`]: tracing::instrument::WithSubscriber::with_current_subscriber
pub fn logged<F: Future>(logs: LogStream, run: F) -> WithDispatch<F> {
    // Whoever asks for logs on the terminal gets these too.
    let shown = std::env::var_os("RUST_LOG").is_some();
    let lines = logging::lines(move |line| {
        if shown {
            eprintln!("{line}");
        }
        logs.push(line);
    });
    run.with_subscriber(lines)
}
