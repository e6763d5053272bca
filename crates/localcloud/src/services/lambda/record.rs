//! What queues get of an asynchronous invocation that ended: the dead letter's attributes and the destinations' record.
//! Pure.
//!
//! [Records](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html); the
//! dead letter's body is the event alone.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    event::{Condition, Event, Tries},
    invocation::{FunctionError, InvokeError},
};
use crate::services::sqs::{Attribute, Attributes};

/// How much of the error's message a dead letter carries.
const MESSAGE_BYTES: usize = 1024;

/// The attributes of a dead letter: `RequestID`, `ErrorCode` (an HTTP status) and `ErrorMessage`.
pub(super) fn dead_letter(event: &Event, error: &InvokeError) -> Attributes {
    let (status, message) = match error {
        // The call of a function that fails is a success.
        InvokeError::Failed(error) => (200, &error.message),
        InvokeError::Refused(api_error) => (api_error.status, &api_error.message),
    };
    let code = Attribute { data_type: "Number".into(), ..Attribute::text(status.to_string()) };
    Attributes::from([
        ("RequestID".to_owned(), Attribute::text(&event.request_id)),
        ("ErrorCode".to_owned(), code),
        ("ErrorMessage".to_owned(), Attribute::text_or_dash(head(message, MESSAGE_BYTES))),
    ])
}

/// As much of `text` as fits.
fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// What a function's error is as the payload of its answer.
pub(super) fn error_payload(error: &FunctionError) -> Value {
    json!({ "errorMessage": error.message, "errorType": error.error_type })
}

/// The record for the on-success destination.
pub(super) fn success(event: &Event, tries: Tries, result: &Value, now: Timestamp) -> Value {
    let mut record = record(event, tries.failed + 1, "Success", now);
    record["responseContext"] = json!({ "statusCode": 200, "executedVersion": "$LATEST" });
    record["responsePayload"] = result.clone();
    record
}

/// The record for the on-failure destination. Without a response where Lambda did not run the function.
pub(super) fn failure(
    event: &Event,
    tries: Tries,
    condition: Condition,
    error: &InvokeError,
    now: Timestamp,
) -> Value {
    let condition = match condition {
        Condition::RetriesExhausted => "RetriesExhausted",
        Condition::EventAgeExceeded => "EventAgeExceeded",
        Condition::ZeroReservedConcurrency => "ZeroReservedConcurrency",
    };
    let mut record = record(event, tries.failed, condition, now);
    if let InvokeError::Failed(error) = error {
        record["responseContext"] =
            json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
        record["responsePayload"] = error_payload(error);
    }
    record
}

fn record(event: &Event, invocations: u32, condition: &str, now: Timestamp) -> Value {
    json!({
        "version": "1.0",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.function.arn(),
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "requestPayload": event.payload,
    })
}
