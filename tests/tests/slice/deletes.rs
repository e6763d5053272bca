//! Objects that are deleted, with pipelines whose records go with them.

use std::time::Duration;

use localcloud::faults::{Call, Delivery};
use serde_json::{Value, json};
use tests::{Contents, JobAsserts, Plan, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/prices.csv";

const REMOVE: &str = "version = 1\n\n[[pipeline]]\nname = \"all\"\nmatch = { prefix = \"uploads/\" }\non_delete = \"remove\"\n";

pub(crate) fn plan(seed: u64) -> Plan {
    TestEnv::plan(seed).pipelines(REMOVE).dedicated_tasks()
}

/// Deletes the key, which a delete marker hides from then on.
pub(crate) async fn delete(env: &TestEnv, key: &str) {
    env.s3().delete_object().bucket(env.bucket()).key(key).send().await.unwrap();
}

/// Deletes a version for good.
pub(crate) async fn erase(env: &TestEnv, key: &str, version: &str) {
    let delete = env.s3().delete_object().bucket(env.bucket()).key(key).version_id(version);
    delete.send().await.unwrap();
}

#[test]
fn the_records_of_a_deleted_object_are_invisible_until_it_is_uploaded_again() {
    plan(181).run(async |env| {
        let first = env.put(KEY, csv(1, 4)).await;
        env.settle().await;
        delete(env, KEY).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, Vec::<String>::new());
        let gone = env.job_of(&first).await;
        gone.assert_done();
        assert!(gone.replaced().unwrap().by_deletion, "{gone:#?}");
        let manifest = env.manifest(KEY).await.unwrap();
        assert_eq!(manifest.deleted.unwrap().reason.as_deref(), Some("DeleteObject"));
        env.put(KEY, csv(7, 2)).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(7, 2));
        assert_eq!(env.job_of(&first).await.replaced(), gone.replaced(), "noted once");
        assert_eq!((env.mails().len(), env.dead_letters().await), (0, vec![]));
    });
}

#[test]
fn a_job_under_way_does_not_publish_what_was_deleted_meanwhile() {
    plan(182).run(async |env| {
        env.on(call::publish().meets(Call::Delay(Duration::from_secs(4))).nth(1));
        env.put(KEY, csv(1, 40)).await;
        env.until("the publish", || env.calls("dynamodb", "TransactWriteItems") == 1).await;
        delete(env, KEY).await;
        env.settle().await;
        // The transaction was under way, and was made before the deletion or refused after it.
        assert_eq!(env.visible(KEY).await, Vec::<String>::new());
        env.on(call::read_object().meets(Call::Delay(Duration::from_secs(120))).nth(1));
        let read = env.calls("s3", "GetObject");
        let second = env.put(KEY, csv(1, 40)).await;
        env.until("the second version is read", || env.calls("s3", "GetObject") > read).await;
        delete(env, KEY).await;
        env.settle().await;
        env.job_of(&second).await.assert_source_deleted().assert_reason("source_deleted").assert_counted(0);
        assert_eq!(env.visible(KEY).await, Vec::<String>::new());
        assert_eq!((env.mails().len(), env.dead_letters().await), (0, vec![]));
    });
}

#[test]
fn a_version_whose_event_comes_after_the_deletions_stays_invisible() {
    plan(183).run(async |env| {
        let event = env.put_without_event(KEY, csv(1, 4)).await;
        let version = event["detail"]["object"]["version-id"].as_str().unwrap().to_owned();
        delete(env, KEY).await;
        env.settle().await;
        env.send("UploadsQueue", &event.to_string());
        env.settle().await;
        env.job_of(&version).await.assert_source_deleted();
        assert_eq!(env.contents(), Contents { rows: 0, natural: 0, manifests: 1 });
    });
}

#[test]
fn a_version_that_the_sweep_finds_behind_a_delete_marker_stays_invisible() {
    plan(184).run(async |env| {
        let event = env.put_without_event(KEY, csv(1, 4)).await;
        let version = event["detail"]["object"]["version-id"].as_str().unwrap().to_owned();
        tokio::time::sleep(Duration::from_secs(2)).await;
        delete(env, KEY).await;
        env.settle().await;
        // The sweep looks at objects that are at least ten minutes old.
        tokio::time::sleep(Duration::from_mins(60)).await;
        env.swept().await;
        env.settle().await;
        env.job_of(&version).await.assert_source_deleted();
        assert_eq!(env.visible(KEY).await, Vec::<String>::new());
        // Uploaded after the marker, and its event is lost too.
        tokio::time::sleep(Duration::from_secs(2)).await;
        env.put_without_event(KEY, csv(3, 3)).await;
        tokio::time::sleep(Duration::from_mins(60)).await;
        env.swept().await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(3, 3));
    });
}

#[test]
fn an_old_version_goes_without_the_newest_records_and_the_newest_with_them() {
    plan(185).run(async |env| {
        let first = env.put(KEY, csv(1, 4)).await;
        let second = env.put(KEY, csv(5, 2)).await;
        env.settle().await;
        erase(env, KEY, &first).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(5, 2));
        erase(env, KEY, &second).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, Vec::<String>::new());
        env.put(KEY, csv(9, 1)).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(9, 1));
    });
}

#[test]
fn a_version_that_is_deleted_for_good_while_it_is_processed_is_not_published() {
    plan(186).run(async |env| {
        let before = env.put(KEY, csv(1, 2)).await;
        env.settle().await;
        // It has been read to its end, and waits for its first batch to be written.
        env.on(call::write_rows().meets(Call::Delay(Duration::from_secs(30))).nth(1));
        let writes = env.calls("dynamodb", "BatchWriteItem");
        let second = env.put(KEY, csv(5, 2)).await;
        env.until("its rows are written", || env.calls("dynamodb", "BatchWriteItem") > writes).await;
        erase(env, KEY, &second).await;
        env.settle().await;
        env.job_of(&second).await.assert_source_deleted().assert_counted(0);
        assert_eq!(env.visible(KEY).await, records(1, 2), "the version before is the newest again");
        env.job_of(&before).await.assert_done();
        assert_eq!((env.mails().len(), env.dead_letters().await), (0, vec![]));
    });
}

/// S3's event when a lifecycle rule has expired an object.
fn expired(env: &TestEnv, version: Option<&str>, kind: &str) -> Value {
    let mut event = json!({
        "source": "aws.s3", "detail-type": "Object Deleted", "time": "2026-01-01T12:00:00Z",
        "detail": {
            "bucket": { "name": env.bucket() },
            "object": { "key": KEY, "etag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "FF" },
            "requester": "s3.amazonaws.com", "reason": "Lifecycle Expiration", "deletion-type": kind,
        },
    });
    if let Some(version) = version {
        event["detail"]["object"]["version-id"] = version.into();
    }
    event
}

#[test]
fn a_lifecycle_expiration_is_a_deletion() {
    plan(187).run(async |env| {
        let version = env.put(KEY, csv(1, 4)).await;
        env.settle().await;
        // Of the version before, which is not visible.
        env.send("UploadsQueue", &expired(env, Some("an-old-one"), "Permanently Deleted").to_string());
        // Without a version, as of a bucket without versions: but the key has an object.
        env.send("UploadsQueue", &expired(env, None, "Permanently Deleted").to_string());
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(1, 4), "{version}");
        env.send("JobsQueue", &expired(env, Some("marker"), "Delete Marker Created").to_string());
        env.settle().await;
        assert_eq!(env.visible(KEY).await, Vec::<String>::new());
        let deleted = env.manifest(KEY).await.unwrap().deleted.unwrap();
        assert_eq!(deleted.reason.as_deref(), Some("Lifecycle Expiration"));
        assert_eq!(deleted.at.to_string(), "2026-01-01T12:00:00Z");
    });
}

#[test]
fn a_deletion_whose_function_dies_between_its_writes_is_finished() {
    for fault in [Call::LoseRequest, Call::LoseAnswer] {
        plan(188).run(async |env| {
            let first = env.put(KEY, csv(1, 4)).await;
            env.settle().await;
            env.on(call::note_deletion().meets(fault.clone()).first(9));
            delete(env, KEY).await;
            env.settle().await;
            assert!(env.job_of(&first).await.replaced().unwrap().by_deletion);
            // The next publish finds in the manifest whose rows went, if the message never came again.
            let second = env.put(KEY, csv(1, 4)).await;
            env.settle().await;
            env.on(call::note_deletion().meets(Call::LoseRequest));
            delete(env, KEY).await;
            tokio::time::sleep(Duration::from_secs(30)).await;
            assert_eq!(env.visible(KEY).await, Vec::<String>::new());
            assert_eq!(env.job_of(&second).await.replaced(), None);
            env.put(KEY, csv(2, 4)).await;
            tokio::time::sleep(Duration::from_mins(5)).await;
            assert!(env.job_of(&second).await.replaced().unwrap().by_deletion);
        });
    }
}

#[test]
fn events_twice_and_in_any_order_end_with_what_the_bucket_shows() {
    let seeds = std::env::var("SEEDS").map_or(12, |text| text.parse().unwrap());
    for seed in 0..seeds {
        eprintln!("seed {seed}");
        plan(1_000 + seed).run(history);
    }
}

/// Twelve uploads and deletions of two keys whose events come late, twice and in any order.
async fn history(env: &TestEnv) {
    let services = env.cloud().services();
    services.sqs.set_delivery_faults(Delivery {
        duplicate: 0.3,
        reorder: true,
        return_after_delete: 0.05,
        ..Delivery::default()
    });
    for (operation, fault, chance) in [
        ("*", Call::LoseAnswer, 0.05),
        ("*", Call::Throttle, 0.05),
        ("GetObject", Call::Delay(Duration::from_secs(40)), 0.3),
    ] {
        env.on(localcloud::faults::Rule::new("*", operation, fault).chance(chance));
    }
    let keys = ["uploads/a.csv", "uploads/b.csv"];
    let mut shown: [Option<usize>; 2] = [None, None];
    let mut old: [Vec<String>; 2] = [Vec::new(), Vec::new()];
    for n in 1..=12 {
        // Delays of messages differ, so their order does.
        services.events.set_delivery_faults(Delivery {
            duplicate: 0.3,
            delay: Duration::from_secs(fastrand::u64(..120)),
            ..Delivery::default()
        });
        let k = fastrand::usize(..2);
        match fastrand::u8(..10) {
            0..=4 => {
                old[k].push(env.put(keys[k], csv(n * 100, n)).await);
                shown[k] = Some(n);
            }
            5..=7 => {
                delete(env, keys[k]).await;
                shown[k] = None;
            }
            // An old version goes, of which nothing is visible any more.
            _ if old[k].len() > 1 => {
                let version = old[k].remove(0);
                erase(env, keys[k], &version).await;
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_secs(fastrand::u64(..60))).await;
    }
    env.settle().await;
    for (key, shown) in keys.into_iter().zip(shown) {
        let expected = shown.map_or(Vec::new(), |n| records(n * 100, n));
        assert_eq!(env.visible(key).await, expected, "{key}");
    }
    assert_eq!(env.dead_letters().await, []);
}
