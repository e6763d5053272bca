//! One event on its way to one target.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Bus, EventBridge, Target};
use crate::{
    services::{
        iam::{RequiredAction, Who},
        lambda,
        sqs::{Attribute, Attributes},
    },
    wire::ApiError,
};

/// Retries begin about this far apart and double from there...
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// ...up to this, so that 185 of them fill about 24 hours.
const SLOWEST_RETRY: Duration = Duration::from_secs(600);

/// As whom EventBridge delivers what no role does for it.
const SELF: Who = Who::Service("events.amazonaws.com");

/// Why a delivery was given up.
struct GivenUp {
    error: ApiError,
    retries: u32,
    /// The limit of the retry policy that was met; none where a retry could not have helped.
    exhausted: Option<&'static str>,
}

/// Begins a delivery in the background, after `delay`.
pub(super) fn start(bus: &Arc<Bus>, rule: &str, target: &Target, event: &Arc<Value>, delay: Duration) {
    let (bus, begun) = (Arc::clone(bus), bus.in_flight.begin());
    let rule_arn = EventBridge::rule_arn(rule);
    let (target, event) = (target.clone(), Arc::clone(event));
    tokio::spawn(async move {
        let _begun = begun;
        let deliver = async {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            if let Err(given_up) = attempts(&bus, &rule_arn, &target, &event).await {
                bury(&bus, &rule_arn, &target, &event, &given_up);
            }
        };
        bus.end.run_until_cancelled(deliver).await;
    });
}

/// Tries until it succeeds, cannot succeed, or the target's retry policy says to give up.
async fn attempts(bus: &Bus, rule_arn: &str, target: &Target, event: &Value) -> Result<(), GivenUp> {
    let begun = Instant::now();
    let mut retries = 0;
    loop {
        let Err(error) = attempt(bus, rule_arn, target, event).await else { return Ok(()) };
        let wait = back_off(retries);
        let exhausted = if !is_transient(&error) {
            Some(None)
        } else if retries >= target.max_attempts {
            Some(Some("MaximumRetryAttempts"))
        } else if begun.elapsed() + wait > target.max_age {
            Some(Some("MaximumEventAgeInSeconds"))
        } else {
            None
        };
        if let Some(exhausted) = exhausted {
            return Err(GivenUp { error, retries, exhausted });
        }
        sleep(wait).await;
        retries += 1;
    }
}

async fn attempt(bus: &Bus, rule_arn: &str, target: &Target, event: &Value) -> Result<(), ApiError> {
    let text = target.input.text(event, rule_arn);
    if target.arn.starts_with("arn:aws:sqs:") {
        return bus.sqs.send_as((&SELF, rule_arn), &target.arn, &text, Attributes::new()).map(drop);
    }
    // A template need not make JSON; then it is a string.
    let payload = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if target.arn.starts_with("arn:aws:lambda:")
        && let Some(lambda) = bus.lambda.get()
    {
        lambda.find(&target.arn)?;
        let required =
            RequiredAction::new("lambda:InvokeFunction", target.arn.as_str()).from_source(rule_arn);
        bus.sqs
            .iam()
            .authorize(&SELF, &[required])
            .map_err(|refused| refused.api_error(lambda::ACCESS_DENIED))?;
        return lambda.invoke_async(&target.arn, payload).map(drop);
    }
    let sink = {
        let state = bus.state();
        let registered = state.sinks.iter().filter(|(prefix, _)| target.arn.starts_with(prefix.as_str()));
        registered.max_by_key(|(prefix, _)| prefix.len()).map(|(_, sink)| Arc::clone(sink))
    };
    let Some(sink) = sink else {
        return Err(ApiError::client("ResourceNotFoundException", format!("nothing here is {}", target.arn)));
    };
    sink(payload).await
}

/// Exponential with jitter: how long to wait after this many retries.
pub(crate) fn back_off(retries: u32) -> Duration {
    let full = FIRST_RETRY.saturating_mul(1 << retries.min(16)).min(SLOWEST_RETRY);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Whether a retry could help. EventBridge does not retry what lacks a permission or a target.
pub(crate) fn is_transient(error: &ApiError) -> bool {
    error.status >= 500 || matches!(error_code(error), "THROTTLING")
}

fn error_code(error: &ApiError) -> &'static str {
    let has = |part: &str| error.code.contains(part);
    if has("Throttl") || has("TooManyRequests") || has("OverLimit") || error.status == 429 {
        "THROTTLING"
    } else if has("NotFound") || has("DoesNotExist") {
        "NO_RESOURCE"
    } else if has("AccessDenied") {
        "NO_PERMISSIONS"
    } else if error.status < 500 {
        "INVALID_PARAMETER"
    } else {
        "SDK_CLIENT_ERROR"
    }
}

/// Sends the event, as it was, to the dead-letter queue with EventBridge's attributes; or drops it, audibly.
fn bury(bus: &Bus, rule_arn: &str, target: &Target, event: &Value, given_up: &GivenUp) {
    let GivenUp { error: api_error, retries, exhausted } = given_up;
    let mut attributes = Attributes::from(
        [
            ("RULE_ARN", rule_arn),
            ("TARGET_ARN", &target.arn),
            ("ERROR_CODE", error_code(api_error)),
            ("ERROR_MESSAGE", &api_error.message),
            ("RETRY_ATTEMPTS", &retries.to_string()),
        ]
        // SQS refuses empty attributes, and a dead letter must not be lost over one.
        .map(|(name, value)| (name.to_owned(), Attribute::text(if value.is_empty() { "-" } else { value }))),
    );
    if let Some(condition) = exhausted {
        attributes.insert("EXHAUSTED_RETRY_CONDITION".into(), Attribute::text(*condition));
    }
    let buried = match &target.dead_letter_arn {
        Some(arn) => bus.sqs.send_as((&SELF, rule_arn), arn, &event.to_string(), attributes).map(drop),
        None => Err(ApiError::client("NoDeadLetterQueue", "the target has no dead-letter queue")),
    };
    if let Err(no_burial) = buried {
        bus.state().dropped += 1;
        tracing::warn!(
            rule.arn = rule_arn,
            target.arn,
            event.id = event["id"].as_str(),
            retries,
            error = %api_error,
            dead_letter.error = %no_burial,
            "event dropped"
        );
    }
}
