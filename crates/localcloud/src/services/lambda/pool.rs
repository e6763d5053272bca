//! The pool of environments: one is taken for each invocation, started if none is warm, and given back or killed.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    arn,
    environment::{Environment, Work},
    invocation::{FunctionError, InvokeError, PAYLOAD_BYTES},
    service::Inner,
    settings::{FunctionHost, FunctionSettings},
};
use crate::{
    host::{Launch, Runner},
    services::logs::LogStream,
    wire::ApiError,
};

/// How long AWS lets an environment initialise before it counts against the first invocation.
const INIT: Duration = Duration::from_secs(10);

/// How long a warm environment is kept without work; AWS keeps them for some minutes as well.
const IDLE: Duration = Duration::from_secs(300);

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
            return Err(FunctionError::exited(&request_id, "signal: killed").into());
        };
        tokio::select! {
            biased;
            () = environment.ready.cancelled() => {}
            () = environment.gone.cancelled() => return Err(environment.failure(&request_id).into()),
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
            function_arn: arn::function(&settings.name),
            answer,
        };
        if environment.offer.send(work).is_err() {
            return Err(environment.failure(&request_id).into());
        }
        let result = tokio::select! {
            // A result that came just before the exit or the deadline counts.
            biased;
            Ok(result) = &mut result => result,
            () = environment.gone.cancelled() => return Err(environment.failure(&request_id).into()),
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
        let environment = Arc::new(Environment::new(id.clone(), settings.clone()));
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
            biased;
            exit = &mut run => break Some(exit),
            () = environment.kill.cancelled() => break None,
            () = inner.closing.cancelled() => break None,
            _ = reap.changed() => {}
            () = idle_too_long => if inner.retire(&environment) { break None },
        }
    };
    // Dropped first: when the environment is gone, so is its process.
    drop(run);
    environment.end(exit);
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
