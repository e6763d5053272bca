//! The service that shows messages of topics in chat channels, Amazon Q Developer in chat applications (AWS Chatbot): it
//! shows what is in its format for custom notifications, and drops all else without a word to the sender.
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

/// Where the service takes messages, which its channels subscribe to topics.
pub const CHAT_ENDPOINT: &str = "https://global.sns-api.chatbot.amazonaws.com";

/// Slack's longest header and section: what is longer could not be shown whole.
/// <https://docs.slack.dev/reference/block-kit/blocks/>
const TITLE_CHARS: usize = 150;
const TEXT_CHARS: usize = 3_000;

/// A notification as a channel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its title.
    pub title: Option<String>,
    /// Its text, in the markdown of the chat.
    pub description: String,
    /// What to do, step by step.
    pub next_steps: Vec<String>,
    /// Notifications with the same id are one thread.
    pub thread: Option<String>,
    /// The topic that it was published to.
    pub topic: String,
    /// When it was published.
    pub sent_at: Timestamp,
}

/// What the channels got.
#[derive(Debug, Default)]
pub(super) struct Channels {
    pub(super) shown: Vec<ChatMessage>,
    pub(super) refused: Vec<String>,
}

impl Channels {
    pub(super) fn receive(&mut self, text: &str, topic: &str, at: Timestamp) {
        match read(text) {
            Ok(Notification { content, metadata, .. }) => self.shown.push(ChatMessage {
                title: content.title,
                description: content.description,
                next_steps: content.next_steps,
                thread: metadata.thread_id,
                topic: topic.to_owned(),
                sent_at: at,
            }),
            Err(why) => {
                tracing::warn!(topic.arn = topic, "a chat channel does not show a message: {why}");
                self.refused.push(why);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification {
    version: String,
    source: String,
    #[serde(rename = "id")]
    _id: Option<String>,
    content: Content,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    text_type: Option<String>,
    title: Option<String>,
    description: String,
    #[serde(default)]
    next_steps: Vec<String>,
    #[serde(default, rename = "keywords")]
    _keywords: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    thread_id: Option<String>,
    #[serde(rename = "summary")]
    _summary: Option<String>,
    #[serde(rename = "eventType")]
    _event_type: Option<String>,
    #[serde(default, rename = "relatedResources")]
    _related_resources: Vec<String>,
    #[serde(default, rename = "additionalContext")]
    _additional_context: BTreeMap<String, String>,
}

fn read(text: &str) -> Result<Notification, String> {
    let read: Notification =
        serde_json::from_str(text).map_err(|error| format!("it is no custom notification: {error}"))?;
    let Content { text_type, title, description, next_steps, .. } = &read.content;
    let longer = |text: &str, most: usize| text.chars().count() > most;
    if read.version != "1.0" || read.source != "custom" {
        return Err(format!("version {:?} of source {:?} is not 1.0 of custom", read.version, read.source));
    }
    if text_type.as_deref().is_some_and(|kind| kind != "client-markdown") {
        return Err("textType can only be client-markdown".to_owned());
    }
    if description.trim().is_empty() || next_steps.iter().any(|step| step.trim().is_empty()) {
        return Err("its description or a next step is empty".to_owned());
    }
    if title.as_deref().is_some_and(|title| longer(title, TITLE_CHARS)) {
        return Err(format!("its title has more than {TITLE_CHARS} characters"));
    }
    if longer(description, TEXT_CHARS) || longer(&next_steps.join("\n"), TEXT_CHARS) {
        return Err(format!("its description or its next steps have more than {TEXT_CHARS} characters"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn notification() -> Value {
        json!({ "version": "1.0", "source": "custom", "content": {
            "textType": "client-markdown", "title": "t", "description": "d", "nextSteps": ["one", "two"],
        } })
    }

    #[test]
    fn only_custom_notifications_are_shown() {
        let mut channels = Channels::default();
        channels.receive(&notification().to_string(), "topic", Timestamp::UNIX_EPOCH);
        assert_eq!((channels.shown.len(), channels.refused.len()), (1, 0));
        let [shown] = channels.shown.as_slice() else { panic!() };
        assert_eq!((shown.title.as_deref(), shown.description.as_str()), (Some("t"), "d"));
        assert_eq!(shown.next_steps, ["one", "two"]);
        channels.receive("FAILED: s3://b/a.csv", "topic", Timestamp::UNIX_EPOCH);
        for (pointer, value) in [
            ("/version", json!("2.0")),
            ("/source", json!("aws.s3")),
            ("/content/textType", json!("markdown")),
            ("/content/title", json!("t".repeat(151))),
            ("/content/description", json!("")),
            ("/content/description", json!("d".repeat(3_001))),
            ("/content/nextSteps", json!("one")),
            ("/content/nextSteps", json!([""])),
            ("/content", json!({ "title": "t" })),
        ] {
            let mut wrong = notification();
            *wrong.pointer_mut(pointer).unwrap() = value;
            channels.receive(&wrong.to_string(), "topic", Timestamp::UNIX_EPOCH);
        }
        assert_eq!((channels.shown.len(), channels.refused.len()), (1, 10), "{:?}", channels.refused);
    }
}
