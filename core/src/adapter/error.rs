//! The one error of all adapters.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// An AWS call that did not succeed, after the SDK's own retries.
#[derive(Debug, thiserror::Error)]
#[error("failed to {attempt}{}", code.as_ref().map(|code| format!(": {code}")).unwrap_or_default())]
pub struct CallError {
    attempt: String,
    code: Option<String>,
    retryable: bool,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
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
        let code = service.and_then(|e| e.code()).map(str::to_owned);
        let broken = error.raw_response().is_some_and(|answer| answer.status().is_server_error());
        let retryable = match &code {
            Some(code) => broken || RETRYABLE_CODES.contains(&code.as_str()),
            // No answer, a broken one, or one without a code, such as a load balancer's 503.
            None => !matches!(error, SdkError::ConstructionFailure(_)),
        };
        Self { attempt: attempt.into(), code, retryable, source: Box::new(error) }
    }

    /// An answer that was received and makes no sense.
    pub(crate) fn nonsense(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { attempt: attempt.into(), code: None, retryable: false, source: source.into() }
    }

    /// An attempt that ran out of patience and may be made again later.
    #[must_use]
    pub fn exhausted(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { attempt: attempt.into(), code: None, retryable: true, source: source.into() }
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

    /// The whole chain of causes in one line, for logs and reasons.
    #[must_use]
    pub fn chain(&self) -> String {
        crate::logging::chain(self)
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
