//! How long a call waits for AWS.
//!
//! The SDK itself limits only the time to connect. A call on a connection that went stale in a pause would never end, and
//! neither would the job, lease or message that waits for it. Here every client gets two limits: one for an attempt, after
//! which the SDK tries again, and one for the whole call, retries included, after which it fails as a call without answer:
//! it may have done its work.
//!
//! | calls | attempt | call |
//! | --- | --- | --- |
//! | DynamoDB, SQS, SNS, Logs, CloudFormation: milliseconds, a second at worst | 5 s | 20 s |
//! | ECS, which looks for capacity, and S3 up to the first byte of a body: some seconds at worst | 10 s | 25 s |
//! | uploads to S3: a part of 5 MiB or more, or joining the parts | 60 s | 200 s |
//! | long polls of SQS: 20 s without a message | 25 s | 60 s |
//! | records: a table that scales up throttles for minutes, and the attempts slow down with it | 5 s | 10 min |
//!
//! Functions have 30 seconds, so their calls fail while there is time left to report it. A worker renews its lease of 60
//! seconds every 20, so a renewal that hangs is repeated before the lease expires.
//!
//! The body of an answer is read after the call. The SDK fails it when no byte arrives for some seconds (stalled stream
//! protection, which is on by default), and [`Reading`](crate::objects::Reading) resumes it.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// The limits of one kind of calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    attempt: Duration,
    call: Duration,
}

impl Timeouts {
    pub(super) const QUICK: Self = Self::of_seconds(5, 20);
    pub(super) const SLOW: Self = Self::of_seconds(10, 25);
    pub(super) const UPLOADS: Self = Self::of_seconds(60, 200);
    pub(super) const LONG_POLLS: Self = Self::of_seconds(25, 60);
    pub(super) const RECORDS: Self = Self::of_seconds(5, 600);

    const fn of_seconds(attempt: u64, call: u64) -> Self {
        Self { attempt: Duration::from_secs(attempt), call: Duration::from_secs(call) }
    }

    /// As a client takes them. What the configuration sets or disables itself stays.
    pub(super) fn of(self, config: &SdkConfig) -> TimeoutConfig {
        let Self { attempt, call } = self;
        let ours = TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(call);
        config
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
            .take_unset_from(ours)
            .build()
    }
}
