//! The actions that EventBridge requires of its callers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn};

/// The actions that an operation requires; none for an operation that is not known.
pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    if operation != "PutEvents" {
        return None;
    }
    let mut buses: Vec<String> = input["Entries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let bus = entry["EventBusName"].as_str().unwrap_or("default");
            if bus.starts_with("arn:") {
                bus.to_owned()
            } else {
                arn("events", format_args!("event-bus/{bus}"))
            }
        })
        .collect();
    buses.sort_unstable();
    buses.dedup();
    Some(buses.into_iter().map(|bus| RequiredAction::new("events:PutEvents", bus)).collect())
}
