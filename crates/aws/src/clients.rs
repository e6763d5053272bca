//! AWS's clients: what the adapters of one program call it with.

use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{
    Region,
    retry::{RetryConfig, RetryPartition},
};

use super::timeouts::Timeouts;
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
    s3_uploads: OnceLock<aws_sdk_s3::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    sqs_long_polls: OnceLock<aws_sdk_sqs::Client>,
}

/// A client of a service, with these timeouts.
macro_rules! client {
    ($service:ident, $config:expr, $timeouts:expr) => {{
        let config: &SdkConfig = $config;
        let config = $service::config::Builder::from(config).timeout_config($timeouts.of(config)).build();
        $service::Client::from_conf(config)
    }};
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
        self.built.dynamodb.get_or_init(|| client!(aws_sdk_dynamodb, self.config(), Timeouts::QUICK))
    }

    /// One that repeats a call often, and slows down all its calls until DynamoDB keeps up.
    pub(super) fn dynamodb_adaptive(&self) -> &aws_sdk_dynamodb::Client {
        self.built.dynamodb_adaptive.get_or_init(|| {
            let retries = RetryConfig::adaptive().with_max_attempts(retry::WRITE_RECORDS_ATTEMPTS);
            let config = aws_sdk_dynamodb::config::Builder::from(self.config()).retry_config(retries);
            let timeouts = Timeouts::RECORDS.of(self.config());
            aws_sdk_dynamodb::Client::from_conf(config.timeout_config(timeouts).build())
        })
    }

    /// The same for the tables of this region: the client's own if there is none. What is throttled in `partition` slows
    /// down nothing else. The SDK keeps partitions for a whole process, by their names alone.
    pub(super) fn dynamodb_of_region(
        &self,
        region: Option<&str>,
        partition: String,
    ) -> aws_sdk_dynamodb::Client {
        let retries = RetryConfig::adaptive().with_max_attempts(retry::WRITE_RECORDS_ATTEMPTS);
        // Environments with clocks of their own in one process have regions of their own, too.
        let partition = format!("{partition}, seen from {:?}", self.config().region());
        let mut config = aws_sdk_dynamodb::config::Builder::from(self.config())
            .retry_config(retries)
            .retry_partition(RetryPartition::new(partition))
            .timeout_config(Timeouts::RECORDS.of(self.config()));
        if let Some(region) = region {
            config = config.region(Region::new(region.to_owned()));
        }
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub(super) fn ecs(&self) -> &aws_sdk_ecs::Client {
        self.built.ecs.get_or_init(|| client!(aws_sdk_ecs, self.config(), Timeouts::SLOW))
    }

    #[cfg(feature = "logs")]
    pub(super) fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.built.logs.get_or_init(|| client!(aws_sdk_cloudwatchlogs, self.config(), Timeouts::QUICK))
    }

    pub(super) fn s3(&self) -> &aws_sdk_s3::Client {
        self.built.s3.get_or_init(|| self.s3_with(Timeouts::SLOW))
    }

    /// One for calls that carry the bytes of an object, or put its parts together.
    pub(super) fn s3_uploads(&self) -> &aws_sdk_s3::Client {
        self.built.s3_uploads.get_or_init(|| self.s3_with(Timeouts::UPLOADS))
    }

    /// A custom endpoint is addressed by path: it has no host for each bucket.
    fn s3_with(&self, timeouts: Timeouts) -> aws_sdk_s3::Client {
        let by_path = self.config.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(self.config()).force_path_style(by_path);
        aws_sdk_s3::Client::from_conf(config.timeout_config(timeouts.of(self.config())).build())
    }

    pub(super) fn sns(&self) -> &aws_sdk_sns::Client {
        self.built.sns.get_or_init(|| client!(aws_sdk_sns, self.config(), Timeouts::QUICK))
    }

    pub(super) fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.built.sqs.get_or_init(|| client!(aws_sdk_sqs, self.config(), Timeouts::QUICK))
    }

    /// One for receives that wait for a message.
    pub(super) fn sqs_long_polls(&self) -> &aws_sdk_sqs::Client {
        self.built.sqs_long_polls.get_or_init(|| client!(aws_sdk_sqs, self.config(), Timeouts::LONG_POLLS))
    }
}
