//! Topics as their callers see them.

use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;

fn sns(folder: Option<PathBuf>) -> (Sns, String) {
    let sns = Sns::new(Clock::starting_at(Timestamp::from_second(1_700_000_000).unwrap()), folder);
    let topic = sns.create_topic("alerts").unwrap();
    sns.subscribe(&topic, "email", "ops@example.com").unwrap();
    (sns, topic)
}

async fn pending(sns: &Sns, topic: &str) -> Value {
    sns.call("GetTopicAttributes", json!({ "TopicArn": topic })).await.unwrap()["Attributes"]
        ["SubscriptionsPending"]
        .clone()
}

#[tokio::test(start_paused = true)]
async fn a_published_message_is_mailed_to_every_subscriber() {
    let (sns, topic) = sns(None);
    sns.subscribe(&topic, "email", "dev@example.com").unwrap();
    sns.subscribe(&topic, "email", "ops@example.com").unwrap();
    sleep(Duration::from_secs(5)).await;
    sns.publish(&topic, Some("failed: a.csv"), "row 7 is broken").unwrap();
    sns.publish(&topic, None, "no subject").unwrap();
    let mails = sns.mails();
    let to: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["ops@example.com", "dev@example.com", "ops@example.com", "dev@example.com"]);
    assert_eq!(
        mails[0],
        Mail {
            to: "ops@example.com".into(),
            subject: "failed: a.csv".into(),
            body: "row 7 is broken".into(),
            sent_at: Timestamp::from_second(1_700_000_005).unwrap(),
            topic,
        }
    );
    assert_eq!(mails[2].subject, "AWS Notification Message");
}

#[tokio::test(start_paused = true)]
async fn what_sns_refuses_is_refused() {
    let (sns, topic) = sns(None);
    let long = "x".repeat(100);
    for subject in ["", " leading", "two\nlines", "tab\there", "bell\u{7}", "grün", long.as_str()] {
        let error = sns.publish(&topic, Some(subject), "m").unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("InvalidParameter", "Invalid parameter: Subject")
        );
    }
    sns.publish(&topic, Some(&long[..99]), &"m".repeat(256 * 1024)).unwrap();
    assert_eq!(sns.publish(&topic, None, "").unwrap_err().code, "InvalidParameter");
    assert_eq!(sns.publish(&topic, None, &"m".repeat(256 * 1024 + 1)).unwrap_err().code, "InvalidParameter");
    let unknown = sns.publish(&topic.replace("alerts", "none"), None, "m").unwrap_err();
    assert_eq!((unknown.code.as_str(), unknown.status), ("NotFound", 404));
    for address in ["", "ops", "@x", "a@", "a@b\r\nBcc: c@d", "a b@c", "<a@b>", "a@b@c"] {
        assert_eq!(
            sns.subscribe(&topic, "email", address).unwrap_err().code,
            "InvalidParameter",
            "{address}"
        );
    }
    assert!(sns.subscribe(&topic, "sms", "+1").is_err());
    assert!(sns.create_topic("a b").is_err());
    assert_eq!(sns.mails().len(), 1);
}

/// As SNS does it: the address gets no more mails, and the publisher gets no error.
#[tokio::test(start_paused = true)]
async fn more_than_ten_mails_a_second_suspend_the_subscription() {
    let (sns, topic) = sns(None);
    for _ in 0..3 {
        for _ in 0..10 {
            sns.publish(&topic, None, "m").unwrap();
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((sns.mails().len(), pending(&sns, &topic).await), (30, json!("0")));
    for _ in 0..11 {
        sns.publish(&topic, None, "storm").unwrap();
    }
    assert_eq!((sns.mails().len(), pending(&sns, &topic).await), (40, json!("1")));
    sleep(Duration::from_secs(3_600)).await;
    sns.publish(&topic, None, "unheard").unwrap();
    assert_eq!(sns.mails().len(), 40);
    let list = sns.call("ListSubscriptionsByTopic", json!({ "TopicArn": topic })).await.unwrap();
    assert_eq!(list["Subscriptions"][0]["SubscriptionArn"], "PendingConfirmation");
    sns.subscribe(&topic, "email", "ops@example.com").unwrap();
    sns.publish(&topic, None, "heard").unwrap();
    assert_eq!(sns.mails().len(), 41);
}

#[tokio::test(start_paused = true)]
async fn mails_are_files_and_one_that_cannot_be_written_fails_the_publish() {
    let folder = tempfile::tempdir().unwrap();
    let mails = folder.path().join("mails");
    let (sns, topic) = sns(Some(mails.clone()));
    sns.publish(&topic, Some("first"), "one").unwrap();
    sleep(Duration::from_millis(1)).await;
    sns.publish(&topic, Some("a second"), "zwölf").unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&mails)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["20231114T221320000Z-000000-first.eml", "20231114T221320001Z-000001-a-second.eml"]);
    let text = std::fs::read_to_string(mails.join(&names[1])).unwrap();
    assert!(text.contains("\r\nSubject: a second\r\n") && text.ends_with("\r\n\r\nzw=C3=B6lf\r\n"), "{text}");
    std::fs::remove_dir_all(&mails).unwrap();
    std::fs::write(&mails, "in the way").unwrap();
    let error = sns.publish(&topic, None, "lost").unwrap_err();
    assert_eq!((error.code.as_str(), error.status), ("InternalError", 500));
    assert_eq!(sns.mails().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn clients_speak_the_query_protocol() {
    let (sns, topic) = sns(None);
    let call = |operation: &'static str, input: Value| sns.call(operation, input);
    let created = call("CreateTopic", json!({ "Name": "alerts" })).await.unwrap();
    assert_eq!(created, json!({ "TopicArn": topic }));
    let subscribed =
        call("Subscribe", json!({ "TopicArn": topic, "Protocol": "email", "Endpoint": "ops@example.com" }))
            .await
            .unwrap();
    assert!(subscribed["SubscriptionArn"].as_str().is_some_and(|arn| arn.starts_with(&topic)));
    let published = call(
        "Publish",
        json!({
            "TopicArn": topic, "Subject": "s", "MessageStructure": "json",
            "Message": "{\"default\":\"d\",\"email\":\"for mail\"}",
            "MessageAttributes.entry.1.Name": "kind",
            "MessageAttributes.entry.1.Value.DataType": "String",
            "MessageAttributes.entry.1.Value.StringValue": "failure",
        }),
    )
    .await
    .unwrap();
    assert_eq!(published["MessageId"].as_str().map(str::len), Some(36));
    assert_eq!(sns.mails()[0].body, "for mail");
    assert_eq!(call("ListTopics", json!({})).await.unwrap(), json!({ "Topics": [{ "TopicArn": topic }] }));
    for (operation, input, code) in [
        ("Publish", json!({ "Message": "m" }), "InvalidParameter"),
        ("Publish", json!({ "TopicArn": topic }), "InvalidParameter"),
        ("Publish", json!({ "TopicArn": topic, "Message": "m", "Subject": "" }), "InvalidParameter"),
        (
            "Publish",
            json!({ "TopicArn": topic, "Message": "{}", "MessageStructure": "json" }),
            "InvalidParameter",
        ),
        (
            "Publish",
            json!({ "TopicArn": topic, "Message": "m", "MessageAttributes.entry.1.Name": "n" }),
            "ParameterValueInvalid",
        ),
        ("GetTopicAttributes", json!({ "TopicArn": "none" }), "NotFound"),
        ("ListSubscriptionsByTopic", json!({}), "InvalidParameter"),
        ("DeleteTopic", json!({}), "UnknownOperationException"),
    ] {
        assert_eq!(call(operation, input.clone()).await.unwrap_err().code, code, "{operation} {input}");
    }
    assert_eq!(sns.mails().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_address_does_not_take_is_a_dead_letter_of_its_subscription() {
    let clock = Clock::starting_at(Timestamp::from_second(1_700_000_000).unwrap());
    let sqs = Sqs::new(clock);
    let queue = sqs.create_queue(crate::services::sqs::QueueSettings::named("dead")).unwrap();
    let sns = Sns::new(clock, None).with_queues(sqs.clone());
    let topic = sns.create_topic("alerts").unwrap();
    let ops = sns.subscribe(&topic, "email", "ops@example.com").unwrap();
    sns.subscribe(&topic, "email", "dev@example.com").unwrap();
    sns.set_redrive(&ops, &queue).unwrap();
    let none = queue.replace("dead", "none");
    assert_eq!(sns.set_redrive(&ops, &none).unwrap_err().code, "InvalidParameter");
    for address in ["ops@example.com", "dev@example.com"] {
        sns.bounce(address);
    }
    sns.publish(&topic, Some("failed"), "a.csv").unwrap();
    assert_eq!(sns.mails(), []);
    let letters = sqs.peek(&queue).unwrap();
    assert_eq!(letters.len(), 1, "the other has no such queue");
    let letter: Value = serde_json::from_str(&letters[0].body).unwrap();
    assert_eq!((&letter["Subject"], &letter["Message"]), (&json!("failed"), &json!("a.csv")));
    assert_eq!(letter["Timestamp"], "2023-11-14T22:13:20.000Z");
}

#[tokio::test(start_paused = true)]
async fn a_queue_gets_messages_in_an_envelope_or_raw_and_what_it_refuses_is_a_dead_letter() {
    let clock = Clock::starting_at(Timestamp::from_second(1_700_000_000).unwrap());
    let sqs = Sqs::new(clock);
    let new_queue = |name| sqs.create_queue(crate::services::sqs::QueueSettings::named(name)).unwrap();
    let (inbox, dead) = (new_queue("inbox"), new_queue("dead"));
    let sns = Sns::new(clock, None).with_queues(sqs.clone());
    let topic = sns.create_topic("uploads").unwrap();
    let subscribe = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": inbox,
        "Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true" });
    let subscription = sns.call("Subscribe", subscribe).await.unwrap()["SubscriptionArn"].clone();
    let publish = json!({ "TopicArn": topic, "Message": "m", "MessageAttributes.entry.1.Name": "kind",
        "MessageAttributes.entry.1.Value.DataType": "String",
        "MessageAttributes.entry.1.Value.StringValue": "upload" });
    sns.call("Publish", publish.clone()).await.unwrap();
    let raw = sqs.peek(&inbox).unwrap().pop().unwrap();
    assert_eq!((raw.body.as_str(), raw.attributes["kind"].data_type.as_str()), ("m", "String"));
    let wrap = json!({ "SubscriptionArn": subscription, "AttributeName": "RawMessageDelivery", "AttributeValue": "false" });
    sns.call("SetSubscriptionAttributes", wrap).await.unwrap();
    sns.call("Publish", publish).await.unwrap();
    let wrapped = sqs.peek(&inbox).unwrap().pop().unwrap();
    let envelope: Value = serde_json::from_str(&wrapped.body).unwrap();
    assert_eq!((&envelope["Type"], &envelope["Message"]), (&json!("Notification"), &json!("m")));
    assert_eq!(envelope["MessageAttributes"]["kind"], json!({ "Type": "String", "Value": "upload" }));
    assert!(envelope.get("Subject").is_none() && wrapped.attributes.is_empty());
    let gone = sns.subscribe(&topic, "sqs", &inbox.replace("inbox", "gone")).unwrap();
    sns.set_redrive(&gone, &dead).unwrap();
    sns.publish(&topic, Some("s"), "for nobody").unwrap();
    let letter = sqs.peek(&dead).unwrap().pop().unwrap();
    assert!(letter.body.contains("for nobody") && letter.attributes.contains_key("ERROR_MESSAGE"));
    let mail = sns.subscribe(&topic, "email", "ops@example.com").unwrap();
    assert_eq!(sns.set_raw(&mail, true).unwrap_err().code, "InvalidParameter");
    assert_eq!(sns.subscribe(&topic, "sqs", "inbox").unwrap_err().code, "InvalidParameter");
}

#[tokio::test(start_paused = true)]
async fn a_chat_channel_shows_custom_notifications_and_no_mails() {
    let (sns, topic) = sns(None);
    sns.subscribe(&topic, "https", CHAT_ENDPOINT).unwrap();
    assert!(sns.subscribe(&topic, "https", "https://example.com").is_err());
    sns.publish(&topic, Some("failed"), "FAILED: a.csv").unwrap();
    let custom = json!({ "version": "1.0", "source": "custom", "content": { "description": "d" } });
    sns.publish(&topic, None, &custom.to_string()).unwrap();
    assert_eq!((sns.mails().len(), sns.chat().len(), sns.refused_in_chat().len()), (2, 1, 1));
}
