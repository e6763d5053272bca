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
mod lambda;
mod request;
mod s3;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use clock::Clock;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use s3s::service::S3Service;
use serde_json::{Map, Value};

use self::answer::{Json, Query, respond};

use crate::{
    cloudformation::CloudFormation,
    cloudwatch::CloudWatch,
    credentials::Credentials,
    dynamodb::DynamoDb,
    ecs::Ecs,
    events::EventBridge,
    faults::{self, Call, Faults, Lost},
    iam::Iam,
    lambda::Lambda,
    logs::Logs,
    s3::S3,
    scheduler::Scheduler,
    sns::Sns,
    sqs::Sqs,
    sts::Sts,
    wire::{ApiError, Body, Caller, RequestId},
};

/// The largest body of a call other than S3's: DynamoDB's batches have 16 MB of items, JSON some more.
const MAX_INPUT_BYTES: usize = 32 * 1024 * 1024;

/// The services behind the frontend.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is the service of its name")]
pub struct Services {
    pub s3: S3,
    pub dynamodb: DynamoDb,
    pub sqs: Sqs,
    pub sns: Sns,
    pub events: EventBridge,
    pub ecs: Ecs,
    pub logs: Logs,
    pub lambda: Lambda,
    pub cloudformation: CloudFormation,
    pub cloudwatch: CloudWatch,
    pub scheduler: Scheduler,
    pub sts: Sts,
    pub iam: Iam,
}

/// The frontend. Clones share everything behind it.
#[derive(Debug, Clone)]
pub struct Frontend {
    services: Services,
    s3: S3Service,
    faults: Faults,
    credentials: Credentials,
    clock: Clock,
    calls: Arc<Mutex<Calls>>,
}

/// How often each operation of each service was called.
pub type Calls = BTreeMap<(String, String), u64>;

impl Frontend {
    /// A frontend to these services, which only the account's owner may pass yet.
    #[must_use]
    pub fn new(services: Services, faults: Faults, clock: Clock) -> Self {
        let credentials = Credentials::default();
        let s3 = services.s3.service(credentials.clone());
        Self { services, s3, faults, credentials, clock, calls: Arc::default() }
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
        let target =
            parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if scope.is_none() && is_health_check(&parts) {
            let text = "Tidemill's local cloud is up.\n".to_owned();
            return respond(StatusCode::OK, HeaderValue::from_static("text/plain"), text);
        }
        // Without a scope the shape of the request tells who has to refuse it.
        let service = match (&scope, &target) {
            (Some(scope), _) => scope.service.clone(),
            (None, Some(target)) => {
                let prefix = target.split('.').next().unwrap_or_default();
                request::target_service(prefix).unwrap_or("unknown").to_owned()
            }
            (None, None) if is_form => "sts".to_owned(),
            (None, None) => "s3".to_owned(),
        };
        let id = RequestId::draw(&service);
        let key = scope.map(|scope| scope.access_key);
        let head = parts.method == Method::HEAD;
        let mut response = if service == "s3" {
            parts.extensions.insert(id.clone());
            self.call_s3(key, Request::from_parts(parts, body)).await
        } else if service == "lambda" {
            self.call_lambda(key, parts, body, &id).await
        } else if let Some(target) = target {
            self.call_json(&service, &target, key, parts, body).await
        } else if is_form {
            self.call_query(&service, key, body, &id).await
        } else {
            unknown_service(&service)
        };
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

    async fn call_json(
        &self,
        service: &str,
        target: &str,
        key: Option<String>,
        parts: Parts,
        body: Body,
    ) -> Response<Body> {
        let default = HeaderValue::from_static("application/x-amz-json-1.0");
        let content_type = parts.headers.get(header::CONTENT_TYPE).cloned().unwrap_or(default);
        let json = Json { service: service.to_owned(), content_type };
        let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
        if request::target_service(prefix) != Some(service) {
            return json.write(Err(ApiError::client(
                "UnknownOperationException",
                format!("the local cloud has no operation {target} of a service {service}"),
            )));
        }
        let caller =
            match self.caller(key, "MissingAuthenticationTokenException", "UnrecognizedClientException", 400)
            {
                Ok(caller) => caller,
                Err(error) => return json.write(Err(error)),
            };
        let input = match read(body).await.and_then(|bytes| parse(&bytes)) {
            Ok(input) => input,
            Err(error) => return json.write(Err(error)),
        };
        match self.serve(service, operation, input, caller).await {
            Some(result) => json.write(result),
            None => lost(),
        }
    }

    async fn call_query(
        &self,
        service: &str,
        key: Option<String>,
        body: Body,
        id: &RequestId,
    ) -> Response<Body> {
        let mut query = Query { service: service.to_owned(), operation: String::new() };
        let caller = match self.caller(key, "MissingAuthenticationToken", "InvalidClientTokenId", 403) {
            Ok(caller) => caller,
            Err(error) => return query.write(Err(error), &id.0),
        };
        let bytes = match read(body).await {
            Ok(bytes) => bytes,
            Err(error) => return query.write(Err(error), &id.0),
        };
        let mut input: Map<String, Value> = request::form(&String::from_utf8_lossy(&bytes))
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
        match self.serve(service, &operation, input.into(), caller).await {
            Some(result) => query.write(result, &id.0),
            None => lost(),
        }
    }

    /// Who calls; `missing` and `unknown` are the protocol's codes for no key and for a key that does not exist.
    fn caller(
        &self,
        key: Option<String>,
        missing: &str,
        unknown: &str,
        status: u16,
    ) -> Result<Caller, ApiError> {
        let key = key.ok_or_else(|| {
            ApiError::client(missing, "Request is missing Authentication Token").with_status(status)
        })?;
        self.credentials.find(&key).ok_or_else(|| {
            ApiError::client(unknown, "The security token included in the request is invalid.")
                .with_status(status)
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
        service: &str,
        operation: &str,
        input: Value,
        mut caller: Caller,
    ) -> Option<Result<Value, ApiError>> {
        let fault = self.meet(service, operation, &input).await;
        match &fault {
            Some(Call::LoseRequest) => return None,
            Some(Call::Refuse(error)) => return Some(Err(error.clone())),
            Some(Call::Throttle) => return Some(Err(faults::throttle(service))),
            Some(Call::CancelTransaction { code }) => {
                return Some(Err(faults::cancelled_transaction(code, &input)));
            }
            Some(Call::Part(partial)) => caller.partial = Some(partial.clone()),
            _ => {}
        }
        if let Err(error) = self.authorize(service, operation, &input, &caller) {
            // Also a refusal can get lost.
            return (!matches!(fault, Some(Call::LoseAnswer))).then_some(Err(error));
        }
        let services = &self.services;
        let result = match service {
            "dynamodb" => services.dynamodb.call(operation, input, &caller).await,
            "sqs" => services.sqs.call(operation, input).await,
            "sns" => services.sns.call(operation, input).await,
            "events" => services.events.call(operation, input).await,
            "ecs" => services.ecs.call(operation, input, &caller).await,
            "logs" => services.logs.call(operation, input).await,
            "cloudformation" => services.cloudformation.call(operation, input).await,
            "sts" => services.sts.call(operation, input, &caller).await,
            other => Err(ApiError::unsupported(other, operation)),
        };
        match fault {
            Some(Call::LoseAnswer) => None,
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

async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    body.store_all_limited(MAX_INPUT_BYTES).await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            return ApiError::client("RequestEntityTooLargeException", "Request entity too large")
                .with_status(413);
        }
        ApiError::client("IncompleteBody", format!("the request's body broke off: {error}"))
    })
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
    let json =
        Json { service: service.to_owned(), content_type: HeaderValue::from_static("application/json") };
    json.write(Err(ApiError::unsupported(service, "call of this kind")))
}

fn lost() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.extensions_mut().insert(Lost);
    response
}
