//! Mails that an address does not take: dead letters, where a subscription's redrive policy names a queue.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html>

use jiff::Timestamp;
use serde_json::json;

use super::{Sns, Subscription, new_id};
use crate::{
    services::{
        iam::Who,
        sqs::{Attribute, Attributes, Sqs},
    },
    wire::ApiError,
};

impl Sns {
    /// The same, with queues that can take dead letters.
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
            return Err(super::invalid(&format!("RedrivePolicy: {queue_arn} is no queue that exists")));
        }
        let mut state = self.state();
        let mut known = state.topics.values_mut().flatten();
        let found = known.find(|known| known.arn == subscription_arn);
        let found = found.ok_or_else(|| super::invalid("SubscriptionArn"))?;
        found.dead_letter_arn = Some(queue_arn.to_owned());
        Ok(())
    }

    /// Lets an address take no mail from now on, as one whose mailbox is gone.
    pub fn bounce(&self, address: &str) {
        self.state().bouncing.insert(address.to_owned());
    }

    /// Sends an undeliverable message to the dead-letter queue, or drops it and logs that. The publisher gets no error, as
    /// on AWS.
    pub(super) fn dead_letter(
        &self,
        topic_arn: &str,
        subscription: &Subscription,
        subject: Option<&str>,
        message: &str,
        now: Timestamp,
    ) {
        let letter = json!({
            "Type": "Notification",
            "MessageId": new_id(),
            "TopicArn": topic_arn,
            "Subject": subject,
            "Message": message,
            "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        });
        let attributes = Attributes::from(
            [("ERROR_CODE", "550"), ("ERROR_MESSAGE", "the mailbox is unavailable")]
                .map(|(name, value)| (name.to_owned(), Attribute::text(value))),
        );
        let sent = match (&self.sqs, &subscription.dead_letter_arn) {
            (Some(sqs), Some(queue)) => {
                let who = (&Who::Service("sns.amazonaws.com"), topic_arn);
                sqs.send_as(who, queue, &letter.to_string(), attributes).map(drop)
            }
            _ => Err(ApiError::client("NoDeadLetterQueue", "the subscription has no dead-letter queue")),
        };
        if let Err(not_sent) = sent {
            tracing::warn!(
                topic.arn = topic_arn,
                subscription.arn,
                dead_letter.error = %not_sent,
                "dropped a mail that could not be delivered"
            );
        }
    }
}
