//! Reading the input of an operation.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::wire::ApiError;

/// The input as `T`, or the error that SQS answers.
pub(super) fn parse<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some(name) => missing(name),
            None => ApiError::client("SerializationException", text),
        }
    })
}

/// That a parameter is missing.
pub(super) fn missing(name: &str) -> ApiError {
    ApiError::client("MissingParameter", format!("The request must contain the parameter {name}."))
}
