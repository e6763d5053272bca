//! SNS: who is subscribed to a topic.

use super::{CallError, Clients};
use domain::deployed::Subscription;

/// What SNS calls a subscription without an ARN yet.
const PENDING: &str = "PendingConfirmation";

/// The subscriptions of the topic with this ARN.
///
/// # Errors
/// [`CallError`]
pub async fn subscriptions(clients: &Clients, topic: &str) -> Result<Vec<Subscription>, CallError> {
    let mut pages = clients.sns().list_subscriptions_by_topic().topic_arn(topic).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| CallError::of(format!("list the subscriptions of topic {topic}"), e))?;
        found.extend(page.subscriptions().iter().map(|it| Subscription {
            endpoint: it.endpoint().unwrap_or_default().to_owned(),
            // One that was deleted has no ARN either.
            is_confirmed: it.subscription_arn().is_some_and(|arn| arn != PENDING && arn.starts_with("arn:")),
        }));
    }
    Ok(found)
}
