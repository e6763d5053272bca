//! The operations as clients call them: the query protocol, as a flat object of strings.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{MAX_MESSAGE_BYTES, Sns, delivery::Message, invalid, no_such_topic};
use crate::{
    services::sqs::{Attribute, AttributeValue, Attributes},
    wire::{ACCOUNT, ApiError},
};

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
                for (name, value) in input.entries("Attributes") {
                    self.set_attribute(&arn, name, value)?;
                }
                Ok(json!({ "SubscriptionArn": arn }))
            }
            "ListTopics" => {
                let topics: Vec<Value> =
                    self.state().topics.keys().map(|arn| json!({ "TopicArn": arn })).collect();
                Ok(json!({ "Topics": topics }))
            }
            "ListSubscriptionsByTopic" => self.subscriptions(input.needed("TopicArn")?),
            "SetSubscriptionAttributes" => {
                let value = input.text("AttributeValue").unwrap_or_default();
                self.set_attribute(input.needed("SubscriptionArn")?, input.needed("AttributeName")?, value)?;
                Ok(json!({}))
            }
            "SetTopicAttributes" => self.set_policy(&input),
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
        let text = input.text("Message").unwrap_or_default();
        let attributes = input.attributes()?;
        if text.len() + bytes(&attributes) > MAX_MESSAGE_BYTES {
            return Err(invalid("Message too long"));
        }
        let message = match input.text("MessageStructure") {
            None => Message::plain(input.text("Subject"), text),
            Some("json") => by_protocol(input.text("Subject"), text)?,
            Some(_) => return Err(invalid("MessageStructure")),
        };
        Ok(json!({ "MessageId": self.publish_message(topic_arn, &Message { attributes, ..message })? }))
    }

    /// Of a topic's attributes its policy can be set.
    fn set_policy(&self, input: &Form) -> Result<Value, ApiError> {
        let topic_arn = input.needed("TopicArn")?;
        if !self.state().topics.contains_key(topic_arn) {
            return Err(no_such_topic());
        }
        match input.needed("AttributeName")? {
            "Policy" => {
                let policy: Value = serde_json::from_str(input.text("AttributeValue").unwrap_or_default())
                    .map_err(|error| invalid(&format!("Policy Error: {error}")))?;
                if let Some(sqs) = &self.sqs {
                    let attached = sqs.iam().attach(topic_arn, Some(&policy));
                    attached.map_err(|why| invalid(&format!("Policy Error: {why}")))?;
                }
                Ok(json!({}))
            }
            other => Err(invalid(&format!("the local cloud cannot set the attribute {other} of a topic"))),
        }
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
                    "Protocol": subscription.protocol.name(),
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

/// What `MessageStructure=json` says that each protocol gets.
fn by_protocol(subject: Option<&str>, message: &str) -> Result<Message, ApiError> {
    let members: BTreeMap<String, Value> = serde_json::from_str(message)
        .map_err(|_| invalid("Message Structure - JSON message body failed to parse"))?;
    let texts = members.into_iter().filter_map(|(name, text)| Some((name, text.as_str()?.to_owned())));
    let mut texts: BTreeMap<String, String> = texts.collect();
    let default = texts
        .remove("default")
        .ok_or_else(|| invalid("Message Structure - No default entry in JSON message body"))?;
    Ok(Message { texts, ..Message::plain(subject, &default) })
}

/// What message attributes count against the size.
fn bytes(attributes: &Attributes) -> usize {
    let value = |attribute: &Attribute| match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Binary(bytes) => bytes.len(),
    };
    attributes.iter().map(|(name, it)| name.len() + it.data_type.len() + value(it)).sum()
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

    /// The entries of a map.
    fn entries(&self, map: &str) -> impl Iterator<Item = (&str, &str)> {
        (1..).map_while(move |n| {
            let member = |name: &str| self.text(&format!("{map}.entry.{n}.{name}"));
            Some((member("key")?, member("value").unwrap_or_default()))
        })
    }

    /// The message attributes. Mails do not show them.
    fn attributes(&self) -> Result<Attributes, ApiError> {
        let mut attributes = Attributes::new();
        for n in 1.. {
            let entry = format!("MessageAttributes.entry.{n}");
            let Some(name) = self.text(&format!("{entry}.Name")) else { break };
            let member =
                |name: &str| self.text(&format!("{entry}.Value.{name}")).filter(|text| !text.is_empty());
            let text = member("StringValue").map(|text| AttributeValue::Text(text.to_owned()));
            let binary = member("BinaryValue").and_then(|text| {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.decode(text).ok()
            });
            let value = text.or_else(|| binary.map(AttributeValue::Binary));
            let (Some(data_type), Some(value)) = (member("DataType"), value) else {
                return Err(ApiError::client(
                    "ParameterValueInvalid",
                    format!("The message attribute '{name}' must contain a type and a non-empty value."),
                ));
            };
            attributes.insert(name.to_owned(), Attribute { data_type: data_type.to_owned(), value });
        }
        Ok(attributes)
    }
}
