//! The AWS SDK's HTTP client that answers from a [`Frontend`] in this process: no socket, and no time passes but the
//! clock's, so the real SDK runs on a test's virtual time.

use std::{io, time::SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::TokioSleep, time::TimeSource};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use clock::Clock;
use http::{HeaderValue, Request, header};
use http_body_util::BodyExt as _;

use crate::{
    faults::Lost,
    frontend::Frontend,
    wire::{Body, REGION, SECRET},
};

/// Where the in-process cloud is, as far as an SDK is concerned.
pub const ENDPOINT: &str = "http://cloud.local";

/// The SDK configuration of a client that signs with `access_key` and calls `frontend` in process. An S3 client made
/// from it must ask for path-style addressing.
#[must_use]
pub fn sdk_config(frontend: &Frontend, clock: Clock, access_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, SECRET, None, None, "local cloud");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(ENDPOINT)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .time_source(CloudTime(clock))
        .sleep_impl(TokioSleep::new())
        .http_client(http_client(frontend))
        .build()
}

/// The HTTP client alone, for a configuration made elsewhere.
#[must_use]
pub fn http_client(frontend: &Frontend) -> SharedHttpClient {
    SharedHttpClient::new(InProcess { frontend: frontend.clone() })
}

#[derive(Debug)]
struct CloudTime(Clock);

impl TimeSource for CloudTime {
    fn now(&self) -> SystemTime {
        self.0.system_time()
    }
}

#[derive(Debug)]
struct InProcess {
    frontend: Frontend,
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connection { frontend: self.frontend.clone(), settings: settings.clone() })
    }
}

#[derive(Debug)]
struct Connection {
    frontend: Frontend,
    settings: HttpConnectorSettings,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let frontend = self.frontend.clone();
        let patience = self.settings.read_timeout();
        HttpConnectorFuture::new(async move {
            let request = as_sent(request).await?;
            let answer = frontend.call(request);
            let response = match patience {
                Some(patience) => tokio::time::timeout(patience, answer)
                    .await
                    .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
                None => answer.await,
            };
            if response.extensions().get::<Lost>().is_some() {
                return Err(ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionReset).into()));
            }
            let response = response.map(|mut body| match body.bytes() {
                Some(bytes) => SdkBody::from(bytes),
                None => SdkBody::from_body_1_x(std::mem::take(&mut body)),
            });
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The request as it would arrive over a socket: with the headers an HTTP client adds, which S3's signature covers.
async fn as_sent(request: HttpRequest) -> Result<Request<Body>, ConnectorError> {
    let mut request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let host = request.uri().authority().map(ToString::to_string);
    if let Some(host) = host.and_then(|host| HeaderValue::try_from(host).ok()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    if let Some(length) = request.body().content_length()
        && length > 0
    {
        request.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    let (parts, body) = request.into_parts();
    let body = match body.bytes() {
        // A small body fits the buffers of a socket: it is sent at once, however long the service takes to look at
        // it. Read to its end, too, or the SDK's guard against stalled uploads would count it as one.
        Some(_) => Body::from(body.collect().await.map_err(ConnectorError::user)?.to_bytes()),
        None => Body::http_body_unsync(body),
    };
    Ok(Request::from_parts(parts, body))
}

#[cfg(test)]
mod tests;
