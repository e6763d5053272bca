//! Lambda: functions, the environments they run in, and the mappings that feed them from queues.
//!
//! ```text
//! SQS ─▶ source (batches, concurrency) ─▶ invoke ─┬─ Direct: a function of this process
//!            ◀── deletes what succeeded           └─ Environment: real processes, which poll the Runtime API
//! ```
//!
//! `docs`: [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html),
//! [SQS event sources](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html).

mod environment;
mod runtime;
mod source;
mod sqs_event;

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use serde_json::Value;
use tidemill_core::clock::Clock;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use self::environment::Environment;
pub use self::source::EventSource;
use crate::{
    host::Runner,
    logs::Logs,
    sqs::Sqs,
    wire::{ACCOUNT, REGION, Refusal},
};

/// The largest payload and the largest response of an invocation, as AWS's error names it.
pub(crate) const PAYLOAD_BYTES: usize = 6_291_556;

/// How long invocations get to finish when the service ends: many of them take milliseconds, and who ends the cloud
/// waits for the others.
const GRACE: Duration = Duration::from_secs(2);

/// The most that a function's own environment variables may take.
const ENVIRONMENT_BYTES: usize = 4096;

/// Names that a function may not set, because Lambda does.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const RESERVED: [&str; 11] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// A function that runs in this process.
pub type DirectFunction =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync>;

/// A function's configuration.
#[derive(Debug, Clone)]
pub struct FunctionSettings {
    /// 1 to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// How long an invocation may take: 1 s to 15 min.
    pub timeout: Duration,
    /// MiB: 128 to 10,240.
    pub memory: u32,
    /// What runs it.
    pub host: FunctionHost,
}

/// What runs a function.
#[derive(Clone)]
pub enum FunctionHost {
    /// A function of this process.
    Direct(DirectFunction),
    /// A program that polls the Runtime API; a process for each invocation at a time.
    Environment(Runner),
}

impl std::fmt::Debug for FunctionHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Environment(_) => "Environment",
        })
    }
}

/// One invocation, as a direct function gets it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function's name.
    pub function: String,
    /// Its environment, as a process would have it.
    pub environment: BTreeMap<String, String>,
    /// The event.
    pub payload: Value,
    /// The invocation's id.
    pub request_id: String,
    /// When it will have timed out.
    pub deadline: Timestamp,
}

/// How an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {message}")]
pub struct FunctionError {
    /// The kind, such as `Sandbox.Timedout`, or the function's own.
    pub error_type: String,
    /// The sentence.
    pub message: String,
}

impl FunctionError {
    /// An error of this kind.
    #[must_use]
    pub fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), message: message.into() }
    }

    fn timed_out(request_id: &str, after: Duration) -> Self {
        let message =
            format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", after.as_secs_f64());
        Self::new("Sandbox.Timedout", message)
    }
}

/// Environment that every environment of a function gets, such as its role's credentials.
pub type FunctionEnvironment = Arc<dyn Fn(&str) -> BTreeMap<String, String> + Send + Sync>;

/// The Lambda service. Clones share it; when the last one is dropped, all that runs is killed.
#[derive(Clone)]
pub struct Lambda {
    inner: Arc<Inner>,
    _closing: Arc<DropGuard>,
}

/// What clones and background tasks share.
struct Inner {
    clock: Clock,
    sqs: Sqs,
    logs: Logs,
    /// Kills everything.
    closing: CancellationToken,
    /// Ends the polling of queues, but no invocation.
    draining: CancellationToken,
    /// The mappings and the invocations they have under way.
    sources: TaskTracker,
    /// The lives of the environments.
    lives: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    functions: BTreeMap<String, Function>,
    usage: Usage,
    environments: BTreeMap<String, Arc<Environment>>,
    /// `host:port` at which processes reach the Runtime API.
    endpoint: String,
    endpoint_env: BTreeMap<String, String>,
    function_env: Option<FunctionEnvironment>,
}

/// What Lambda would send a bill for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Invocations, failed ones included.
    pub invocations: u64,
    /// Memory times duration, each invocation rounded up to a millisecond.
    pub mb_ms: u64,
}

struct Function {
    settings: Arc<FunctionSettings>,
    /// Warm environments, the last used one last.
    idle: Vec<Arc<Environment>>,
}

impl Lambda {
    /// A service without functions.
    #[must_use]
    pub fn new(clock: Clock, sqs: Sqs, logs: Logs) -> Self {
        let closing = CancellationToken::new();
        let inner = Inner {
            clock,
            sqs,
            logs,
            closing: closing.clone(),
            draining: CancellationToken::new(),
            sources: TaskTracker::new(),
            lives: TaskTracker::new(),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner), _closing: Arc::new(closing.drop_guard()) }
    }

    /// Says at which `host:port` processes reach [`Lambda::runtime`].
    pub fn set_endpoint(&self, authority: &str) {
        authority.clone_into(&mut self.inner.lock().endpoint);
    }

    /// Environment for every function, below its own: the endpoint URL, and the like.
    pub fn set_endpoint_env(&self, env: BTreeMap<String, String>) {
        self.inner.lock().endpoint_env = env;
    }

    /// Environment by function name, such as its role's credentials.
    pub fn set_function_environment(&self, environment: FunctionEnvironment) {
        self.inner.lock().function_env = Some(environment);
    }

    /// Makes a function, or gives one new settings; warm environments of the old ones are not used again.
    ///
    /// # Errors
    /// `InvalidParameterValueException` for what Lambda refuses.
    pub fn create_function(&self, settings: FunctionSettings) -> Result<String, Refusal> {
        check(&settings)?;
        let arn = arn(&settings.name);
        let function = Function { settings: Arc::new(settings.clone()), idle: Vec::new() };
        let old = self.inner.lock().functions.insert(settings.name, function);
        old.into_iter().flat_map(|old| old.idle).for_each(|environment| environment.kill());
        Ok(arn)
    }

    /// Starts an environment now, so that the first event does not wait for it. Nothing to do for a direct one.
    pub fn prewarm(&self, function: &str) {
        self.inner.prewarm(function);
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// The function's own error, or Lambda's: unknown, timed out, crashed, too large.
    pub async fn invoke(&self, function: &str, payload: Value) -> Result<Value, FunctionError> {
        self.inner.invoke(function, payload).await
    }

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.inner.lock().usage
    }

    /// Feeds a function from a queue from now on.
    ///
    /// # Errors
    /// `InvalidParameterValueException`, or `ResourceNotFoundException` for an unknown function or queue.
    pub fn create_event_source(&self, source: EventSource) -> Result<(), Refusal> {
        self.inner.create_event_source(source)
    }

    /// Answers a call of the Runtime API: `/<environment id>/2018-06-01/runtime/…`.
    pub async fn runtime(
        &self,
        request: http::Request<crate::wire::Body>,
    ) -> http::Response<crate::wire::Body> {
        runtime::answer(&self.inner, request).await
    }

    /// Takes no more messages, and returns when the invocations under way have ended.
    pub async fn drain(&self) {
        self.inner.draining.cancel();
        self.inner.sources.close();
        self.inner.sources.wait().await;
    }

    /// Kills all invocations and environments and lets go of what ran them. That may hold the cloud's clients, and
    /// so the cloud: without this it would outlive its last owner.
    pub(crate) fn close(&self) {
        self.inner.draining.cancel();
        self.inner.closing.cancel();
        let mut state = self.inner.lock();
        let hosts = (std::mem::take(&mut state.functions), state.function_env.take());
        drop(state);
        // Outside the lock, since the last of them may bring down more.
        drop(hosts);
    }

    /// Lets invocations under way finish for two seconds, kills the others, and returns when nothing runs.
    pub async fn shutdown(&self) {
        // Elapsed or not, what follows is the same.
        let _ = tokio::time::timeout(GRACE, self.drain()).await;
        self.close();
        self.inner.sources.wait().await;
        self.inner.lives.close();
        self.inner.lives.wait().await;
    }
}

impl std::fmt::Debug for Lambda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lambda")
            .field("functions", &self.inner.lock().functions.keys())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn invoke(self: &Arc<Self>, name: &str, payload: Value) -> Result<Value, FunctionError> {
        let settings = self.lock().functions.get(name).map(|function| function.settings.clone());
        let Some(settings) = settings else {
            return Err(FunctionError::new(
                "ResourceNotFoundException",
                format!("Function not found: {}", arn(name)),
            ));
        };
        let started = tokio::time::Instant::now();
        let answer = self.invoke_with(&settings, payload).await;
        let duration_ms = u64::try_from(started.elapsed().as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let usage = &mut self.lock().usage;
        usage.invocations += 1;
        usage.mb_ms = usage.mb_ms.saturating_add(duration_ms.saturating_mul(settings.memory.into()));
        answer
    }

    async fn invoke_with(
        self: &Arc<Self>,
        settings: &Arc<FunctionSettings>,
        payload: Value,
    ) -> Result<Value, FunctionError> {
        let request_id = request_id();
        match &settings.host {
            FunctionHost::Environment(_) => self.invoke_process(settings, request_id, &payload).await,
            FunctionHost::Direct(function) => {
                let deadline = self.clock.now().saturating_add(settings.timeout).unwrap_or(Timestamp::MAX);
                let invocation = Invocation {
                    function: settings.name.clone(),
                    environment: self.variables(settings),
                    payload,
                    request_id: request_id.clone(),
                    deadline,
                };
                // A function that panics is a crashed process elsewhere; here it must not take the cloud along.
                let run = AssertUnwindSafe(async { function(invocation).await }).catch_unwind();
                let answer = match tokio::time::timeout(settings.timeout, run).await {
                    Err(_elapsed) => return Err(FunctionError::timed_out(&request_id, settings.timeout)),
                    Ok(Err(_panic)) => return Err(exited(&request_id, "exit status 101")),
                    Ok(Ok(answer)) => answer?,
                };
                if answer.to_string().len() > PAYLOAD_BYTES { Err(too_large()) } else { Ok(answer) }
            }
        }
    }

    /// The variables of a function that are not about one environment.
    fn variables(&self, settings: &FunctionSettings) -> BTreeMap<String, String> {
        let name = &settings.name;
        let (mut env, by_function) = {
            let state = self.lock();
            (state.endpoint_env.clone(), state.function_env.clone())
        };
        env.extend(by_function.map(|environment| environment(name)).unwrap_or_default());
        env.extend(settings.environment.clone());
        let fixed = [
            ("AWS_LAMBDA_FUNCTION_NAME", name.as_str()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &settings.memory.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("_HANDLER", "bootstrap"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
        ];
        env.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env
    }
}

fn arn(function: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}")
}

fn request_id() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}

fn exited(request_id: &str, how: &str) -> FunctionError {
    let message = format!("RequestId: {request_id} Error: Runtime exited with error: {how}");
    FunctionError::new("Runtime.ExitError", message)
}

fn too_large() -> FunctionError {
    let message =
        format!("Response payload size exceeded maximum allowed payload size ({PAYLOAD_BYTES} bytes).");
    FunctionError::new("Function.ResponseSizeTooLarge", message)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::client("InvalidParameterValueException", message)
}

fn check(settings: &FunctionSettings) -> Result<(), Refusal> {
    let name = &settings.name;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(invalid(format!(
            "A function's name has 1 to 64 letters, numbers, hyphens and underscores: {name}"
        )));
    }
    if !(1..=900).contains(&settings.timeout.as_secs()) {
        return Err(invalid(format!("The timeout of {name} must be between 1 and 900 seconds.")));
    }
    if !(128..=10_240).contains(&settings.memory) {
        return Err(invalid(format!("The memory of {name} must be between 128 and 10240 MB.")));
    }
    if let Some(key) = settings.environment.keys().find(|key| RESERVED.contains(&key.as_str())) {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used \
             in this request: {key}"
        )));
    }
    let bytes: usize = settings.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES {
        return Err(invalid(format!("The environment variables of {name} exceed the 4KB limit.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
