//! Lambda: functions, the environments they run in, and the mappings that feed them from queues.
//!
//! ```text
//! SQS ─▶ source (batches, concurrency) ─▶ invoke ─┬─ Direct: a function of this process
//!            ◀── deletes what succeeded     ▲     └─ Environment: real processes, which poll the Runtime API
//! Invoke, waiting for the answer ───────────┤
//! Invoke as Event, rules, schedules ─▶ asynchronous: retried when it fails, then a dead letter
//! ```
//!
//! `docs`: [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html),
//! [SQS event sources](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html),
//! [asynchronous invocation](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html).

mod alias;
mod arn;
mod asynchronous;
mod environment;
mod event;
mod event_invoke;
mod identity;
mod invocation;
mod invoke;
mod layers;
mod pool;
mod record;
mod refusal;
pub(crate) mod required_actions;
pub(crate) mod resources;
pub(crate) mod rest;
mod runtime;
mod service;
mod settings;
mod source;
mod sqs_event;
mod wire;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clock::Clock;
use serde_json::Value;
use tokio_util::sync::DropGuard;

pub(crate) use self::refusal::ACCESS_DENIED;
pub use self::{
    event_invoke::EventInvokeConfig,
    invocation::{FunctionError, Invocation, InvokeError},
    service::Usage,
    settings::{DirectFunction, FunctionEnvironment, FunctionHost, FunctionSettings},
    source::EventSource,
};
use self::{
    invocation::request_id,
    service::{Function, Inner},
};
use crate::{
    services::{logs::Logs, sqs::Sqs},
    usage,
    wire::ApiError,
};

/// How long invocations get to finish when the service ends: many of them take milliseconds, and who ends the cloud
/// waits for the others.
const GRACE: Duration = Duration::from_secs(2);

/// The Lambda service. Clones share it; when the last one is dropped, all that runs is killed.
#[derive(Clone)]
pub struct Lambda {
    inner: Arc<Inner>,
    _closing: Arc<DropGuard>,
}

impl Lambda {
    /// A service without functions.
    #[must_use]
    pub fn new(clock: Clock, sqs: Sqs, logs: Logs) -> Self {
        let inner = Inner::new(clock, sqs, logs);
        let closing = inner.closing.clone().drop_guard();
        Self { inner: Arc::new(inner), _closing: Arc::new(closing) }
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
    /// `InvalidParameterValueException` for what Lambda refuses, and for a dead-letter queue that does not exist.
    pub fn create_function(&self, settings: FunctionSettings) -> Result<String, ApiError> {
        settings::check(&settings)?;
        self.inner.check_queue("dead-letter queue", settings.dead_letter_arn.as_deref())?;
        let (name, settings) = (settings.name.clone(), Arc::new(settings));
        let mut state = self.inner.lock();
        let idle = match state.functions.get_mut(&name) {
            Some(function) => {
                function.settings = settings;
                std::mem::take(&mut function.idle)
            }
            None => {
                state.functions.insert(name.clone(), Function::new(settings));
                Vec::new()
            }
        };
        drop(state);
        idle.into_iter().for_each(|environment| environment.kill());
        Ok(arn::function(&name))
    }

    /// Has all invocations from now on run in new environments, as after a deployment of a new version of each function.
    pub fn renew_environments(&self) {
        let mut state = self.inner.lock();
        let mut idle = Vec::new();
        for function in state.functions.values_mut() {
            function.settings = Arc::new(FunctionSettings::clone(&function.settings));
            idle.append(&mut function.idle);
        }
        drop(state);
        idle.into_iter().for_each(|environment| environment.kill());
    }

    /// Starts an environment now, so that the first event does not wait for it. Nothing to do for a direct one.
    pub fn prewarm(&self, function: &str) {
        self.inner.prewarm(function);
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// What the function failed of, timeouts and crashes included, or why Lambda did not run it.
    pub async fn invoke(&self, function: &str, payload: Value) -> Result<Value, InvokeError> {
        self.inner.invoke(function, payload, &request_id()).await
    }

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.inner.lock().usage
    }

    /// Adds what was used. An invocation counts as a receive and a delete of a queue too, which is too many for one that
    /// no queue caused.
    pub(crate) fn add_usage(&self, usage: &mut usage::Usage) {
        let own = self.usage();
        usage.invocations += own.invocations;
        usage.lambda_mb_ms += own.mb_ms;
        usage.sqs_requests += 2 * own.invocations;
    }

    /// Feeds a function from a queue from now on.
    ///
    /// # Errors
    /// `InvalidParameterValueException`, or `ResourceNotFoundException` for an unknown function or queue.
    pub fn create_event_source(&self, source: EventSource) -> Result<(), ApiError> {
        self.inner.create_event_source(source)
    }

    /// Answers a call of the Runtime API: `/<environment id>/2018-06-01/runtime/…`.
    pub async fn runtime(
        &self,
        request: http::Request<crate::wire::Body>,
    ) -> http::Response<crate::wire::Body> {
        runtime::answer(&self.inner, request).await
    }

    /// Takes no more messages, and returns when the invocations in flight have ended. Asynchronous ones that wait
    /// for another try are dropped: their queue is memory.
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

    /// Lets invocations in flight finish for two seconds, kills the others, and returns when nothing runs.
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

#[cfg(test)]
mod tests;
