//! Uploads where nothing goes wrong, and events as AWS delivers them: twice, late, in any order.

use std::time::Duration;

use domain::job::State;
use localcloud::faults::Delivery;
use serde_json::Value;
use tests::{Contents, JobAsserts, TestEnv};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

#[test]
fn one_upload_becomes_records() {
    TestEnv::plan(1).with_transcript().dedicated_tasks().run(async |env| {
        let version = env.put(KEY, csv(1, 3)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_records(3).assert_attempt(1).assert_counted(0);
        assert_eq!((job.object.version_id.as_deref(), job.format()), (Some(&*version), Some("csv")));
        assert_eq!(env.visible(KEY).await, records(1, 3));
        assert_eq!(env.contents(), Contents { rows: 3, natural: 0, manifests: 1 });
        assert_eq!(env.mails().len(), 0, "the digest tells of what is done");
        assert_eq!(env.dead_letters().await, []);
        env.golden("one-upload").await;
    });
}

#[test]
fn an_event_that_comes_five_times_and_after_a_later_one_is_one_job() {
    TestEnv::plan(2).dedicated_tasks().run(async |env| {
        // Everything is delivered with up to two minutes' delay, and the events of both versions often.
        let bus = &env.cloud().services().events;
        bus.set_delivery_faults(Delivery { delay: Duration::from_secs(120), ..Delivery::default() });
        let first = env.put(KEY, csv(1, 5)).await;
        let second = env.put(KEY, csv(10, 3)).await;
        env.until("both events", || env.events("Object Created").len() == 2).await;
        let created = env.events("Object Created");
        for event in created.iter().rev().chain(&created).chain(created.iter().rev()).chain(&created) {
            bus.emit(event.clone());
        }
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 2);
        assert_eq!(env.ecs_launches(), 2, "one task per job, however often its event came");
        env.job_of(&second).await.assert_done();
        let first = env.job_of(&first).await.state();
        assert!(matches!(first, State::Done | State::Superseded), "{first:?}");
        assert_eq!(env.visible(KEY).await, records(10, 3));
        assert_eq!(env.dead_letters().await, []);
    });
}

#[test]
fn queues_and_rules_that_deliver_twice_and_out_of_order_change_nothing() {
    for seed in 0..10 {
        TestEnv::plan(seed).dedicated_tasks().run(async |env| {
            let services = env.cloud().services();
            let delay = Duration::from_secs(40);
            services.events.set_delivery_faults(Delivery { duplicate: 0.5, delay, ..Delivery::default() });
            services.sqs.set_delivery_faults(Delivery {
                duplicate: 0.3,
                reorder: true,
                return_after_delete: 0.2,
                ..Delivery::default()
            });
            for n in 0..4 {
                env.put(&format!("uploads/{n}.csv"), csv(n * 100, 30)).await;
            }
            env.settle().await;
            for n in 0..4 {
                let key = format!("uploads/{n}.csv");
                env.job(&key).await.assert_done();
                assert_eq!(env.visible(&key).await, records(n * 100, 30));
            }
            assert_eq!(env.contents().rows, 120);
            assert_eq!(env.ecs_launches(), 4);
        });
    }
}

#[test]
fn what_is_not_watched_or_matches_no_pipeline_becomes_nothing() {
    let pipelines = r#"
version = 1
ignore = [{ suffix = ".md" }]
[[pipeline]]
name = "tables"
match = { prefix = "uploads/", suffix = ".csv" }
"#;
    TestEnv::plan(3).pipelines(pipelines).dedicated_tasks().run(async |env| {
        for key in ["elsewhere/a.csv", "rejects/a.csv", "uploads/a.json", "uploads/read.md"] {
            env.put(key, csv(1, 1)).await;
        }
        env.settle().await;
        assert_eq!(env.jobs().await, []);
        assert_eq!(env.ecs_launches(), 0);
        assert_eq!(env.dead_letters().await, []);
    });
}

#[test]
fn keys_of_any_kind_keep_their_names() {
    let keys =
        ["a b+c.csv", "50%.csv", "%41.csv", "ünï/日本.csv", "quote\"'.csv", "line\nbreak.csv", "a//b.csv"];
    TestEnv::plan(4).dedicated_tasks().run(async |env| {
        for key in keys {
            env.put(&format!("uploads/{key}"), csv(1, 2)).await;
        }
        env.settle().await;
        for key in keys {
            let key = format!("uploads/{key}");
            env.job(&key).await.assert_done();
            assert_eq!(env.visible(&key).await, records(1, 2), "{key}");
        }
    });
}

#[test]
fn a_large_object_is_spread_and_whole() {
    TestEnv::plan(5).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(1, 12_000)).await;
        env.settle().await;
        let manifest = env.manifest(KEY).await.unwrap();
        assert!(manifest.shards > 1, "{manifest:?}");
        assert_eq!(env.visible(KEY).await, records(1, 12_000));
        let first: Value = serde_json::from_str(&env.visible(KEY).await[0]).unwrap();
        assert_eq!(first["id"], 1);
    });
}

#[test]
fn records_go_after_the_time_that_their_column_says_and_no_others() {
    TestEnv::plan(19).parameter("RecordsExpireBy", "until").run(async |env| {
        let (soon, late) = (env.cloud().clock().now().as_second() + 3_600, 4_102_444_800_i64);
        env.put("uploads/a.csv", format!("id,until\n1,{soon}\n2,{late}\n3,\n")).await;
        env.settle().await;
        assert_eq!(env.visible("uploads/a.csv").await.len(), 3);
        tokio::time::sleep(Duration::from_hours(2)).await;
        let left = [format!(r#"{{"id":2,"until":{late}}}"#), r#"{"id":3,"until":null}"#.to_owned()];
        assert_eq!(env.visible("uploads/a.csv").await, left);
        env.job("uploads/a.csv").await.assert_done();
    });
}
