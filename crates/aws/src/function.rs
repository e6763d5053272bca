//! A Lambda function, as a person invokes it.

use aws_sdk_lambda::{Client, primitives::Blob};
use serde_json::Value;

use super::{CallError, Clients, timeouts::Timeouts};

/// A function, by its name or ARN, or that of an alias of it.
#[derive(Debug, Clone)]
pub struct Function {
    client: Client,
    name: String,
}

/// What the function itself failed with, in the words of its error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl Function {
    /// The function of this name or ARN.
    #[must_use]
    pub fn new(clients: &Clients, name: &str) -> Self {
        let config = clients.config();
        let timeouts = Timeouts::LONG_POLLS.of(config);
        let config = aws_sdk_lambda::config::Builder::from(config).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// Invokes the function with this event, waits for its end, and returns its answer. After a lost answer the SDK
    /// invokes it once more, so the event has to be one that may come twice.
    ///
    /// # Errors
    /// [`CallError`], with the function's own error as its cause where it failed.
    pub async fn invoke(&self, event: &Value) -> Result<Value, CallError> {
        let attempt = || format!("invoke {}", self.name);
        let invoke = self.client.invoke().function_name(&self.name);
        let answer = invoke.payload(Blob::new(event.to_string())).send().await;
        let answer = answer.map_err(|error| CallError::of(attempt(), error))?;
        let payload = answer.payload().map(|payload| payload.as_ref()).unwrap_or_default();
        let value: Value =
            serde_json::from_slice(payload).map_err(|e| CallError::malformed_response(attempt(), e))?;
        if answer.function_error().is_some() {
            let words = value["errorMessage"].as_str().map_or_else(|| value.to_string(), str::to_owned);
            return Err(CallError::retries_exhausted(attempt(), Failed(words)));
        }
        Ok(value)
    }
}
