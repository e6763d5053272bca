//! What a subscription is set to: raw delivery to a queue, and the queue for what it does not take.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html>

use serde_json::Value;

use super::{Protocol, Sns, Subscription, invalid};
use crate::{services::sqs::Sqs, wire::ApiError};

impl Sns {
    /// The same, with queues that can take messages and dead letters.
    #[must_use]
    pub(crate) fn with_queues(self, sqs: Sqs) -> Self {
        Self { sqs: Some(sqs), ..self }
    }

    /// Sends what a subscription cannot deliver to this queue from now on.
    ///
    /// # Errors
    /// `InvalidParameter` for a queue that does not exist, or no subscription of this ARN.
    pub fn set_redrive(&self, subscription_arn: &str, queue_arn: &str) -> Result<(), ApiError> {
        if self.sqs.as_ref().is_none_or(|sqs| sqs.counts(queue_arn).is_err()) {
            return Err(invalid(&format!("RedrivePolicy: {queue_arn} is no queue that exists")));
        }
        self.change(subscription_arn, |known| {
            known.dead_letter_arn = Some(queue_arn.to_owned());
            Ok(())
        })
    }

    /// Whether a queue gets messages as they were published, or in an envelope that names their topic.
    ///
    /// # Errors
    /// `InvalidParameter` for no subscription of this ARN, or one that is not of a queue.
    pub fn set_raw(&self, subscription_arn: &str, is_raw: bool) -> Result<(), ApiError> {
        self.change(subscription_arn, |known| match &mut known.protocol {
            Protocol::Sqs { raw } => {
                *raw = is_raw;
                Ok(())
            }
            other if is_raw => {
                let protocol = other.name();
                Err(invalid(&format!(
                    "Delivery protocol [{protocol}] does not support raw message delivery."
                )))
            }
            Protocol::Email | Protocol::Chat => Ok(()),
        })
    }

    /// Sets an attribute of a subscription, as clients do.
    pub(super) fn set_attribute(
        &self,
        subscription_arn: &str,
        name: &str,
        value: &str,
    ) -> Result<(), ApiError> {
        match name {
            "RawMessageDelivery" => match value {
                "true" | "false" => self.set_raw(subscription_arn, value == "true"),
                _ => Err(invalid("Attributes Reason: RawMessageDelivery: Invalid value")),
            },
            "RedrivePolicy" => {
                let policy: Value = serde_json::from_str(value).unwrap_or_default();
                let queue = policy["deadLetterTargetArn"].as_str();
                self.set_redrive(subscription_arn, queue.ok_or_else(|| invalid("RedrivePolicy"))?)
            }
            _ => Err(invalid(&format!("the local cloud's subscriptions have no attribute {name}"))),
        }
    }

    fn change(
        &self,
        subscription_arn: &str,
        change: impl FnOnce(&mut Subscription) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        let found = state.topics.values_mut().flatten().find(|known| known.arn == subscription_arn);
        change(found.ok_or_else(|| invalid("SubscriptionArn"))?)
    }

    /// Lets an address take no mail from now on, as one whose mailbox is gone.
    pub fn bounce(&self, address: &str) {
        self.state().bouncing.insert(address.to_owned());
    }
}
