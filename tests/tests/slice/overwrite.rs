//! Several versions of one key, and versions that go.

use std::time::Duration;

use localcloud::faults::Call;
use tests::{Contents, JobAsserts, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/prices.csv";

#[test]
fn overwritten_while_it_is_processed_the_older_version_ends_superseded() {
    TestEnv::plan(11).with_transcript().dedicated_tasks().run(async |env| {
        // The first version's worker is slow to get its bytes; the second version overtakes it.
        let slow = Call::Delay(Duration::from_secs(120));
        env.on(call::read_object().meets(slow).nth(1));
        let first = env.put(KEY, csv(1, 40)).await;
        env.until("the first version is read", || env.calls("s3", "GetObject") == 1).await;
        let second = env.put(KEY, csv(100, 3)).await;
        env.settle().await;
        let (first, second) = (env.job_of(&first).await, env.job_of(&second).await);
        first.assert_superseded();
        second.assert_done();
        assert!(first.settled_at() > second.settled_at(), "the first was overtaken");
        first.assert_reason("superseded");
        assert_eq!(env.visible(KEY).await, records(100, 3));
        env.golden("overwritten-while-processed").await;
    });
}

#[test]
fn an_older_version_that_starts_after_the_newer_is_visible_writes_no_row() {
    TestEnv::plan(12).dedicated_tasks().run(async |env| {
        // The whole task of the first version is late.
        env.ecs().fail_to_start("ResourceInitializationError: unable to pull secrets", 1);
        let first = env.put(KEY, csv(1, 40)).await;
        env.until("the first version's launch", || env.ecs_launches() == 1).await;
        let second = env.put(KEY, csv(100, 3)).await;
        env.settle().await;
        env.job_of(&first).await.assert_superseded();
        env.job_of(&second).await.assert_done();
        assert_eq!(env.contents(), Contents { rows: 3, natural: 0, manifests: 1 });
    });
}

#[test]
fn in_order_the_second_version_replaces_the_first() {
    TestEnv::plan(13).dedicated_tasks().run(async |env| {
        let first = env.put(KEY, csv(1, 4)).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(1, 4));
        let second = env.put(KEY, csv(2, 2)).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(2, 2));
        env.job_of(&first).await.assert_done();
        env.job_of(&second).await.assert_done();
        assert_eq!(env.manifest(KEY).await.unwrap().version_id.as_deref(), Some(&*second));
    });
}

#[test]
fn the_same_bytes_put_twice_are_two_versions() {
    TestEnv::plan(14).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(1, 4)).await;
        let second = env.put(KEY, csv(1, 4)).await;
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 2);
        assert_eq!(env.manifest(KEY).await.unwrap().version_id.as_deref(), Some(&*second));
    });
}

#[test]
fn a_version_deleted_before_it_is_read_is_gone() {
    TestEnv::plan(15).dedicated_tasks().run(async |env| {
        let version = env.put(KEY, csv(1, 4)).await;
        let delete = env.s3().delete_object().bucket(env.bucket()).key(KEY).version_id(&version);
        delete.send().await.unwrap();
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_source_deleted().assert_counted(0).assert_attempt(1);
        assert_eq!(env.contents(), Contents::default());
        assert_eq!(env.mails().len(), 0);
        assert_eq!(env.dead_letters().await, []);
    });
}

#[test]
fn a_delete_marker_hides_a_key_but_its_version_is_still_read() {
    TestEnv::plan(16).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(1, 4)).await;
        env.s3().delete_object().bucket(env.bucket()).key(KEY).send().await.unwrap();
        env.settle().await;
        env.job(KEY).await.assert_done();
        assert_eq!(env.visible(KEY).await, records(1, 4));
    });
}
