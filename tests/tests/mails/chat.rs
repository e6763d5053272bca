//! Mails to several addresses, to a topic that was there before, and in short to chat channels.

use localcloud::sns::CHAT_ENDPOINT;
use tests::{Plan, TestEnv};

use crate::RAGGED;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:operations";

/// Lets an object fail, and waits for its mail.
async fn fail(env: &TestEnv) {
    env.put("uploads/ragged <!channel>.csv", RAGGED).await;
    env.settle().await;
}

fn plan(seed: u64) -> Plan {
    TestEnv::plan(seed).dedicated_tasks()
}

#[test]
fn each_of_several_addresses_gets_each_mail() {
    let addresses = "ops@example.com,dev@example.com,third@example.com";
    plan(821).parameter("NotifyEmail", addresses).run(async |env| {
        fail(env).await;
        let mut to: Vec<String> = env.mails().into_iter().map(|mail| mail.to).collect();
        to.sort();
        assert_eq!(to, ["dev@example.com", "ops@example.com", "third@example.com"].map(str::to_owned));
    });
}

#[test]
fn mails_go_to_a_topic_that_was_there_before_and_to_nobody_else() {
    plan(822).parameter("NotifyEmail", "").parameter("ExistingTopic", TOPIC).run(async |env| {
        let sns = &env.cloud().services().sns;
        assert_eq!(sns.create_topic("operations").unwrap(), TOPIC);
        sns.subscribe(TOPIC, "email", "team@example.com").unwrap();
        fail(env).await;
        let mails = env.mails();
        assert_eq!(mails.len(), 1, "{mails:#?}");
        assert_eq!((mails[0].to.as_str(), mails[0].topic.as_str()), ("team@example.com", TOPIC));
        assert_eq!(env.cloud().outputs()["MailTopic"], TOPIC);
        assert_eq!(env.iam().refusals(), []);
    });
}

#[test]
fn a_chat_channel_gets_each_mail_in_short() {
    plan(823).parameter("Chat", "enabled").run(async |env| {
        let sns = &env.cloud().services().sns;
        let topic = &env.cloud().outputs()["ChatTopic"];
        sns.subscribe(topic, "https", CHAT_ENDPOINT).unwrap();
        fail(env).await;
        let (mails, chat) = (env.mails(), sns.chat());
        assert_eq!((mails.len(), chat.len(), sns.refused_in_chat()), (1, 1, Vec::new()));
        assert_eq!(
            chat[0].title.as_deref(),
            Some("[tidemill] failed: uploads/ragged &lt;!channel&gt;.csv (ragged_row)")
        );
        let said = &chat[0].description;
        assert!(said.contains("FAILED: s3://") && said.contains("\nWhat happens next\n"), "{said}");
        assert!(!said.contains("<!channel>"), "a key calls nobody: {said}");
        let steps = &chat[0].next_steps;
        assert_eq!(steps.len(), 2, "{steps:?}");
        assert!(steps[1].starts_with("tidemill replay --job "), "{steps:?}");
        assert!(mails[0].body.contains(&format!("  {}\n", steps[1])), "{}", mails[0].body);
        assert_eq!(env.iam().refusals(), []);
    });
}

#[test]
fn a_chat_that_sns_refuses_keeps_no_mail_from_going_out_and_repeats_none() {
    plan(824).parameter("Chat", "enabled").run(async |env| {
        let topic = env.cloud().outputs()["ChatTopic"].clone();
        let refusal = localcloud::wire::ApiError::client("InvalidParameter", "not this one");
        let to_chat =
            localcloud::faults::Rule::new("sns", "Publish", localcloud::faults::Call::Refuse(refusal));
        env.on(to_chat.when(move |input| input["TopicArn"] == *topic));
        fail(env).await;
        assert_eq!(env.mails().len(), 1);
        assert_eq!(env.calls("sns", "Publish"), 2);
    });
}
