//! One event on its way to one target.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::sleep;

use super::{
    bus::{Bus, rule_arn},
    retries::{Retries, Undelivered, error_code},
    target::Target,
};
use crate::{
    services::{
        iam::{RequiredAction, Who},
        lambda,
        sqs::{Attribute, Attributes},
    },
    wire::ApiError,
};

/// As whom EventBridge delivers what no role does for it.
const SELF: Who = Who::Service("events.amazonaws.com");

/// Begins a delivery in the background, after `delay`.
pub(super) fn start(bus: &Arc<Bus>, rule: &str, target: &Target, event: &Arc<Value>, delay: Duration) {
    let rule_arn = rule_arn(rule);
    let (delivering, target, event) = (Arc::clone(bus), target.clone(), Arc::clone(event));
    let deliver = async move {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if let Err(undelivered) = attempts(&delivering, &rule_arn, &target, &event).await {
            dead_letter(&delivering, &rule_arn, &target, &event, &undelivered);
        }
    };
    tokio::spawn(bus.in_flight.count_until(&bus.end, deliver));
}

/// Tries until it succeeds, cannot succeed, or the target's retry policy is exhausted.
async fn attempts(bus: &Bus, rule_arn: &str, target: &Target, event: &Value) -> Result<(), Undelivered> {
    let mut retries = Retries::new(target.max_attempts, target.max_age);
    loop {
        let Err(error) = attempt(bus, rule_arn, target, event).await else { return Ok(()) };
        retries.after(error).await?;
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

/// Sends the event, as it was, to the dead-letter queue with EventBridge's attributes; or drops it and logs that.
fn dead_letter(bus: &Bus, rule_arn: &str, target: &Target, event: &Value, undelivered: &Undelivered) {
    let Undelivered { error: api_error, retries, exhausted } = undelivered;
    let mut attributes = Attributes::from(
        [
            ("RULE_ARN", rule_arn),
            ("TARGET_ARN", &target.arn),
            ("ERROR_CODE", error_code(api_error)),
            ("ERROR_MESSAGE", &api_error.message),
            ("RETRY_ATTEMPTS", &retries.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), Attribute::text_or_dash(value))),
    );
    if let Some(condition) = exhausted {
        attributes.insert("EXHAUSTED_RETRY_CONDITION".into(), Attribute::text(*condition));
    }
    let sent = match &target.dead_letter_arn {
        Some(arn) => bus.sqs.send_as((&SELF, rule_arn), arn, &event.to_string(), attributes).map(drop),
        None => Err(ApiError::client("NoDeadLetterQueue", "the target has no dead-letter queue")),
    };
    if let Err(not_sent) = sent {
        bus.state().dropped += 1;
        tracing::warn!(
            rule.arn = rule_arn,
            target.arn,
            event.id = event["id"].as_str(),
            retries,
            error = %api_error,
            dead_letter.error = %not_sent,
            "dropped an event"
        );
    }
}
