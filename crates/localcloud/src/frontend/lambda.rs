//! Lambda's calls: REST with JSON. Of its operations there is Invoke, `POST /2015-03-31/functions/NAME/invocations`.

use http::{HeaderValue, Method, Response, StatusCode, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{Frontend, lost, read, request};
use crate::{
    faults::{self, Call},
    lambda::Invoked,
    wire::{ApiError, Body, RequestId},
};

impl Frontend {
    pub(super) async fn call_lambda(
        &self,
        key: Option<String>,
        parts: Parts,
        body: Body,
        id: &RequestId,
    ) -> Response<Body> {
        let codes = ("MissingAuthenticationTokenException", "UnrecognizedClientException");
        let caller = match self.caller(key, codes.0, codes.1, 403) {
            Ok(caller) => caller,
            Err(error) => return refuse(&error),
        };
        let Some(function) = invoked_function(&parts) else {
            let operation = format!("{} {}", parts.method, parts.uri.path());
            return refuse(&ApiError::unsupported("lambda", &operation));
        };
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let invocation_type = header("x-amz-invocation-type").unwrap_or("RequestResponse");
        let input = json!({ "FunctionName": function, "InvocationType": invocation_type });
        let fault = self.meet("lambda", "Invoke", &input).await;
        match &fault {
            Some(Call::LoseRequest) => return lost(),
            Some(Call::Refuse(error)) => return refuse(error),
            Some(Call::Throttle) => return refuse(&faults::throttle("lambda")),
            _ => {}
        }
        if let Err(error) = self.authorize("lambda", "Invoke", &input, &caller) {
            return if matches!(fault, Some(Call::LoseAnswer)) { lost() } else { refuse(&error) };
        }
        if header("x-amz-log-type").is_some_and(|kind| kind != "None") {
            return refuse(&ApiError::unsupported(
                "lambda",
                "Invoke with a LogType: read the log group instead",
            ));
        }
        let query = request::form(parts.uri.query().unwrap_or_default());
        let qualifier = query.iter().find(|(name, _)| name == "Qualifier").map(|(_, value)| value.as_str());
        let result = match read(body).await {
            Ok(payload) => {
                let lambda = &self.services.lambda;
                lambda.invoke_as(&function, qualifier, invocation_type, &payload, &id.0).await
            }
            Err(error) => Err(error),
        };
        match (fault, result) {
            (Some(Call::LoseAnswer), _) => lost(),
            (_, Ok(invoked)) => answer(&invoked),
            (_, Err(error)) => refuse(&error),
        }
    }
}

/// The function that an Invoke is for.
fn invoked_function(parts: &Parts) -> Option<String> {
    let name = parts.uri.path().strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")?;
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

fn refuse(error: &ApiError) -> Response<Body> {
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
    super::respond(status, HeaderValue::from_static("application/json"), text)
}
