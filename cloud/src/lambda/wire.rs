//! The Invoke operation as clients call it, without its HTTP, which is the [`crate::gate`]'s.
//!
//! [Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).

use serde_json::Value;

use super::{InvokeError, Lambda, invalid, invoke::not_found, record::error_payload};
use crate::wire::{ACCOUNT, REGION, Refusal};

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
    /// Invokes a function, given by name or ARN, as `invocation_type` says: `RequestResponse`, `Event` or
    /// `DryRun`. A function's failure is an answer, not an error.
    pub(crate) async fn invoke_as(
        &self,
        function: &str,
        qualifier: Option<&str>,
        invocation_type: &str,
        payload: &[u8],
        request_id: &str,
    ) -> Result<Invoked, Refusal> {
        let name = name_of(function)?;
        if !self.inner.lock().functions.contains_key(name)
            || qualifier.is_some_and(|qualifier| qualifier != "$LATEST")
        {
            return Err(not_found(name));
        }
        // Functions get an empty object where a client sends nothing.
        let payload = if payload.is_empty() { b"{}" } else { payload };
        let payload: Value = serde_json::from_slice(payload).map_err(|error| {
            let message = format!("Could not parse request body into json: {error}");
            Refusal::client("InvalidRequestContentException", message)
        })?;
        let invoked = |status, payload, failed| Invoked { status, payload, failed };
        match invocation_type {
            "RequestResponse" => match self.inner.invoke(name, payload, request_id).await {
                Ok(answer) => Ok(invoked(200, Some(answer), false)),
                Err(InvokeError::Failed(error)) => Ok(invoked(200, Some(error_payload(&error)), true)),
                Err(InvokeError::Refused(refusal)) => Err(refusal),
            },
            "Event" => {
                self.inner.accept(name, payload, request_id.to_owned())?;
                Ok(invoked(202, None, false))
            }
            "DryRun" => Ok(invoked(204, None, false)),
            other => Err(invalid(format!(
                "Value '{other}' at 'invocationType' is none of Event, RequestResponse and DryRun."
            ))),
        }
    }
}

/// A function's name where it is given by name, by ARN (with or without `$LATEST`), or by the end of an ARN from
/// the account on.
pub(super) fn name_of(function: &str) -> Result<&str, Refusal> {
    let rest = function
        .strip_prefix("arn:aws:lambda:")
        .and_then(|rest| rest.strip_prefix(REGION)?.strip_prefix(':'));
    let rest = rest.unwrap_or(function);
    let rest = rest.strip_prefix(ACCOUNT).and_then(|rest| rest.strip_prefix(":function:")).unwrap_or(rest);
    let name = rest.strip_suffix(":$LATEST").unwrap_or(rest);
    if name.is_empty() || name.contains(':') { Err(not_found(function)) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_its_name_and_its_arns() {
        for given in [
            "uploads",
            "uploads:$LATEST",
            "123456789012:function:uploads",
            "arn:aws:lambda:us-east-1:123456789012:function:uploads",
            "arn:aws:lambda:us-east-1:123456789012:function:uploads:$LATEST",
        ] {
            assert_eq!(name_of(given).unwrap(), "uploads", "{given}");
        }
        for given in ["", "uploads:live", "arn:aws:lambda:eu-west-1:123456789012:function:uploads"] {
            assert_eq!(name_of(given).unwrap_err().status, 404, "{given}");
        }
    }
}
