//! The one error of all adapters.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// An AWS call that did not succeed, after the SDK's own retries.
#[derive(Debug, thiserror::Error)]
#[error("failed to {attempt}{}", code.as_ref().map(|code| format!(": {code}")).unwrap_or_default())]
pub struct CallError {
    // Boxed texts, since this is a part of many other errors: a large error makes every answer large.
    attempt: Box<str>,
    code: Option<Box<str>>,
    message: Option<Box<str>>,
    retryable: bool,
    kind: CallErrorKind,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What a person would have to change for a call to succeed, as far as AWS's answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// Nobody answered: the network, the region or the endpoint.
    Unreachable,
    /// The caller has no permission for the call.
    Denied,
    /// AWS does not accept the credentials, or no longer.
    RejectedCredentials,
    /// Anything else that the service answered, or an answer that makes no sense.
    Other,
}

/// Codes of credentials that AWS does not accept ("Common errors" in the API references, and S3's list of error codes).
const REJECTED_CREDENTIALS: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes of a missing permission, as the services spell them.
const DENIED: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "AccessDeniedFault", "UnauthorizedOperation"];

impl CallErrorKind {
    fn of_code(code: &str) -> Self {
        match code {
            code if DENIED.contains(&code) => Self::Denied,
            code if REJECTED_CREDENTIALS.contains(&code) => Self::RejectedCredentials,
            _ => Self::Other,
        }
    }
}

/// Codes of a 4xx that AWS answers when the same call may succeed later (SDK reference guide, "Retry behavior",
/// and the API references of DynamoDB, SQS, SNS and S3). Every 5xx is one of these, whatever its code.
const RETRYABLE_CODES: [&str; 17] = [
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

impl CallError {
    /// What went wrong in trying to `attempt` ("read the job 12ab").
    pub(crate) fn of<E>(attempt: impl Into<String>, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let service = error.as_service_error();
        let code = service.and_then(|e| e.code()).map(Box::<str>::from);
        let broken = error.raw_response().is_some_and(|answer| answer.status().is_server_error());
        let retryable = match &code {
            Some(code) => broken || RETRYABLE_CODES.contains(&&**code),
            // No answer, a broken one, or one without a code, such as a load balancer's 503.
            None => !matches!(error, SdkError::ConstructionFailure(_)),
        };
        let message: Option<Box<str>> = service.and_then(|e| e.message()).map(Box::from);
        let kind = match &error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => CallErrorKind::Unreachable,
            _ => code.as_deref().map_or(CallErrorKind::Other, CallErrorKind::of_code),
        };
        // AWS's own sentence is what a person needs. What the SDK says around it names its types, and a request id that
        // is another each time.
        let source = match &message {
            Some(message) => message.to_string().into(),
            None => Box::new(error) as Box<_>,
        };
        let attempt = attempt.into().into_boxed_str();
        Self { attempt, code, message, retryable, kind, source }
    }

    /// An answer that was received and makes no sense.
    #[must_use]
    pub fn malformed_response(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::own(attempt, source, false)
    }

    /// An attempt that ran out of patience and may be made again later.
    #[must_use]
    pub fn retries_exhausted(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::own(attempt, source, true)
    }

    fn own(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
        retryable: bool,
    ) -> Self {
        let (attempt, source) = (attempt.into().into_boxed_str(), source.into());
        Self { attempt, code: None, message: None, retryable, kind: CallErrorKind::Other, source }
    }

    /// What was tried, such as "read job 12ab".
    #[must_use]
    pub fn attempt(&self) -> &str {
        &self.attempt
    }

    /// AWS's sentence, where the service answered with one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What a person would have to change.
    #[must_use]
    pub fn kind(&self) -> CallErrorKind {
        self.kind
    }

    /// AWS's error code, where the service answered with one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::operation::publish::PublishError;
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};

    use super::*;

    fn answered(status: u16, code: &str) -> CallError {
        let error = PublishError::generic(ErrorMetadata::builder().code(code).build());
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        CallError::of("mail", SdkError::service_error(error, response))
    }

    #[test]
    fn an_answer_says_what_a_person_has_to_change() {
        for (code, kind) in [
            ("AccessDenied", CallErrorKind::Denied),
            ("AccessDeniedException", CallErrorKind::Denied),
            ("UnauthorizedOperation", CallErrorKind::Denied),
            ("ExpiredToken", CallErrorKind::RejectedCredentials),
            ("SignatureDoesNotMatch", CallErrorKind::RejectedCredentials),
            ("ValidationException", CallErrorKind::Other),
        ] {
            assert_eq!(answered(403, code).kind(), kind, "{code}");
        }
        let timeout = SdkError::<PublishError, HttpResponse>::timeout_error("late");
        assert_eq!(CallError::of("mail", timeout).kind(), CallErrorKind::Unreachable);
    }

    #[test]
    fn throttles_and_whatever_is_awss_own_fault_may_be_tried_again() {
        for (status, code) in [
            (400, "ThrottlingException"),
            (403, "SlowDown"),
            (429, "TooManyRequestsException"),
            (500, "InternalFailure"),
            (500, "KMSInternalException"),
            (503, "ServiceUnavailable"),
        ] {
            assert!(answered(status, code).is_retryable(), "{code}");
        }
        for (status, code) in
            [(400, "ValidationException"), (403, "AccessDeniedException"), (404, "NotFound"), (412, "Other")]
        {
            let error = answered(status, code);
            assert!(!error.is_retryable(), "{code}");
            assert_eq!((error.code(), error.to_string()), (Some(code), format!("failed to mail: {code}")));
        }
    }
}
