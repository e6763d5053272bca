//! A bucket's own notifications, in queues and in topics, and what S3 refuses of their configuration.

use aws_sdk_s3::types::{
    Event, EventBridgeConfiguration, FilterRule, FilterRuleName, NotificationConfiguration,
    NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use serde_json::Value;

use super::*;
use crate::services::sqs::QueueSettings;

/// The bodies of a queue's messages.
fn bodies(frontend: &Frontend, queue: &str) -> Vec<Value> {
    let messages = frontend.services().sqs.peek(queue).unwrap();
    messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
}

fn queue(frontend: &Frontend, name: &str) -> String {
    frontend.services().sqs.create_queue(QueueSettings::named(name)).unwrap()
}

fn filter(name: FilterRuleName, value: &str) -> NotificationConfigurationFilter {
    let rule = FilterRule::builder().name(name).value(value).build();
    let key = S3KeyFilter::builder().filter_rules(rule).build();
    NotificationConfigurationFilter::builder().key(key).build()
}

fn to_queue(queue: &str, event: Event) -> QueueConfiguration {
    QueueConfiguration::builder().queue_arn(queue).events(event).id("mine").build().unwrap()
}

async fn set(client: &Client, configuration: NotificationConfiguration) -> (u16, String) {
    let put = client.put_bucket_notification_configuration().bucket("bucket");
    match put.notification_configuration(configuration).send().await {
        Ok(_) => (200, String::new()),
        Err(error) => api_error::<(), _>(Err(error)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_gets_a_test_message_and_then_the_changes_that_it_wants() {
    let (frontend, client) = bucket(true).await;
    let queue = queue(&frontend, "inbox");
    let mut wanted = to_queue(&queue, Event::from("s3:ObjectCreated:*"));
    wanted.events.push(Event::from("s3:ObjectRemoved:DeleteMarkerCreated"));
    wanted.filter = Some(filter(FilterRuleName::Prefix, "in/"));
    let configuration = NotificationConfiguration::builder().queue_configurations(wanted).build();
    assert_eq!(set(&client, configuration).await.0, 200);
    let version = put(&client, "in/a b+c.csv", b"x").await;
    put(&client, "out/a.csv", b"x").await;
    client.delete_object().bucket("bucket").key("in/a b+c.csv").send().await.unwrap();
    client.delete_object().bucket("bucket").key("in/a b+c.csv").version_id(&version).send().await.unwrap();
    let got = bodies(&frontend, &queue);
    assert_eq!(got.len(), 3, "{got:#?}");
    assert_eq!((&got[0]["Event"], &got[0]["Bucket"]), (&"s3:TestEvent".into(), &"bucket".into()));
    let created = &got[1]["Records"][0];
    assert_eq!(created["eventName"], "ObjectCreated:Put");
    assert_eq!(
        (&created["eventSource"], &created["s3"]["configurationId"]),
        (&"aws:s3".into(), &"mine".into())
    );
    let object = &created["s3"]["object"];
    assert_eq!((&object["key"], &object["size"]), (&"in/a+b%2Bc.csv".into(), &1.into()));
    assert_eq!(
        (&object["versionId"], &object["eTag"]),
        (&version.into(), &"9dd4e461268c8034f5c8564e155c67a6".into())
    );
    let hidden = &got[2]["Records"][0];
    assert_eq!(hidden["eventName"], "ObjectRemoved:DeleteMarkerCreated");
    assert!(hidden["s3"]["object"]["sequencer"].as_str() > object["sequencer"].as_str());
}

#[tokio::test(start_paused = true)]
async fn a_topic_hands_notifications_on_to_queues_with_and_without_an_envelope() {
    let (frontend, client) = bucket(false).await;
    let sns = &frontend.services().sns;
    let topic = sns.create_topic("uploads").unwrap();
    let (wrapped, raw) = (queue(&frontend, "wrapped"), queue(&frontend, "raw"));
    sns.subscribe(&topic, "sqs", &wrapped).unwrap();
    let subscription = sns.subscribe(&topic, "sqs", &raw).unwrap();
    sns.set_raw(&subscription, true).unwrap();
    let wanted = TopicConfiguration::builder().topic_arn(&topic).events(Event::from("s3:ObjectCreated:*"));
    let configuration = NotificationConfiguration::builder()
        .topic_configurations(wanted.build().unwrap())
        .event_bridge_configuration(EventBridgeConfiguration::builder().build())
        .build();
    assert_eq!(set(&client, configuration).await.0, 200);
    put(&client, "a.csv", b"x").await;
    let (wrapped, raw) = (bodies(&frontend, &wrapped), bodies(&frontend, &raw));
    assert_eq!((wrapped.len(), raw.len()), (2, 2));
    assert_eq!(
        (&wrapped[1]["Type"], &wrapped[1]["TopicArn"]),
        (&"Notification".into(), &topic.clone().into())
    );
    assert_eq!(wrapped[1]["Subject"], "Amazon S3 Notification");
    let inner: Value = serde_json::from_str(wrapped[1]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(inner, raw[1]);
    assert_eq!(raw[1]["Records"][0]["s3"]["object"]["key"], "a.csv");
    let read = client.get_bucket_notification_configuration().bucket("bucket").send().await.unwrap();
    assert!(read.event_bridge_configuration().is_some());
    assert_eq!(read.topic_configurations()[0].topic_arn(), topic);
    assert_eq!(read.topic_configurations()[0].events(), [Event::from("s3:ObjectCreated:*")]);
    // A put replaces all of it.
    assert_eq!(set(&client, NotificationConfiguration::builder().build()).await.0, 200);
    let read = client.get_bucket_notification_configuration().bucket("bucket").send().await.unwrap();
    assert!(read.event_bridge_configuration().is_none() && read.topic_configurations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_s3_would_not_notify_is_refused_and_changes_nothing() {
    let (frontend, client) = bucket(false).await;
    let queue = queue(&frontend, "inbox");
    let created = || Event::from("s3:ObjectCreated:*");
    let mut begins = to_queue(&queue, created());
    begins.filter = Some(filter(FilterRuleName::Prefix, "in/"));
    let mut within = to_queue(&queue, Event::from("s3:ObjectCreated:Put"));
    within.filter = Some(filter(FilterRuleName::Prefix, "in/2026/"));
    let elsewhere = queue.replace("us-east-1", "eu-west-1");
    for (what, configurations) in [
        ("no such queue", vec![to_queue(&queue.replace("inbox", "none"), created())]),
        ("a queue elsewhere", vec![to_queue(&elsewhere, created())]),
        ("no queue", vec![to_queue("inbox", created())]),
        ("no such event", vec![to_queue(&queue, Event::from("s3:ObjectRead:*"))]),
        ("the same twice", vec![begins, within]),
    ] {
        let configuration =
            NotificationConfiguration::builder().set_queue_configurations(Some(configurations)).build();
        assert_eq!(set(&client, configuration).await, (400, "InvalidArgument".into()), "{what}");
    }
    put(&client, "in/2026/a.csv", b"x").await;
    assert_eq!(bodies(&frontend, &queue), Vec::<Value>::new());
}
