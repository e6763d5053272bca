//! One invocation: admitted or refused, run by what hosts the function, and measured.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    invocation::{FunctionError, Invocation, InvokeError, PAYLOAD_BYTES},
    refusal::not_found,
    service::Inner,
    settings::{FunctionHost, FunctionSettings},
};
use crate::wire::{ApiError, REGION};

/// Counts an invocation against the function's reserved concurrency for as long as it lives, however it ends.
struct Running {
    inner: Arc<Inner>,
    function: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(function) = self.inner.lock().functions.get_mut(&self.function) {
            function.running -= 1;
        }
    }
}

impl Inner {
    /// Invokes a function that has room for it, and waits for its answer.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        name: &str,
        payload: Value,
        request_id: &str,
    ) -> Result<Value, InvokeError> {
        let (settings, _running) = self.admit(name)?;
        self.assume(name)?;
        let started = tokio::time::Instant::now();
        let answer = self.invoke_with(&settings, payload, request_id.to_owned()).await;
        let duration_ms = u64::try_from(started.elapsed().as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let usage = &mut self.lock().usage;
        usage.invocations += 1;
        usage.mb_ms = usage.mb_ms.saturating_add(duration_ms.saturating_mul(settings.memory.into()));
        answer
    }

    fn admit(self: &Arc<Self>, name: &str) -> Result<(Arc<FunctionSettings>, Running), ApiError> {
        let mut state = self.lock();
        let function = state.functions.get_mut(name).ok_or_else(|| not_found(name))?;
        if function.settings.reserved_concurrency.is_some_and(|most| function.running >= most) {
            let reason = json!({ "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded" });
            return Err(ApiError::client("TooManyRequestsException", "Rate Exceeded.")
                .with_status(429)
                .with_detail(reason));
        }
        function.running += 1;
        let running = Running { inner: self.clone(), function: name.to_owned() };
        Ok((function.settings.clone(), running))
    }

    async fn invoke_with(
        self: &Arc<Self>,
        settings: &Arc<FunctionSettings>,
        payload: Value,
        request_id: String,
    ) -> Result<Value, InvokeError> {
        match &settings.host {
            FunctionHost::Environment(_) => self.invoke_process(settings, request_id, &payload).await,
            FunctionHost::Direct(function) => {
                // A refusal is logged by IAM; without logs the function runs all the same.
                let _ = self.may_log(&settings.name, "in-process");
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
                    Err(_elapsed) => {
                        return Err(FunctionError::timed_out(&request_id, settings.timeout).into());
                    }
                    Ok(Err(_panic)) => {
                        return Err(FunctionError::exited(&request_id, "exit status 101").into());
                    }
                    Ok(Ok(answer)) => answer?,
                };
                if answer.to_string().len() > PAYLOAD_BYTES {
                    Err(FunctionError::too_large().into())
                } else {
                    Ok(answer)
                }
            }
        }
    }

    /// The variables of a function that are not about one environment.
    pub(super) fn variables(&self, settings: &FunctionSettings) -> BTreeMap<String, String> {
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
