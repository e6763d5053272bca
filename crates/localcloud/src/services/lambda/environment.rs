//! Environments: one process each, one invocation at a time, reused while warm.
//!
//! ```text
//! start ─▶ initialising ── first `next` ─▶ ready ◀──┐ response or error
//!                                            └─ busy ┘
//!   any of them ── exits, killed by a timeout, idle too long ─▶ gone
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    invocation::{FunctionError, request_id},
    settings::FunctionSettings,
};
use crate::host::Exit;

/// An invocation on its way to the process.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) payload: String,
    pub(super) deadline_ms: i64,
    pub(super) function_arn: String,
    pub(super) answer: oneshot::Sender<Result<Value, FunctionError>>,
}

/// One environment.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) id: String,
    pub(super) settings: Arc<FunctionSettings>,
    pub(super) offer: mpsc::UnboundedSender<Work>,
    /// Held by the process's one long poll.
    pub(super) taken: tokio::sync::Mutex<mpsc::UnboundedReceiver<Work>>,
    /// Cancelled by the first `next`.
    pub(super) ready: CancellationToken,
    pub(super) kill: CancellationToken,
    pub(super) gone: CancellationToken,
    pub(super) reap_at: watch::Sender<Option<Instant>>,
    fate: Mutex<Fate>,
}

#[derive(Debug, Default)]
struct Fate {
    current: Option<(String, oneshot::Sender<Result<Value, FunctionError>>)>,
    init_error: Option<FunctionError>,
    exit: Option<Exit>,
}

impl Environment {
    /// One that has not started yet.
    pub(super) fn new(id: String, settings: Arc<FunctionSettings>) -> Self {
        let (offer, taken) = mpsc::unbounded_channel();
        Self {
            id,
            settings,
            offer,
            taken: tokio::sync::Mutex::new(taken),
            ready: CancellationToken::new(),
            kill: CancellationToken::new(),
            gone: CancellationToken::new(),
            reap_at: watch::Sender::new(None),
            fate: Mutex::default(),
        }
    }

    pub(super) fn kill(&self) {
        self.kill.cancel();
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the work as being done, before the process gets it.
    pub(super) fn begin(&self, work: Work) -> (String, String, i64, String) {
        let Work { request_id, payload, deadline_ms, function_arn, answer } = work;
        self.fate().current = Some((request_id.clone(), answer));
        (request_id, payload, deadline_ms, function_arn)
    }

    /// Takes the result of the invocation in flight. False if this is not it.
    pub(super) fn finish(&self, request_id: &str, result: Result<Value, FunctionError>) -> bool {
        let mut fate = self.fate();
        match fate.current.take() {
            Some((current, answer)) if current == request_id => {
                // The invocation may have timed out meanwhile; the environment is fine all the same.
                let _ = answer.send(result);
                true
            }
            other => {
                fate.current = other;
                false
            }
        }
    }

    /// Notes that its process ended, so that nothing waits for it any more.
    pub(super) fn end(&self, exit: Option<Exit>) {
        self.fate().exit = exit;
    }

    pub(super) fn fail_init(&self, error: FunctionError) {
        self.fate().init_error = Some(error);
    }

    /// Why an invocation in it failed, now that its process has ended or must end.
    pub(super) fn failure(&self, request_id: &str) -> FunctionError {
        let fate = self.fate();
        match (&fate.init_error, &fate.exit) {
            (Some(error), _) => error.clone(),
            (None, Some(Exit::NotStarted(reason))) => FunctionError::new(
                "Runtime.InvalidEntrypoint",
                format!("RequestId: {request_id} Error: {reason}"),
            ),
            (None, Some(Exit::Code(0))) => {
                let message =
                    format!("RequestId: {request_id} Error: Runtime exited without providing a reason");
                FunctionError::new("Runtime.ExitError", message)
            }
            (None, Some(Exit::Code(137) | Exit::OutOfMemory)) => {
                FunctionError::exited(request_id, "signal: killed")
            }
            (None, Some(Exit::Code(code))) => {
                FunctionError::exited(request_id, &format!("exit status {code}"))
            }
            (None, None) => FunctionError::exited(request_id, "signal: killed"),
        }
    }
}

/// The id that the Runtime API gives as the trace of an invocation.
pub(super) fn trace_id() -> String {
    let id = request_id().replace('-', "");
    format!("Root=1-{}-{};Parent={};Sampled=0", &id[..8], &id[8..], &id[..16])
}
