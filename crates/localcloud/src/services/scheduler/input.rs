//! What a target gets. Pure.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::wire::{ACCOUNT, REGION};

/// One try of one firing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occasion<'o> {
    pub(super) schedule_arn: &'o str,
    pub(super) scheduled: Timestamp,
    pub(super) execution_id: &'o str,
    /// From 1.
    pub(super) attempt: u32,
}

/// The payload: the input with its context attributes filled in, or the default notification.
///
/// [Context attributes](https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html)
pub(super) fn payload(input: Option<&str>, occasion: &Occasion<'_>) -> String {
    let Some(input) = input else { return notification(occasion).to_string() };
    let attributes = [
        ("<aws.scheduler.schedule-arn>", occasion.schedule_arn.to_owned()),
        ("<aws.scheduler.scheduled-time>", time(occasion.scheduled)),
        ("<aws.scheduler.execution-id>", occasion.execution_id.to_owned()),
        ("<aws.scheduler.attempt-number>", occasion.attempt.to_string()),
    ];
    attributes.iter().fold(input.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// What a target gets from a schedule without an input. The detail is text, as captured from AWS.
fn notification(occasion: &Occasion<'_>) -> Value {
    json!({
        "version": "0",
        "id": uuid(),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": time(occasion.scheduled),
        "region": REGION,
        "resources": [occasion.schedule_arn],
        "detail": "{}",
    })
}

/// A time as Scheduler writes it: to the second.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn uuid() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}
