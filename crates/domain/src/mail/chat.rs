//! A mail as a notification of a chat channel: the custom notifications of Amazon Q Developer in chat applications
//! (AWS Chatbot), which shows them in Slack, Teams and Chime.
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>

use serde_json::json;

use super::Mail;

/// The format states no lengths. Slack shows sections of at most 3,000 characters
/// (<https://docs.slack.dev/reference/block-kit/blocks/section-block>), and what is around the text takes some.
const TEXT_CHARS: usize = 2_900;

impl Mail {
    /// The notification, as the message of a topic: the subject, what happened and what happens next, and what to do. Facts and
    /// log lines are in the mail alone.
    #[must_use]
    pub fn to_chat(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|step| plain(step, TEXT_CHARS / 10)).collect();
        let mut content = json!({
            "textType": "client-markdown",
            "title": plain(&self.subject, TEXT_CHARS),
            // As a block of code, so that no key or reason is read as markdown.
            "description": format!("```\n{}\n```", plain(self.summary.trim_end(), TEXT_CHARS)),
        });
        if !steps.is_empty() {
            content["nextSteps"] = steps.into();
        }
        json!({ "version": "1.0", "source": "custom", "content": content }).to_string()
    }
}

/// A text of strangers in which a chat finds no link, no end of a block and nobody to call, in at most `most` characters.
fn plain(text: &str, most: usize) -> String {
    let (mut out, mut room, mut last) = (String::new(), most, ' ');
    for character in text.chars() {
        let shown: String = match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '`' => "'".to_owned(),
            // A name after it, at the beginning of a word, is a person or a channel.
            '@' if !last.is_ascii_alphanumeric() => "@\u{200b}".to_owned(),
            other => other.to_string(),
        };
        let length = shown.chars().count();
        if length > room.saturating_sub(1) {
            out.push('…');
            break;
        }
        room -= length;
        out.push_str(&shown);
        last = character;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn mail(subject: &str, summary: &str, steps: &[&str]) -> Mail {
        Mail {
            subject: subject.into(),
            body: "facts".into(),
            summary: summary.into(),
            steps: steps.iter().map(|step| (*step).to_owned()).collect(),
        }
    }

    fn content(mail: &Mail) -> Value {
        let message: Value = serde_json::from_str(&mail.to_chat()).unwrap();
        assert_eq!((&message["version"], &message["source"]), (&json!("1.0"), &json!("custom")));
        message["content"].clone()
    }

    #[test]
    fn it_has_the_sentences_of_the_mail() {
        let said =
            content(&mail("[tidemill] failed: a.csv", "FAILED: a.csv\n\nNo retry.\n", &["Fix it.", "x --y"]));
        assert_eq!(said["title"], "[tidemill] failed: a.csv");
        assert_eq!(said["description"], "```\nFAILED: a.csv\n\nNo retry.\n```");
        assert_eq!(said["nextSteps"], json!(["Fix it.", "x --y"]));
        assert!(content(&mail("s", "d", &[])).get("nextSteps").is_none());
    }

    #[test]
    fn no_key_calls_a_channel_or_leaves_its_block_and_all_is_bounded() {
        let evil = "``` <!channel> @here a@b <https://x|y> & ";
        let said = content(&mail("s", evil, &[evil]));
        let expected = "''' &lt;!channel&gt; @\u{200b}here a@b &lt;https://x|y&gt; &amp;";
        assert_eq!(said["description"], format!("```\n{expected}\n```"));
        let long = content(&mail("s", &"<".repeat(40_000), &[&"&".repeat(40_000)]));
        for text in [&long["description"], &long["nextSteps"][0]] {
            let text = text.as_str().unwrap();
            assert!(text.chars().count() <= 3_000 && text.contains('…'), "{text}");
        }
    }
}
