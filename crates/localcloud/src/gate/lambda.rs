//! Lambda's calls: REST with JSON. Of its operations there is Invoke, `POST /2015-03-31/functions/NAME/invocations`.

use http::{HeaderValue, Method, Response, StatusCode, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{Gate, RequestId, lost, read, request};
use crate::{
    faults::{self, Fault},
    lambda::Invoked,
    wire::{Body, Refusal},
};

impl Gate {
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
            Err(refusal) => return refuse(&refusal),
        };
        let Some(function) = invoked_function(&parts) else {
            let operation = format!("{} {}", parts.method, parts.uri.path());
            return refuse(&Refusal::unsupported("lambda", &operation));
        };
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let invocation_type = header("x-amz-invocation-type").unwrap_or("RequestResponse");
        let input = json!({ "FunctionName": function, "InvocationType": invocation_type });
        let fault = self.meet("lambda", "Invoke", &input).await;
        match &fault {
            Some(Fault::LoseRequest) => return lost(),
            Some(Fault::Refuse(refusal)) => return refuse(refusal),
            Some(Fault::Throttle) => return refuse(&faults::throttle("lambda")),
            _ => {}
        }
        if let Err(refusal) = self.authorize("lambda", "Invoke", &input, &caller) {
            return if matches!(fault, Some(Fault::LoseAnswer)) { lost() } else { refuse(&refusal) };
        }
        if header("x-amz-log-type").is_some_and(|kind| kind != "None") {
            return refuse(&Refusal::unsupported(
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
            Err(refusal) => Err(refusal),
        };
        match (fault, result) {
            (Some(Fault::LoseAnswer), _) => lost(),
            (_, Ok(invoked)) => answer(&invoked),
            (_, Err(refusal)) => refuse(&refusal),
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

fn refuse(refusal: &Refusal) -> Response<Body> {
    let kind = if refusal.status < 500 { "User" } else { "Service" };
    let mut members = json!({ "Type": kind, "Message": refusal.message, "message": refusal.message });
    if let (Some(members), Some(detail)) = (members.as_object_mut(), refusal.detail.as_object()) {
        members.extend(detail.clone());
    }
    let mut response = respond(refusal.status, members.to_string());
    if let Ok(code) = HeaderValue::from_str(&refusal.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn respond(status: u16, text: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    super::respond(status, HeaderValue::from_static("application/json"), text)
}
