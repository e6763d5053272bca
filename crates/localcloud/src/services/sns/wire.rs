//! The operations as clients call them: the query protocol, as a flat object of strings.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{MAX_MESSAGE_BYTES, Sns, invalid, no_such_topic};
use crate::wire::{ACCOUNT, ApiError};

impl Sns {
    /// Answers one operation of the SNS API.
    ///
    /// # Errors
    /// What AWS refuses, and operations this cloud does not have.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let input = Form(input);
        match operation {
            "Publish" => self.wire_publish(&input),
            "CreateTopic" => Ok(json!({ "TopicArn": self.create_topic(input.needed("Name")?)? })),
            "Subscribe" => {
                let topic_arn = input.needed("TopicArn")?;
                let endpoint = input.text("Endpoint").unwrap_or_default();
                let arn = self.subscribe(topic_arn, input.needed("Protocol")?, endpoint)?;
                Ok(json!({ "SubscriptionArn": arn }))
            }
            "ListTopics" => {
                let topics: Vec<Value> =
                    self.state().topics.keys().map(|arn| json!({ "TopicArn": arn })).collect();
                Ok(json!({ "Topics": topics }))
            }
            "ListSubscriptionsByTopic" => self.subscriptions(input.needed("TopicArn")?),
            "GetTopicAttributes" => self.attributes(input.needed("TopicArn")?),
            _ => Err(ApiError::unsupported("SNS", operation)),
        }
    }

    fn wire_publish(&self, input: &Form) -> Result<Value, ApiError> {
        if input.text("PhoneNumber").is_some() {
            return Err(invalid("PhoneNumber Reason: the local cloud sends no text messages"));
        }
        let topic_arn = input
            .text("TopicArn")
            .or_else(|| input.text("TargetArn"))
            .ok_or_else(|| invalid("TopicArn or TargetArn Reason: no value for required parameter"))?;
        // A client may send the message empty, which has its own refusal.
        let message = input.text("Message").unwrap_or_default();
        if message.len() + input.attributes_bytes()? > MAX_MESSAGE_BYTES {
            return Err(invalid("Message too long"));
        }
        let message = match input.text("MessageStructure") {
            None => message.to_owned(),
            Some("json") => for_mail(message)?,
            Some(_) => return Err(invalid("MessageStructure")),
        };
        Ok(json!({ "MessageId": self.publish(topic_arn, input.text("Subject"), &message)? }))
    }

    fn subscriptions(&self, topic_arn: &str) -> Result<Value, ApiError> {
        let state = self.state();
        let subscriptions = state.topics.get(topic_arn).ok_or_else(no_such_topic)?;
        let list: Vec<Value> = subscriptions
            .iter()
            .map(|subscription| {
                json!({
                    "SubscriptionArn":
                        if subscription.pending { "PendingConfirmation" } else { subscription.arn.as_str() },
                    "Owner": ACCOUNT,
                    "Protocol": "email",
                    "Endpoint": subscription.endpoint,
                    "TopicArn": topic_arn,
                })
            })
            .collect();
        Ok(json!({ "Subscriptions": list }))
    }

    fn attributes(&self, topic_arn: &str) -> Result<Value, ApiError> {
        let state = self.state();
        let subscriptions = state.topics.get(topic_arn).ok_or_else(no_such_topic)?;
        let pending = subscriptions.iter().filter(|subscription| subscription.pending).count();
        Ok(json!({ "Attributes": {
            "TopicArn": topic_arn,
            "Owner": ACCOUNT,
            "DisplayName": "",
            "SubscriptionsConfirmed": (subscriptions.len() - pending).to_string(),
            "SubscriptionsPending": pending.to_string(),
            "SubscriptionsDeleted": "0",
        } }))
    }
}

/// What `MessageStructure=json` says a mail gets.
fn for_mail(message: &str) -> Result<String, ApiError> {
    let by_protocol: BTreeMap<String, Value> = serde_json::from_str(message)
        .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
    let default = by_protocol
        .get("default")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?;
    Ok(by_protocol.get("email").and_then(Value::as_str).unwrap_or(default).to_owned())
}

/// The parameters of a request.
struct Form(Value);

impl Form {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn needed(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| invalid(&format!("{name} Reason: no value for required parameter")))
    }

    /// What the message attributes count against the size. Mails do not show them.
    fn attributes_bytes(&self) -> Result<usize, ApiError> {
        let mut bytes = 0;
        for n in 1.. {
            let entry = format!("MessageAttributes.entry.{n}");
            let Some(name) = self.text(&format!("{entry}.Name")) else { break };
            let data_type = self.text(&format!("{entry}.Value.DataType")).filter(|text| !text.is_empty());
            let value = self
                .text(&format!("{entry}.Value.StringValue"))
                .or_else(|| self.text(&format!("{entry}.Value.BinaryValue")))
                .filter(|text| !text.is_empty());
            let (Some(data_type), Some(value)) = (data_type, value) else {
                return Err(ApiError::client(
                    "ParameterValueInvalid",
                    format!("The message attribute '{name}' must contain a type and a non-empty value."),
                ));
            };
            bytes += name.len() + data_type.len() + value.len();
        }
        Ok(bytes)
    }
}
