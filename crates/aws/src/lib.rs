//! The AWS adapters: each speaks the domain's words, and SDK types are born and die inside it. One verb is one
//! call, so what a function or task may do is the list of verbs it uses.

mod ambiguous_attempt;
mod attributes;
pub mod backlog;
mod batch_get;
#[cfg(feature = "stack")]
mod bucket_settings;
mod clients;
pub mod cluster;
pub mod dead_letters;
pub mod delete_rows;
mod erase;
mod error;
pub mod fleet;
#[cfg(feature = "stack")]
pub mod function;
pub mod ledger;
#[cfg(feature = "logs")]
pub mod logs;
pub mod mail;
pub mod objects;
pub mod publish;
pub mod queue;
mod rate_limit;
pub mod records;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "stack")]
pub mod subscriptions;
pub mod tables;
pub mod tasks;
mod timeouts;
mod unprocessed;
pub mod versions;

use aws_config::{
    BehaviorVersion, ConfigLoader,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    meta::region::ProvideRegion,
};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, runtime_components::RuntimeComponents};

use domain::settings::variables;

pub use aws_config::SdkConfig;
pub use clients::Clients;
pub use error::{CallError, CallErrorKind};

/// The clients of a function: Lambda puts region and credentials into its environment. Looking nowhere else keeps what
/// would look out of the program: profiles, roles to assume, metadata services.
pub async fn clients() -> Clients {
    let endpoint = endpoint();
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client(endpoint.as_deref().unwrap_or_default()))
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_endpoint_url(endpoint);
    Clients::new(&config.build())
}

/// The configuration that the AWS environment leads to, wherever that is: for a task, whose role is at an address of its
/// own, and for a person.
pub async fn found_config() -> SdkConfig {
    sdk_loader(&endpoint().unwrap_or_default()).load().await
}

/// The endpoint of all services that this process's environment names; `None` for AWS's own.
#[must_use]
pub fn endpoint() -> Option<String> {
    std::env::var(variables::AWS_ENDPOINT_URL.name()).ok().filter(|endpoint| !endpoint.is_empty())
}

/// What finds a configuration for this endpoint.
pub fn sdk_loader(endpoint: &str) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest()).http_client(http_client(endpoint))
}

/// All clients of a configuration share one HTTP client, and so its connections and its root certificates, some 150 that
/// are read before the first call. For an endpoint of plain HTTP, as the local cloud's is, none are read.
fn http_client(endpoint: &str) -> SharedHttpClient {
    let trusted = TrustStore::default().with_native_roots(!endpoint.starts_with("http://"));
    let context = TlsContext::builder().with_trust_store(trusted).build().unwrap_or_default();
    // What each client would make for itself, if it were given none. One kind of connector for both schemes, since each
    // kind brings an HTTP client of its own into the program.
    Builder::new().build_with_connector_fn(move |settings, components| {
        let tls = Provider::Rustls(CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default()
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls)
            .tls_context(context.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}
