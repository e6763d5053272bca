//! Versions without a good row, after versions that have some.

use std::time::Duration;

use localcloud::faults::Call;
use tests::{JobAsserts, Plan, TestEnv, call};

use crate::{
    csv,
    deletes::{self, delete},
    records,
};

const KEY: &str = "uploads/prices.csv";
const NONE: Vec<String> = Vec::new();

/// One pipeline with these keys.
fn plan(seed: u64, keys: &str) -> Plan {
    let text =
        format!("version = 1\n\n[[pipeline]]\nname = \"all\"\nmatch = {{ prefix = \"uploads/\" }}\n{keys}\n");
    TestEnv::plan(seed).pipelines(&text).dedicated_tasks()
}

#[test]
fn no_version_without_a_good_row_replaces_records() {
    let quarantine = "bad_rows = \"quarantine\"\nmax_rejected = \"100%\"";
    for (seed, keys, empty, rejected) in [
        (301, "", "", 0),
        (302, "", "id,name\n", 0),
        (303, "", "[]", 0),
        (304, quarantine, "id,name\n1,a,b\n2,c,d\n", 2),
        (305, "bad_rows = \"skip\"\nmax_rejected = \"100%\"", "id,name\n1,a,b\n", 1),
        (306, "format = \"command\"\ncommand = [\"sed\", \"-n\", \"/^{/p\"]", "nothing\n", 0),
    ] {
        plan(seed, keys).run(async move |env| {
            let good = if seed == 306 { records(1, 4).join("\n") } else { csv(1, 4) };
            env.put(KEY, good).await;
            env.settle().await;
            let version = env.put(KEY, empty).await;
            env.settle().await;
            let job = env.job_of(&version).await;
            job.assert_failed().assert_reason("empty").assert_attempt(1).assert_rejected(rejected);
            let message = &job.reason().unwrap().message;
            assert!(message.ends_with("the 4 records of the version before stay visible"), "{message}");
            assert_eq!(env.visible(KEY).await, records(1, 4));
            let mails = env.mails();
            assert_eq!(mails.len(), 1);
            assert!(mails[0].body.contains("allow_empty = true"), "{}", mails[0].body);
            assert_eq!(env.dead_letters().await.len(), 1);
            // The next version is a version like any other.
            let good = if seed == 306 { records(7, 2).join("\n") } else { csv(7, 2) };
            env.put(KEY, good).await;
            env.settle().await;
            assert_eq!(env.visible(KEY).await, records(7, 2));
        });
    }
}

#[test]
fn an_empty_version_is_done_where_it_hides_nothing_or_the_pipeline_allows_it() {
    plan(311, "").run(async |env| {
        for empty in ["", "id,name\n"] {
            let version = env.put(KEY, empty).await;
            env.settle().await;
            env.job_of(&version).await.assert_done().assert_records(0);
        }
        env.put(KEY, csv(1, 4)).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, records(1, 4));
        assert_eq!(env.mails().len(), 0);
    });
    plan(312, "allow_empty = true").run(async |env| {
        env.put(KEY, csv(1, 4)).await;
        let version = env.put(KEY, "").await;
        env.settle().await;
        env.job_of(&version).await.assert_done().assert_records(0);
        assert_eq!(env.visible(KEY).await, NONE);
        assert_eq!(env.mails().len(), 0);
    });
}

#[test]
fn an_empty_version_that_is_faster_than_the_version_before_does_not_hide_its_records() {
    for (seed, keys, visible) in [(321, "", records(1, 40)), (322, "allow_empty = true", NONE)] {
        plan(seed, keys).run(async move |env| {
            let slow = Call::Delay(Duration::from_secs(120));
            env.on(call::read_object().meets(slow).nth(1));
            let first = env.put(KEY, csv(1, 40)).await;
            env.until("the first version is read", || env.calls("s3", "GetObject") == 1).await;
            let second = env.put(KEY, "").await;
            env.settle().await;
            let (first, second) = (env.job_of(&first).await, env.job_of(&second).await);
            second.assert_done();
            assert!(first.settled_at() > second.settled_at(), "the first was overtaken");
            if visible.is_empty() {
                first.assert_superseded();
            } else {
                first.assert_done();
            }
            assert_eq!(env.visible(KEY).await, visible);
        });
    }
}

#[test]
fn after_a_deletion_an_empty_version_hides_nothing_and_brings_nothing_back() {
    deletes::plan(331).run(async |env| {
        env.put(KEY, csv(1, 4)).await;
        env.settle().await;
        delete(env, KEY).await;
        env.settle().await;
        let empty = env.put(KEY, "").await;
        env.settle().await;
        env.job_of(&empty).await.assert_done();
        assert_eq!(env.visible(KEY).await, NONE);
        assert_eq!(env.mails().len(), 0);
    });
    // The deletion's event comes after the empty version, and the version that was deleted is the last to be read.
    deletes::plan(332).run(async |env| {
        let slow = Call::Delay(Duration::from_secs(120));
        env.on(call::read_object().meets(slow).nth(1));
        let first = env.put(KEY, csv(1, 40)).await;
        env.until("the first version is read", || env.calls("s3", "GetObject") == 1).await;
        delete(env, KEY).await;
        env.put(KEY, "").await;
        env.settle().await;
        env.job_of(&first).await.assert_superseded();
        assert_eq!(env.visible(KEY).await, NONE);
    });
}
