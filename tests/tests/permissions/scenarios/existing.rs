//! A bucket that was there before the stack.

use std::time::Duration;

use aws_sdk_s3::types::{
    BucketVersioningStatus, EventBridgeConfiguration, NotificationConfiguration, VersioningConfiguration,
};
use localcloud::faults::Delivery;
use serde_json::json;
use tests::{JobAsserts, Plan, TestEnv};

use super::csv;

const BUCKET: &str = "inbox";

pub(super) fn plan() -> Plan {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"all\"\n";
    let plan = super::plan().pipelines(pipelines).dedicated_tasks();
    plan.parameter("ExistingBucket", BUCKET).parameter("ExistingPrefix", "exports/")
}

/// Puts an object, whose event is lost if `is_lost`, and returns its version.
async fn put(env: &TestEnv, key: &str, is_lost: bool) -> Option<String> {
    let bus = &env.cloud().services().events;
    if is_lost {
        bus.set_delivery_faults(Delivery { lose: 1.0, ..Delivery::default() });
    }
    let put = env.s3().put_object().bucket(BUCKET).key(key).body(csv(3).into_bytes().into());
    let version = put.send().await.unwrap().version_id;
    bus.set_delivery_faults(Delivery::default());
    version
}

/// Objects with and without versions, one whose event is lost, and one that is gone before it is read.
pub(super) async fn objects(env: &TestEnv) {
    env.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let bridge = EventBridgeConfiguration::builder().build();
    let notify = NotificationConfiguration::builder().event_bridge_configuration(bridge).build();
    let set = env.s3().put_bucket_notification_configuration().bucket(BUCKET);
    set.notification_configuration(notify).send().await.unwrap();
    put(env, "exports/a.csv", false).await;
    put(env, "exports/lost.csv", true).await;
    env.settle().await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    env.swept().await;
    env.settle().await;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    env.s3().put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled).send().await.unwrap();
    put(env, "exports/versioned.csv", false).await;
    let version = put(env, "exports/gone.csv", true).await.unwrap();
    env.s3()
        .delete_object()
        .bucket(BUCKET)
        .key("exports/gone.csv")
        .version_id(&version)
        .send()
        .await
        .unwrap();
    let event = json!({
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": { "name": BUCKET },
            "object": { "key": "exports/gone.csv", "version-id": version, "sequencer": "01" },
        },
    });
    env.send("UploadsQueue", &event.to_string());
    env.settle().await;
    for key in ["a", "lost", "versioned"] {
        env.job(&format!("exports/{key}.csv")).await.assert_done();
    }
    env.job("exports/gone.csv").await.assert_source_deleted();
}

/// Somebody has deleted the queue by hand: what the bucket's rule matches is kept.
pub(super) async fn no_queue(env: &TestEnv) {
    let services = env.cloud().services();
    let url = &env.cloud().stack().resources["UploadsQueue"].physical_id;
    services.sqs.call("DeleteQueue", json!({ "QueueUrl": url })).await.unwrap();
    services.events.emit(json!({
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": { "bucket": { "name": BUCKET }, "object": { "key": "exports/a.csv" } },
    }));
    super::dead_lettered(env, 1).await;
}
