//! The AWS adapters: each speaks the domain's words, and SDK types are born and die inside it. One verb is one
//! call, so what a function or task may do is the list of verbs it uses.

pub mod backlog;
pub mod batch;
mod batch_get;
mod breaker;
pub mod cluster;
pub mod collect;
pub mod dead_letters;
mod error;
pub mod fleet;
pub mod layer;
pub mod ledger;
mod leftovers;
pub mod logs;
pub mod mail;
pub mod objects;
mod pace;
mod publish;
pub mod queue;
pub mod records;
pub mod scaling;
pub mod stack;
pub mod storms;
pub mod tasks;
mod unanswered;
pub mod versions;

use aws_config::{BehaviorVersion, ConfigLoader};

pub use aws_config::SdkConfig;
use batch_get::batch_get;
pub use error::CallError;

/// The SDK's configuration from the standard AWS environment: credentials, region, `AWS_ENDPOINT_URL`.
pub async fn sdk_config() -> SdkConfig {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
    sdk_loader(&endpoint).load().await
}

/// What loads a configuration for this endpoint. For one of plain HTTP, as the local cloud's is, with a client that
/// knows no TLS: the SDK's own reads the system's root certificates, some 150 files, before its first call.
pub fn sdk_loader(endpoint: &str) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    if !endpoint.starts_with("http://") {
        return loader;
    }
    loader.http_client(aws_smithy_http_client::Builder::new().build_http())
}
