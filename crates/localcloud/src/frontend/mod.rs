//! The frontend: every call to the cloud comes in here, over a socket or in process.
//!
//! ```text
//!  request ─▶ who signed it, for which service ─▶ which operation ─▶ faults ─▶ may they? ─▶ the service's module
//!  answer  ◀─ request id, protocol of the client ◀────────────────── faults ◀──────┴─────────┘
//! ```
//!
//! The service is named by the SigV4 credential scope, as at AWS, so one address serves them all.

mod answer;
mod authorize;
mod cbor;
mod request;
mod rest;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use clock::Clock;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use self::answer::{Json, Query};
pub use crate::usage::Calls;
use crate::{
    credentials::Credentials,
    faults::{self, Call, Faults, Lost},
    registry::{self, Api, Protocol, Serve},
    rest::{MissingKey, form, read, respond},
    services::Services,
    wire::{ApiError, Body, Caller, RequestId},
};

/// Where the mails that were sent can be read. No bucket has such a name.
pub const MAILS_PATH: &str = "/_tidemill/mails";

/// The frontend. Clones share everything behind it.
#[derive(Debug, Clone)]
pub struct Frontend {
    services: Services,
    faults: Faults,
    credentials: Credentials,
    clock: Clock,
    calls: Arc<Mutex<Calls>>,
    disk_full: CancellationToken,
}

impl Frontend {
    /// A frontend to these services, which only the account's owner may pass yet.
    #[must_use]
    pub fn new(services: Services, faults: Faults, clock: Clock) -> Self {
        Self {
            services,
            faults,
            credentials: Credentials::default(),
            clock,
            calls: Arc::default(),
            disk_full: CancellationToken::new(),
        }
    }

    /// The access keys that may pass.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The faults that calls meet.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The services behind it.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// How often each operation was called so far, by service and operation: what AWS would count for its bill.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when a call has failed because the disk that holds the cloud's data is full.
    pub async fn disk_full(&self) {
        self.disk_full.cancelled().await;
    }

    /// The clock of the whole cloud.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Answers one call. An answer with [`Lost`] among its extensions must not be delivered: the connection is to
    /// break instead.
    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        if is_runtime(request.uri().path()) {
            return self.services.lambda.runtime(request).await;
        }
        let (mut parts, body) = request.into_parts();
        let scope = request::scope(&parts);
        let rpc = cbor::target(&parts);
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let target = rpc.clone().or_else(|| target.map(str::to_owned));
        let is_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if scope.is_none() && is_health_check(&parts) {
            let text = "Tidemill's local cloud is up.\n".to_owned();
            return respond(StatusCode::OK, HeaderValue::from_static("text/plain"), text);
        }
        if scope.is_none() && parts.method == Method::GET && parts.uri.path() == MAILS_PATH {
            return self.mails();
        }
        // Without a scope the shape of the request tells who has to refuse it.
        let service = match (&scope, &target) {
            (Some(scope), _) => scope.service.clone(),
            (None, Some(target)) => {
                let prefix = target.split('.').next().unwrap_or_default();
                registry::by_target(prefix).unwrap_or("unknown").to_owned()
            }
            (None, None) if is_form => "sts".to_owned(),
            (None, None) => "s3".to_owned(),
        };
        let id = RequestId::draw(&service);
        let key = scope.map(|scope| scope.access_key);
        let head = parts.method == Method::HEAD;
        let mut response = match registry::api(&service) {
            Some(api @ Api { protocol: Protocol::Rest(rest), .. }) => {
                parts.extensions.insert(id.clone());
                let request = Request::from_parts(parts, body);
                self.call_rest((&service, api, rest), key, request, &id).await
            }
            Some(api @ Api { protocol: Protocol::Json(json), .. }) if target.is_some() => {
                let target = target.unwrap_or_default();
                let cbor = rpc.is_some() && json.cbor;
                self.call_json((&service, api, json), &target, key, (parts, body, cbor)).await
            }
            Some(api @ Api { protocol: Protocol::Query(query), .. }) if is_form => {
                self.call_query((&service, api, query), key, body, &id).await
            }
            _ => unknown_service(&service),
        };
        if response.status() == StatusCode::INSUFFICIENT_STORAGE {
            self.disk_full.cancel();
        }
        // What HTTP gives no body must have none in process either, where no HTTP library takes it away.
        if head || response.status() == StatusCode::NOT_MODIFIED {
            *response.body_mut() = Body::empty();
        }
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            let name = if service == "s3" { "x-amz-request-id" } else { "x-amzn-requestid" };
            response.headers_mut().insert(name, value);
        }
        response
    }

    /// The mails that were sent, as JSON: unsigned, since AWS has no call for it.
    fn mails(&self) -> Response<Body> {
        let mails = self.services.sns.mails().into_iter().map(|mail| {
            json!({
                "sent_at": format!("{:.0}", mail.sent_at),
                "to": mail.to,
                "subject": mail.subject,
                "body": mail.body,
            })
        });
        let text = Value::Array(mails.collect()).to_string();
        respond(StatusCode::OK, HeaderValue::from_static("application/json"), text)
    }

    async fn call_json(
        &self,
        (service, api, protocol): (&str, &'static Api, &'static registry::Json),
        target: &str,
        key: Option<String>,
        (parts, body, cbor): (Parts, Body, bool),
    ) -> Response<Body> {
        let default = HeaderValue::from_static("application/x-amz-json-1.0");
        let content_type = parts.headers.get(header::CONTENT_TYPE).cloned().unwrap_or(default);
        let json = Json { service: Some(protocol), content_type, cbor };
        let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
        if prefix != protocol.target {
            return json.write(Err(ApiError::client(
                "UnknownOperationException",
                format!("the local cloud has no operation {target} of a service {service}"),
            )));
        }
        let missing_key = MissingKey {
            missing: "MissingAuthenticationTokenException",
            unknown: "UnrecognizedClientException",
            status: 400,
        };
        let caller = match self.caller(key, missing_key) {
            Ok(caller) => caller,
            Err(error) => return json.write(Err(error)),
        };
        let parse = if cbor { cbor::read } else { parse };
        let input = match read(body).await.and_then(|bytes| parse(&bytes)) {
            Ok(input) => input,
            Err(error) => return json.write(Err(error)),
        };
        match self.serve((service, api, protocol.serve), operation, input, caller).await {
            Some(result) => json.write(result),
            None => lost(),
        }
    }

    async fn call_query(
        &self,
        (service, api, protocol): (&str, &'static Api, &'static registry::Query),
        key: Option<String>,
        body: Body,
        id: &RequestId,
    ) -> Response<Body> {
        let mut query = Query { namespace: protocol.namespace, operation: String::new() };
        let missing_key = MissingKey {
            missing: "MissingAuthenticationToken",
            unknown: "InvalidClientTokenId",
            status: 403,
        };
        let caller = match self.caller(key, missing_key) {
            Ok(caller) => caller,
            Err(error) => return query.write(Err(error), &id.0),
        };
        let bytes = match read(body).await {
            Ok(bytes) => bytes,
            Err(error) => return query.write(Err(error), &id.0),
        };
        let mut input: Map<String, Value> = form(&String::from_utf8_lossy(&bytes))
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        input.remove("Version");
        let Some(Value::String(operation)) = input.remove("Action") else {
            let error = ApiError::client("MissingAction", "The request is missing an Action.");
            return query.write(Err(error), &id.0);
        };
        // The name becomes an element of the answer.
        if operation.is_empty() || !operation.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let error = ApiError::client("InvalidAction", "The action is not valid.");
            return query.write(Err(error), &id.0);
        }
        query.operation.clone_from(&operation);
        match self.serve((service, api, protocol.serve), &operation, input.into(), caller).await {
            Some(result) => query.write(result, &id.0),
            None => lost(),
        }
    }

    /// Who calls.
    fn caller(&self, key: Option<String>, codes: MissingKey) -> Result<Caller, ApiError> {
        let key = key.ok_or_else(|| {
            ApiError::client(codes.missing, "Request is missing Authentication Token")
                .with_status(codes.status)
        })?;
        self.credentials.find(&key).ok_or_else(|| {
            ApiError::client(codes.unknown, "The security token included in the request is invalid.")
                .with_status(codes.status)
        })
    }

    fn count(&self, service: &str, operation: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((service.to_owned(), operation.to_owned())).or_default() += 1;
    }

    /// What this call meets, after the delays it met.
    async fn meet(&self, service: &str, operation: &str, input: &Value) -> Option<Call> {
        self.count(service, operation);
        let met = self.faults.meet(service, operation, input);
        if !met.delay.is_zero() {
            tokio::time::sleep(met.delay).await;
        }
        met.fault
    }

    /// Lets a service answer, unless a fault does; none is an answer that gets lost.
    async fn serve(
        &self,
        (service, api, serve): (&str, &Api, Serve),
        operation: &str,
        input: Value,
        mut caller: Caller,
    ) -> Option<Result<Value, ApiError>> {
        let fault = self.meet(service, operation, &input).await;
        match &fault {
            Some(Call::LoseRequest) => return None,
            Some(Call::Hang) => std::future::pending().await,
            Some(Call::Refuse(error)) => return Some(Err(error.clone())),
            Some(Call::Throttle) => return Some(Err((api.throttled)())),
            Some(Call::CancelTransaction { code }) => {
                return Some(Err(faults::cancelled_transaction(code, &input)));
            }
            Some(Call::Part(partial)) => caller.partial = Some(partial.clone()),
            _ => {}
        }
        let result = match self.authorize((service, api), operation, &input, &caller) {
            Ok(()) => serve(&self.services, operation, input, &caller).await,
            Err(error) => Err(error),
        };
        // A refusal, too, can get lost.
        match fault {
            Some(Call::LoseAnswer) => None,
            Some(Call::HangAnswer) => std::future::pending().await,
            _ => Some(result),
        }
    }
}

/// `/2018-06-01/runtime/…`, or the same below one segment that names a function's environment.
fn is_runtime(path: &str) -> bool {
    let rest = path.trim_start_matches('/');
    let below = rest.split_once('/').map_or("", |(_, below)| below);
    [rest, below].iter().any(|path| path.starts_with("2018-06-01/runtime/"))
}

fn is_health_check(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) && parts.uri.path() == "/"
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    // Operations without input may be called with no body at all.
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    match serde_json::from_slice(bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(ApiError::client("SerializationException", "the input is not a JSON object")),
        Err(error) => {
            Err(ApiError::client("SerializationException", format!("the input is not JSON: {error}")))
        }
    }
}

fn unknown_service(service: &str) -> Response<Body> {
    let content_type = HeaderValue::from_static("application/json");
    let json = Json { service: None, content_type, cbor: false };
    json.write(Err(ApiError::unsupported(service, "call of this kind")))
}

fn lost() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.extensions_mut().insert(Lost);
    response
}
