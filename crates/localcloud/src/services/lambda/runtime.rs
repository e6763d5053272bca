//! The [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), by which a function's process
//! asks for events and answers them. `AWS_LAMBDA_RUNTIME_API` is `http://host:port/<environment id>`: runtimes keep its
//! path, and so one port serves every environment.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    environment::{Environment, trace_id},
    invocation::{FunctionError, PAYLOAD_BYTES},
    service::Inner,
};
use crate::wire::Body;

/// How a function says what went wrong.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    error_type: Option<String>,
    error_message: Option<String>,
}

pub(super) async fn answer(inner: &Arc<Inner>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut segments = path.trim_start_matches('/').splitn(4, '/');
    let (id, version, api) = (segments.next(), segments.next(), segments.next());
    let rest = segments.next().unwrap_or_default();
    let environment = id.and_then(|id| inner.lock().environments.get(id).cloned());
    let (Some(environment), Some("2018-06-01"), Some("runtime")) = (environment, version, api) else {
        return refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", "there is no such environment");
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&environment).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let result = match read(request.into_body()).await {
                // A function without a result answers nothing at all.
                Some(body) if body.is_empty() => Ok(Value::Null),
                Some(body) => serde_json::from_slice(&body).map_err(|error| {
                    FunctionError::new(
                        "Runtime.InvalidResponse",
                        format!("the response is not JSON: {error}"),
                    )
                }),
                None => Err(FunctionError::too_large()),
            };
            let large = result.as_ref().is_err_and(|error| *error == FunctionError::too_large());
            if !environment.finish(id, result) {
                return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
            }
            if large {
                return refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestEntityTooLarge",
                    &FunctionError::too_large().message,
                );
            }
            accepted()
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let error = report(request, "Runtime.UnknownReason").await;
            if !environment.finish(id, Err(error)) {
                return refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
            }
            accepted()
        }
        (&Method::POST, ["init", "error"]) => {
            environment.fail_init(report(request, "Runtime.InitError").await);
            accepted()
        }
        _ => refuse(StatusCode::NOT_FOUND, "NotFound", "the Runtime API has no such resource"),
    }
}

/// Waits for an invocation, however long.
async fn next(environment: &Environment) -> Response<Body> {
    environment.ready.cancel();
    let work = environment.taken.lock().await.recv().await;
    let Some(work) = work else {
        return refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", "the environment is being shut down");
    };
    let (request_id, payload, deadline_ms, function_arn) = environment.begin(work);
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", request_id)
        .header("lambda-runtime-deadline-ms", deadline_ms)
        .header("lambda-runtime-invoked-function-arn", function_arn)
        .header("lambda-runtime-trace-id", trace_id())
        .body(Body::from(payload));
    response.unwrap_or_else(|error| refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal", &error.to_string()))
}

async fn report(request: Request<Body>, unknown: &str) -> FunctionError {
    let header = request.headers().get("lambda-runtime-function-error-type");
    let header = header.and_then(|header| header.to_str().ok()).map(str::to_owned);
    let body = read(request.into_body()).await.unwrap_or_default();
    let report: Report = serde_json::from_slice(&body).unwrap_or_default();
    let error_type = report.error_type.or(header).unwrap_or_else(|| unknown.to_owned());
    FunctionError { error_type, message: report.error_message.unwrap_or_default() }
}

/// The body; none if it is too large or broke off.
async fn read(mut body: Body) -> Option<bytes::Bytes> {
    body.store_all_limited(PAYLOAD_BYTES).await.ok()
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::from(json!({ "status": "OK" }).to_string()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Response<Body> {
    let body = json!({ "errorType": error_type, "errorMessage": message });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
}
