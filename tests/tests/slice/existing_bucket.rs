//! Objects of buckets that were there before the stack, with and without versions, and other senders into the jobs queue.

use std::time::Duration;

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{
        BucketVersioningStatus, Event, EventBridgeConfiguration, NotificationConfiguration,
        QueueConfiguration, TopicConfiguration, VersioningConfiguration,
    },
};
use domain::job::{Job, State};
use localcloud::faults::Delivery;
use serde_json::json;
use tests::{JobAsserts, Plan, TestEnv};

use crate::{csv, records};

const BUCKET: &str = "inbox";
const KEY: &str = "exports/orders.csv";

fn plan(seed: u64) -> Plan {
    let pipelines =
        "version = 1\n[[pipeline]]\nname = \"orders\"\nbad_rows = \"quarantine\"\non_delete = \"remove\"\n";
    let plan = TestEnv::plan(seed).pipelines(pipelines).dedicated_tasks();
    plan.parameter("ExistingBucket", BUCKET).parameter("ExistingPrefix", "exports/")
}

/// Makes the bucket as its team has it, and switches EventBridge on as its page says.
async fn make(env: &TestEnv, is_versioned: bool) {
    env.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    if is_versioned {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = env.s3().put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled);
        put.send().await.unwrap();
    }
    let bridge = EventBridgeConfiguration::builder().build();
    notify(env, NotificationConfiguration::builder().event_bridge_configuration(bridge).build()).await;
}

async fn notify(env: &TestEnv, configuration: NotificationConfiguration) {
    let put = env.s3().put_bucket_notification_configuration().bucket(BUCKET);
    put.notification_configuration(configuration).send().await.unwrap();
}

async fn put(env: &TestEnv, key: &str, bytes: String) {
    let put = env.s3().put_object().bucket(BUCKET).key(key).body(ByteStream::from(bytes.into_bytes()));
    put.send().await.unwrap();
}

/// Puts an object whose event is lost.
async fn put_without_event(env: &TestEnv, key: &str, bytes: String) {
    let bus = &env.cloud().services().events;
    bus.set_delivery_faults(Delivery { lose: 1.0, ..Delivery::default() });
    put(env, key, bytes).await;
    bus.set_delivery_faults(Delivery::default());
}

async fn states(env: &TestEnv) -> Vec<State> {
    env.jobs().await.iter().map(Job::state).collect()
}

#[test]
fn an_upload_to_an_existing_bucket_becomes_records_and_nothing_else_is_read_or_written_there() {
    for (seed, is_versioned) in [(1401, true), (1402, false)] {
        plan(seed).run(async |env| {
            make(env, is_versioned).await;
            put(env, KEY, csv(1, 20) + "21,one,too many\n").await;
            put(env, "private/orders.csv", csv(1, 3)).await;
            env.put("uploads/own.csv", csv(1, 2)).await;
            env.settle().await;
            env.job(KEY).await.assert_done();
            env.job("uploads/own.csv").await.assert_done();
            assert_eq!(env.jobs().await.len(), 2, "nothing of private/");
            assert_eq!(env.visible_in(BUCKET, KEY).await, records(1, 20));
            let job = env.job(KEY).await;
            assert_eq!(job.object.version_id.is_some(), is_versioned);
            assert_eq!(job.rejected(), 1);
            // Rejected rows are in the stack's own bucket.
            let rejects = format!("rejects/{KEY}/{}.jsonl", job.id);
            env.s3().head_object().bucket(env.bucket()).key(rejects).send().await.unwrap();
            let listed = env.s3().list_objects_v2().bucket(BUCKET).send().await.unwrap();
            let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
            assert_eq!(keys, [KEY, "private/orders.csv"]);
            put(env, KEY, csv(50, 4)).await;
            env.settle().await;
            assert_eq!(env.visible_in(BUCKET, KEY).await, records(50, 4));
            env.s3().delete_object().bucket(BUCKET).key(KEY).send().await.unwrap();
            env.settle().await;
            assert_eq!(env.visible_in(BUCKET, KEY).await, Vec::<String>::new());
            assert_eq!((env.dead_letters().await, env.iam().refusals()), (Vec::new(), Vec::new()));
        });
    }
}

#[test]
fn the_sweep_finds_what_the_events_lost_once() {
    for (seed, is_versioned) in [(1403, true), (1404, false)] {
        plan(seed).run(async |env| {
            make(env, is_versioned).await;
            put(env, "exports/known.csv", csv(1, 2)).await;
            env.settle().await;
            put_without_event(env, KEY, csv(1, 5)).await;
            env.settle().await;
            assert_eq!(env.jobs().await.len(), 1);
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_hours(2)).await;
                env.swept().await;
            }
            env.settle().await;
            assert_eq!(env.visible_in(BUCKET, KEY).await, records(1, 5));
            assert_eq!(states(env).await, [State::Done, State::Done], "each once, however often it is swept");
            // The same key again, and this event is lost too.
            put_without_event(env, KEY, csv(7, 3)).await;
            tokio::time::sleep(Duration::from_hours(2)).await;
            env.swept().await;
            env.settle().await;
            assert_eq!(env.visible_in(BUCKET, KEY).await, records(7, 3));
            assert_eq!(env.jobs().await.len(), 3);
            assert_eq!((env.dead_letters().await, env.iam().refusals()), (Vec::new(), Vec::new()));
        });
    }
}

/// Without versions, the bytes that the first event is about are gone: its job says so, and reads nothing in their name.
#[test]
fn an_object_without_versions_that_is_overwritten_before_it_is_read_is_superseded() {
    plan(1405).run(async |env| {
        make(env, false).await;
        put(env, KEY, csv(1, 40)).await;
        env.until("the first launch", || env.ecs_launches() == 1).await;
        put(env, KEY, csv(100, 3)).await;
        env.settle().await;
        let mut jobs = env.jobs().await;
        jobs.sort_by(|a, b| a.object.sequencer.cmp(&b.object.sequencer));
        assert_eq!(jobs.iter().map(Job::state).collect::<Vec<_>>(), [State::Superseded, State::Done]);
        let reason = jobs[0].reason().unwrap();
        assert!(reason.message.contains("was replaced by newer bytes"), "{reason:?}");
        assert_eq!(env.visible_in(BUCKET, KEY).await, records(100, 3));
        assert_eq!(env.iam().refusals(), []);
    });
}

/// What other senders put into the jobs queue: S3 itself, and a topic with an envelope and raw.
#[test]
fn an_existing_bucket_may_notify_the_jobs_queue_itself_or_through_a_topic() {
    let topic = "arn:aws:sns:us-east-1:123456789012:uploads";
    for (seed, way) in [(1406, "queue"), (1407, "topic"), (1408, "raw")] {
        let pipelines = "version = 1\n[[pipeline]]\nname = \"orders\"\n";
        let plan = TestEnv::plan(seed).pipelines(pipelines);
        let plan = plan.parameter("ExistingBucket", BUCKET).parameter("ExistingPrefix", "exports/");
        let plan =
            plan.parameter("NotifyingBuckets", "arn:aws:s3:::inbox").parameter("NotifyingTopics", topic);
        plan.run(async |env| {
            env.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
            let queue = env.cloud().stack().resources["JobsQueue"].arn.clone();
            let created = Event::from("s3:ObjectCreated:*");
            let configuration = NotificationConfiguration::builder();
            if way == "queue" {
                let to = QueueConfiguration::builder().queue_arn(&queue).events(created).build().unwrap();
                notify(env, configuration.queue_configurations(to).build()).await;
            } else {
                let sns = &env.cloud().services().sns;
                assert_eq!(sns.create_topic("uploads").unwrap(), topic);
                let policy = json!({ "Version": "2012-10-17", "Statement": [{
                    "Sid": "FromTheBucket",
                    "Effect": "Allow",
                    "Principal": { "Service": "s3.amazonaws.com" },
                    "Action": "sns:Publish",
                    "Resource": topic,
                    "Condition": { "ArnEquals": { "aws:SourceArn": "arn:aws:s3:::inbox" } },
                }] });
                let set = json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy.to_string() });
                sns.call("SetTopicAttributes", set).await.unwrap();
                let subscription = sns.subscribe(topic, "sqs", &queue).unwrap();
                sns.set_raw(&subscription, way == "raw").unwrap();
                let to = TopicConfiguration::builder().topic_arn(topic).events(created).build().unwrap();
                notify(env, configuration.topic_configurations(to).build()).await;
            }
            put(env, "exports/a b+c.csv", csv(1, 4)).await;
            env.settle().await;
            assert_eq!(env.visible_in(BUCKET, "exports/a b+c.csv").await, records(1, 4), "{way}");
            // The test message of S3 is dropped.
            assert_eq!((env.jobs().await.len(), env.dead_letters().await), (1, Vec::new()), "{way}");
            assert_eq!(env.iam().refusals(), []);
        });
    }
}

#[test]
fn s3_does_not_notify_a_queue_that_was_not_told_of_its_bucket() {
    plan(1409).run(async |env| {
        env.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
        let queue = env.cloud().stack().resources["JobsQueue"].arn.clone();
        let to = QueueConfiguration::builder().queue_arn(queue).events(Event::from("s3:ObjectCreated:*"));
        let configuration =
            NotificationConfiguration::builder().queue_configurations(to.build().unwrap()).build();
        let put = env.s3().put_bucket_notification_configuration().bucket(BUCKET);
        let refused = put.notification_configuration(configuration).send().await.unwrap_err();
        let text = format!("{refused:?}");
        assert!(text.contains("Unable to validate the following destination configurations"), "{text}");
    });
}
