//! The operations as clients call them, without their HTTP, which is the [`crate::frontend`]'s.
//!
//! [Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html),
//! [ListFunctions](https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html).

use serde_json::{Value, json};

use super::{Lambda, arn, invocation::InvokeError, record::error_payload, refusal::invalid};
use crate::wire::ApiError;

/// An answer to Invoke.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invoked {
    /// The HTTP status: 200, 202 for an event that was accepted, 204 for a dry run.
    pub(crate) status: u16,
    /// What the function answered; for a function that failed, what it failed of.
    pub(crate) payload: Option<Value>,
    /// Whether it failed.
    pub(crate) failed: bool,
}

impl Lambda {
    /// The functions' configurations, by name, as far as this cloud knows them. They fit one page.
    pub(crate) fn list(&self) -> Vec<Value> {
        let state = self.inner.lock();
        let settings = state.functions.values().map(|function| &function.settings);
        let listed = settings.map(|settings| {
            let mut listed = json!({
                "FunctionName": settings.name,
                "FunctionArn": arn::function(&settings.name),
                "Timeout": settings.timeout.as_secs(),
                "MemorySize": settings.memory,
                "PackageType": "Zip",
                "Version": "$LATEST",
                "Environment": { "Variables": settings.environment },
            });
            if let Some(queue) = &settings.dead_letter_arn {
                listed["DeadLetterConfig"] = json!({ "TargetArn": queue });
            }
            listed
        });
        listed.collect()
    }

    /// Invokes a function, given by name or ARN, as `invocation_type` says: `RequestResponse`, `Event` or
    /// `DryRun`. A function's failure is an answer, not an error.
    pub(crate) async fn invoke_as(
        &self,
        function: &str,
        qualifier: Option<&str>,
        invocation_type: &str,
        payload: &[u8],
        request_id: &str,
    ) -> Result<Invoked, ApiError> {
        let function = match qualifier {
            Some(qualifier) => self.inner.qualified(&format!("{function}:{qualifier}"))?,
            None => self.inner.qualified(function)?,
        };
        // Functions get an empty object where a client sends nothing.
        let payload = if payload.is_empty() { b"{}" } else { payload };
        let payload: Value = serde_json::from_slice(payload).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            ApiError::client("InvalidRequestContentException", message)
        })?;
        let invoked = |status, payload, failed| Invoked { status, payload, failed };
        match invocation_type {
            "RequestResponse" => match self.inner.invoke(&function.name, payload, request_id).await {
                Ok(answer) => Ok(invoked(200, Some(answer), false)),
                Err(InvokeError::Failed(error)) => Ok(invoked(200, Some(error_payload(&error)), true)),
                Err(InvokeError::Refused(api_error)) => Err(api_error),
            },
            "Event" => {
                self.inner.accept(function, payload, request_id.to_owned())?;
                Ok(invoked(202, None, false))
            }
            "DryRun" => Ok(invoked(204, None, false)),
            other => Err(invalid(format!(
                "Value '{other}' at 'invocationType' is none of Event, RequestResponse and DryRun."
            ))),
        }
    }
}
