//! Lambda's calls: REST with JSON. Of its operations there are Invoke, `POST /2015-03-31/functions/NAME/invocations`, and
//! ListFunctions, `GET /2015-03-31/functions`.

use http::{HeaderValue, Method, Response, StatusCode, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Lambda, wire::Invoked};
use crate::{
    rest::{RestCall, form, read},
    wire::{ApiError, Body},
};

/// The path of the functions.
const FUNCTIONS: &str = "/2015-03-31/functions";

/// The operation that lists them.
const LIST: &str = "ListFunctions";

/// The operation of a request, and its input.
///
/// # Errors
/// `UnknownOperationException` for all but Invoke and ListFunctions.
pub(crate) fn operation(parts: &Parts) -> Result<(String, Value), ApiError> {
    if parts.method == Method::GET && parts.uri.path().trim_end_matches('/') == FUNCTIONS {
        return Ok((LIST.to_owned(), json!({})));
    }
    let Some(function) = invoked_function(parts) else {
        return Err(ApiError::unsupported("lambda", &format!("{} {}", parts.method, parts.uri.path())));
    };
    let invocation_type = parts
        .headers
        .get("x-amz-invocation-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("RequestResponse");
    Ok(("Invoke".to_owned(), json!({ "FunctionName": function, "InvocationType": invocation_type })))
}

/// Answers a call.
///
/// # Errors
/// What Lambda refuses; that a function fails is an answer.
pub(crate) async fn serve(lambda: &Lambda, call: RestCall<'_>) -> Result<Response<Body>, ApiError> {
    if call.operation == LIST {
        return Ok(respond(200, json!({ "Functions": lambda.list() }).to_string()));
    }
    let (parts, body) = call.request.into_parts();
    let log_type = parts.headers.get("x-amz-log-type").and_then(|value| value.to_str().ok());
    if log_type.is_some_and(|kind| kind != "None") {
        return Err(ApiError::unsupported("lambda", "Invoke with a LogType: read the log group instead"));
    }
    let query = form(parts.uri.query().unwrap_or_default());
    let qualifier = query.iter().find(|(name, _)| name == "Qualifier").map(|(_, value)| value.as_str());
    let text = |name: &str| call.input[name].as_str().unwrap_or_default();
    let (function, kind) = (text("FunctionName"), text("InvocationType"));
    let invoked = lambda.invoke_as(function, qualifier, kind, &read(body).await?, &call.id.0).await?;
    Ok(answer(&invoked))
}

/// The function that an Invoke is for.
fn invoked_function(parts: &Parts) -> Option<String> {
    let name = parts.uri.path().strip_prefix(FUNCTIONS)?.strip_prefix('/')?.strip_suffix("/invocations")?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    (parts.method == Method::POST && !name.contains('/')).then(|| name.into_owned())
}

fn answer(invoked: &Invoked) -> Response<Body> {
    let text = invoked.payload.as_ref().map_or_else(String::new, ToString::to_string);
    let mut response = respond(invoked.status, text);
    let headers = response.headers_mut();
    if invoked.failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    if invoked.payload.is_some() {
        headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    }
    response
}

/// Writes an error.
pub(crate) fn error(error: &ApiError) -> Response<Body> {
    let kind = if error.status < 500 { "User" } else { "Service" };
    let mut members = json!({ "Type": kind, "Message": error.message, "message": error.message });
    if let (Some(members), Some(detail)) = (members.as_object_mut(), error.detail.as_object()) {
        members.extend(detail.clone());
    }
    let mut response = respond(error.status, members.to_string());
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn respond(status: u16, text: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    crate::rest::respond(status, HeaderValue::from_static("application/json"), text)
}
