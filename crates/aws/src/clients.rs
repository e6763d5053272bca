//! AWS's clients: what the adapters of one program call it with.

use std::sync::{Arc, OnceLock};

use aws_sdk_dynamodb::config::retry::RetryConfig;

use super::SdkConfig;
use domain::retry;

/// One client for each service, built when it is first asked for. To build one, its SDK reads a table of all regions and
/// puts together what each call goes through: a good part of a function's start, which is paid once for each service
/// and not once for each adapter. Clones share the clients.
#[derive(Debug, Clone)]
pub struct Clients {
    config: Arc<SdkConfig>,
    built: Arc<Built>,
}

#[derive(Debug, Default)]
struct Built {
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    dynamodb_adaptive: OnceLock<aws_sdk_dynamodb::Client>,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    #[cfg(feature = "logs")]
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
}

impl Clients {
    /// Those of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { config: Arc::new(config.clone()), built: Arc::default() }
    }

    /// What they are built from.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub(super) fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.built.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(self.config()))
    }

    /// One that repeats a call often, and slows down all its calls until DynamoDB keeps up.
    pub(super) fn dynamodb_adaptive(&self) -> &aws_sdk_dynamodb::Client {
        self.built.dynamodb_adaptive.get_or_init(|| {
            let retries = RetryConfig::adaptive().with_max_attempts(retry::WRITE_RECORDS_ATTEMPTS);
            let config = aws_sdk_dynamodb::config::Builder::from(self.config()).retry_config(retries).build();
            aws_sdk_dynamodb::Client::from_conf(config)
        })
    }

    pub(super) fn ecs(&self) -> &aws_sdk_ecs::Client {
        self.built.ecs.get_or_init(|| aws_sdk_ecs::Client::new(self.config()))
    }

    #[cfg(feature = "logs")]
    pub(super) fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.built.logs.get_or_init(|| aws_sdk_cloudwatchlogs::Client::new(self.config()))
    }

    /// A custom endpoint is addressed by path: it has no host for each bucket.
    pub(super) fn s3(&self) -> &aws_sdk_s3::Client {
        self.built.s3.get_or_init(|| {
            let by_path = self.config.endpoint_url().is_some();
            let config = aws_sdk_s3::config::Builder::from(self.config()).force_path_style(by_path).build();
            aws_sdk_s3::Client::from_conf(config)
        })
    }

    pub(super) fn sns(&self) -> &aws_sdk_sns::Client {
        self.built.sns.get_or_init(|| aws_sdk_sns::Client::new(self.config()))
    }

    pub(super) fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.built.sqs.get_or_init(|| aws_sdk_sqs::Client::new(self.config()))
    }
}
