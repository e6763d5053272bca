//! One firing on its way to its target.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{
    inner::{Action, Inner},
    input::{Occasion, payload, time},
    schedule::Target,
};
use crate::{
    services::{
        events::retries::{Retries, Undelivered},
        iam::{AccessDenied, RequiredAction, Who},
        lambda,
        sqs::{Attribute, Attributes},
    },
    wire::ApiError,
};

/// The longest payload that a dead letter carries whole: half of a message, the rest being for its attributes.
const DEAD_LETTER_BYTES: usize = 512 * 1024;

/// Begins the firing of the schedule of this ARN in the background.
pub(super) fn start(inner: &Arc<Inner>, arn: &str, action: &Action, scheduled: Timestamp) {
    let target = match action {
        Action::Invoke(target) => target.clone(),
        Action::Emit => {
            // The bus takes it from here, with the retry policies of the rule's targets.
            inner.events.emit(json!({
                "source": "aws.events",
                "detail-type": "Scheduled Event",
                "time": time(scheduled),
                "resources": [arn],
            }));
            return;
        }
    };
    let (firing, arn) = (Arc::clone(inner), arn.to_owned());
    let deliver = async move { deliver(&firing, &arn, &target, scheduled).await };
    tokio::spawn(inner.in_flight.count_until(&inner.end, deliver));
}

/// Tries until the target has taken it, cannot take it, or its retry policy is exhausted; then it is a dead letter, or
/// dropped with an error in the log.
async fn deliver(inner: &Inner, arn: &str, target: &Target, scheduled: Timestamp) {
    let mut retries = Retries::new(target.max_attempts, target.max_age);
    loop {
        let execution_id = format!("{:016x}", fastrand::u64(..));
        let attempt = retries.attempt();
        let occasion = Occasion { schedule_arn: arn, scheduled, execution_id: &execution_id, attempt };
        let body = payload(target.input.as_deref(), &occasion);
        let Err(error) = hand_over(inner, arn, target, &body) else { return };
        if let Err(undelivered) = retries.after(error).await {
            return dead_letter(inner, target, &body, &occasion, &undelivered);
        }
    }
}

fn hand_over(inner: &Inner, arn: &str, target: &Target, body: &str) -> Result<(), ApiError> {
    let role = assumed(inner, arn, target)?;
    if target.is_queue() {
        return inner.sqs.send_as((&role, arn), &target.arn, body, Attributes::new()).map(drop);
    }
    // What filled in an attribute can have made of JSON something else.
    let payload = serde_json::from_str(body).map_err(|error| {
        let message = format!("Could not parse request body into json: {error}");
        ApiError::client("InvalidRequestContentException", message)
    })?;
    inner.lambda.find(&target.arn)?;
    let required = RequiredAction::new("lambda:InvokeFunction", target.arn.as_str());
    inner
        .sqs
        .iam()
        .authorize(&role, &[required])
        .map_err(|refused| refused.api_error(lambda::ACCESS_DENIED))?;
    inner.lambda.invoke_async(&target.arn, payload).map(drop)
}

/// The target's role, if it trusts Scheduler, which does everything for a schedule in it.
fn assumed(inner: &Inner, arn: &str, target: &Target) -> Result<Who, ApiError> {
    let required = RequiredAction::new("sts:AssumeRole", target.role_arn.as_str()).from_source(arn);
    inner.sqs.iam().authorize(&Who::Service("scheduler.amazonaws.com"), &[required]).map_err(|refused| {
        let message =
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
        ApiError { message: format!("{message} {refused}"), ..refused.api_error(AccessDenied::JSON) }
    })?;
    Ok(Who::role(&target.role_arn, arn.rsplit('/').next().unwrap_or_default()))
}

/// Sends the payload to the dead-letter queue with
/// [Scheduler's attributes](https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html), or
/// drops it and logs that.
fn dead_letter(
    inner: &Inner,
    target: &Target,
    body: &str,
    occasion: &Occasion<'_>,
    undelivered: &Undelivered,
) {
    let Undelivered { error: api_error, retries, exhausted } = undelivered;
    let fits = body.len() <= DEAD_LETTER_BYTES;
    let cut = if fits { body } else { &body[..body.floor_char_boundary(DEAD_LETTER_BYTES)] };
    let mut attributes = Attributes::from(
        [
            ("ERROR_CODE", api_error.code.as_str()),
            ("ERROR_MESSAGE", &api_error.message),
            ("EXECUTION_ID", occasion.execution_id),
            ("IS_PAYLOAD_TRUNCATED", if fits { "false" } else { "true" }),
            ("RETRY_ATTEMPTS", &retries.to_string()),
            ("SCHEDULED_TIME", &time(occasion.scheduled)),
            ("SCHEDULE_ARN", occasion.schedule_arn),
            ("TARGET_ARN", &target.arn),
        ]
        .map(|(name, value)| (name.to_owned(), Attribute::text_or_dash(value))),
    );
    if let Some(condition) = exhausted {
        attributes.insert("EXHAUSTED_RETRY_CONDITION".into(), Attribute::text(*condition));
    }
    let sent = match &target.dead_letter_arn {
        Some(queue) => {
            let arn = occasion.schedule_arn;
            let role = assumed(inner, arn, target);
            role.and_then(|role| inner.sqs.send_as((&role, arn), queue, cut, attributes)).map(drop)
        }
        None => Err(ApiError::client("NoDeadLetterQueue", "the schedule has no dead-letter queue")),
    };
    if let Err(not_sent) = sent {
        inner.lock().dropped += 1;
        tracing::error!(
            schedule.arn = occasion.schedule_arn,
            target.arn,
            retries,
            error = %api_error,
            dead_letter.error = %not_sent,
            "dropped a firing"
        );
    }
}
