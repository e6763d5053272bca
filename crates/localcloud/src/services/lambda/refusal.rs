//! Why Lambda does not do what it is asked to, as its API says it.

use super::arn;
use crate::{services::iam::AccessDenied, wire::ApiError};

/// How Lambda answers a caller who lacks a permission.
pub(crate) const ACCESS_DENIED: AccessDenied = AccessDenied { code: "AccessDeniedException", status: 403 };

/// A parameter that Lambda does not take.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterValueException", message)
}

/// There is no function of this name or ARN.
pub(super) fn not_found(function: &str) -> ApiError {
    let arn = if function.starts_with("arn:") { function.to_owned() } else { arn::function(function) };
    let message = format!("Function not found: {arn}");
    ApiError::client("ResourceNotFoundException", message).with_status(404)
}
