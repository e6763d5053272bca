//! Environments: one process each, one invocation at a time, reused while warm.
//!
//! ```text
//! start ─▶ initialising ── first `next` ─▶ ready ◀──┐ response or error
//!                                            └─ busy ┘
//!   any of them ── exits, killed by a timeout, idle too long ─▶ gone
//! ```

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    FunctionError, FunctionHost, FunctionSettings, Inner, InvokeError, PAYLOAD_BYTES, arn, invoke::exited,
    request_id,
};
use crate::{
    host::{Exit, Launch, Runner},
    services::logs::LogStream,
    wire::ApiError,
};

/// How long AWS lets an environment initialise before it counts against the first invocation.
const INIT: Duration = Duration::from_secs(10);

/// How long a warm environment is kept without work; AWS keeps them for some minutes as well.
const IDLE: Duration = Duration::from_secs(300);

/// An invocation on its way to the process.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) payload: String,
    pub(super) deadline_ms: i64,
    pub(super) function_arn: String,
    answer: oneshot::Sender<Result<Value, FunctionError>>,
}

/// One environment.
#[derive(Debug)]
pub(super) struct Environment {
    id: String,
    settings: Arc<FunctionSettings>,
    offer: mpsc::UnboundedSender<Work>,
    /// Held by the process's one long poll.
    pub(super) taken: tokio::sync::Mutex<mpsc::UnboundedReceiver<Work>>,
    /// Cancelled by the first `next`.
    pub(super) ready: CancellationToken,
    kill: CancellationToken,
    gone: CancellationToken,
    reap_at: watch::Sender<Option<Instant>>,
    fate: Mutex<Fate>,
}

#[derive(Debug, Default)]
struct Fate {
    current: Option<(String, oneshot::Sender<Result<Value, FunctionError>>)>,
    init_error: Option<FunctionError>,
    exit: Option<Exit>,
}

impl Environment {
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
                // Whoever asked may have given up; the environment is fine all the same.
                let _ = answer.send(result);
                true
            }
            other => {
                fate.current = other;
                false
            }
        }
    }

    pub(super) fn fail_init(&self, error: FunctionError) {
        self.fate().init_error = Some(error);
    }

    /// Why an invocation cannot end well in it any more.
    fn epitaph(&self, request_id: &str) -> FunctionError {
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
            (None, Some(Exit::Code(137) | Exit::OutOfMemory)) => exited(request_id, "signal: killed"),
            (None, Some(Exit::Code(code))) => exited(request_id, &format!("exit status {code}")),
            (None, None) => exited(request_id, "signal: killed"),
        }
    }
}

impl Inner {
    pub(super) async fn invoke_process(
        self: &Arc<Self>,
        settings: &Arc<FunctionSettings>,
        request_id: String,
        payload: &Value,
    ) -> Result<Value, InvokeError> {
        let payload = payload.to_string();
        if payload.len() > PAYLOAD_BYTES {
            let message = format!(
                "Request must be smaller than {PAYLOAD_BYTES} bytes for the InvokeFunction operation"
            );
            return Err(ApiError::client("RequestEntityTooLargeException", message).with_status(413).into());
        }
        let lease = Lease { inner: self.clone(), environment: Some(self.take(settings)?) };
        let Some(environment) = &lease.environment else {
            return Err(exited(&request_id, "signal: killed").into());
        };
        tokio::select! {
            () = environment.ready.cancelled() => {}
            () = environment.gone.cancelled() => return Err(environment.epitaph(&request_id).into()),
            () = tokio::time::sleep(INIT + settings.timeout) => {
                return Err(FunctionError::timed_out(&request_id, INIT + settings.timeout).into());
            }
        }
        let (answer, mut result) = oneshot::channel();
        let deadline =
            self.clock.now().saturating_add(settings.timeout).map_or(i64::MAX, |at| at.as_millisecond());
        let work = Work {
            request_id: request_id.clone(),
            payload,
            deadline_ms: deadline,
            function_arn: arn(&settings.name),
            answer,
        };
        if environment.offer.send(work).is_err() {
            return Err(environment.epitaph(&request_id).into());
        }
        let result = tokio::select! {
            // A result that came just before the exit or the deadline counts.
            biased;
            Ok(result) = &mut result => result,
            () = environment.gone.cancelled() => return Err(environment.epitaph(&request_id).into()),
            () = tokio::time::sleep(settings.timeout) => {
                return Err(FunctionError::timed_out(&request_id, settings.timeout).into());
            }
        };
        lease.give_back();
        result.map_err(InvokeError::Failed)
    }

    pub(super) fn prewarm(self: &Arc<Self>, function: &str) {
        let settings = self.lock().functions.get(function).map(|function| function.settings.clone());
        if let Some(settings) = settings
            && let FunctionHost::Environment(runner) = &settings.host
        {
            let environment = self.start(&settings, runner);
            self.give_back(environment);
        }
    }

    /// The environment used last that is idle, or a new one.
    fn take(self: &Arc<Self>, settings: &Arc<FunctionSettings>) -> Result<Arc<Environment>, FunctionError> {
        let FunctionHost::Environment(runner) = &settings.host else {
            return Err(FunctionError::new("InvalidRuntimeException", "the function has no environments"));
        };
        {
            let mut state = self.lock();
            if let Some(function) = state.functions.get_mut(&settings.name) {
                while let Some(environment) = function.idle.pop() {
                    // Under the lock, so that the reaper either has it already or leaves it alone.
                    environment.reap_at.send_replace(None);
                    if !environment.gone.is_cancelled() && !environment.kill.is_cancelled() {
                        return Ok(environment);
                    }
                }
            }
        }
        Ok(self.start(settings, runner))
    }

    fn give_back(&self, environment: Arc<Environment>) {
        let mut state = self.lock();
        match state.functions.get_mut(&environment.settings.name) {
            Some(function) if Arc::ptr_eq(&function.settings, &environment.settings) => {
                environment.reap_at.send_replace(Some(Instant::now() + IDLE));
                function.idle.push(environment);
            }
            // The function has other settings by now.
            _ => environment.kill(),
        }
    }

    fn start(self: &Arc<Self>, settings: &Arc<FunctionSettings>, runner: &Runner) -> Arc<Environment> {
        let id = format!("{:032x}", fastrand::u128(..));
        let (offer, taken) = mpsc::unbounded_channel();
        let environment = Arc::new(Environment {
            id: id.clone(),
            settings: settings.clone(),
            offer,
            taken: tokio::sync::Mutex::new(taken),
            ready: CancellationToken::new(),
            kill: CancellationToken::new(),
            gone: CancellationToken::new(),
            reap_at: watch::Sender::new(None),
            fate: Mutex::default(),
        });
        let day = self.clock.now().strftime("%Y/%m/%d").to_string();
        let stream = format!("{day}/[$LATEST]{id}");
        let mut env = self.variables(settings);
        let endpoint = {
            let mut state = self.lock();
            state.environments.insert(id.clone(), environment.clone());
            state.endpoint.clone()
        };
        env.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), format!("http://{endpoint}/{id}"));
        env.insert("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), stream.clone());
        let launch = Launch {
            name: settings.name.clone(),
            command: Vec::new(),
            env,
            memory_bytes: None,
            container: None,
            logs: if self.may_log(&settings.name, &stream) {
                self.logs.stream(&format!("/aws/lambda/{}", settings.name), &stream)
            } else {
                LogStream::default()
            },
            stop: CancellationToken::new(),
        };
        self.lives.spawn(live(self.clone(), environment.clone(), runner.clone(), launch));
        environment
    }

    /// Takes an environment out of the idle ones. False if it is at work.
    fn retire(&self, environment: &Environment) -> bool {
        let mut state = self.lock();
        let Some(function) = state.functions.get_mut(&environment.settings.name) else { return true };
        let before = function.idle.len();
        function.idle.retain(|idle| idle.id != environment.id);
        function.idle.len() < before
    }
}

/// Runs an environment's process until it exits or is not wanted any more.
async fn live(inner: Arc<Inner>, environment: Arc<Environment>, runner: Runner, launch: Launch) {
    let mut reap = environment.reap_at.subscribe();
    let mut run = runner(launch);
    let exit = loop {
        let reap_at = *reap.borrow_and_update();
        let idle_too_long = async {
            match reap_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = &mut run => break Some(exit),
            () = environment.kill.cancelled() => break None,
            () = inner.closing.cancelled() => break None,
            _ = reap.changed() => {}
            () = idle_too_long => if inner.retire(&environment) { break None },
        }
    };
    // Dropped first: when the environment is gone, so is its process.
    drop(run);
    environment.fate().exit = exit;
    inner.retire(&environment);
    inner.lock().environments.remove(&environment.id);
    environment.gone.cancel();
}

/// Holds an environment for one invocation. Unless it is given back, it is killed: whatever it was doing when the
/// invocation timed out, failed to start or was dropped, it must not go on doing it.
struct Lease {
    inner: Arc<Inner>,
    environment: Option<Arc<Environment>>,
}

impl Lease {
    fn give_back(mut self) {
        if let Some(environment) = self.environment.take() {
            self.inner.give_back(environment);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(environment) = &self.environment {
            environment.kill();
        }
    }
}

/// The id that the Runtime API gives as the trace of an invocation.
pub(super) fn trace_id() -> String {
    let id = request_id().replace('-', "");
    format!("Root=1-{}-{};Parent={};Sampled=0", &id[..8], &id[8..], &id[..16])
}
