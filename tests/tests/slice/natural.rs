//! Records under natural keys.

use std::time::Duration;

use localcloud::faults::{Call, Rule};
use tests::{Contents, JobAsserts, Plan, TestEnv, call};

const KEY: &str = "uploads/people.csv";

fn plan(seed: u64) -> Plan {
    TestEnv::plan(seed).pipelines(
        r#"
version = 1
[[pipeline]]
name = "people"
match = { prefix = "uploads/" }
key = "{id}"
"#,
    )
}

fn people(people: &[(u32, &str)]) -> String {
    let rows = people.iter().map(|(id, name)| format!("{id},{name}\n"));
    std::iter::once("id,name\n".to_owned()).chain(rows).collect()
}

#[test]
fn a_newer_version_replaces_record_by_record() {
    plan(81).dedicated_tasks().run(async |env| {
        env.put(KEY, people(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        env.put(KEY, people(&[(2, "bea"), (3, "cid")])).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, [r#"{"id":2,"name":"bea"}"#, r#"{"id":3,"name":"cid"}"#]);
        // The weaker promise: what a newer version does not have stays.
        assert_eq!(env.contents(), Contents { rows: 0, natural: 3, manifests: 1 });
    });
}

#[test]
fn a_late_older_version_changes_nothing_that_is_newer() {
    plan(82).dedicated_tasks().run(async |env| {
        let slow = Call::Delay(Duration::from_secs(120));
        env.on(call::write_record(&env.cloud().outputs()["RecordsTable"]).meets(slow).nth(1));
        let first = env.put(KEY, people(&[(1, "ann"), (2, "bob")])).await;
        // The job, the columns, a record.
        env.until("its first record", || env.calls("dynamodb", "PutItem") >= 3).await;
        let second = env.put(KEY, people(&[(1, "abe"), (2, "bea")])).await;
        env.settle().await;
        env.job_of(&first).await.assert_superseded();
        env.job_of(&second).await.assert_done();
        assert_eq!(env.visible(KEY).await, [r#"{"id":1,"name":"abe"}"#, r#"{"id":2,"name":"bea"}"#]);
    });
}

#[test]
fn an_older_object_that_is_processed_late_does_not_overwrite_a_newer_one() {
    plan(86).dedicated_tasks().run(async |env| {
        let slow = Call::Delay(Duration::from_secs(120));
        env.on(call::read_object().meets(slow).nth(1));
        env.put("uploads/monday.csv", people(&[(1, "ann"), (2, "bob")])).await;
        env.until("the first object is read", || env.calls("s3", "GetObject") == 1).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        env.put("uploads/friday.csv", people(&[(1, "abe"), (3, "cid")])).await;
        env.settle().await;
        let (monday, friday) = (env.job("uploads/monday.csv").await, env.job("uploads/friday.csv").await);
        assert!(monday.assert_done().settled_at() > friday.assert_done().settled_at(), "it was late");
        let visible = [env.visible("uploads/monday.csv").await, env.visible("uploads/friday.csv").await];
        assert_eq!(visible[0], [r#"{"id":2,"name":"bob"}"#], "what the newer one does not have");
        assert_eq!(visible[1], [r#"{"id":1,"name":"abe"}"#, r#"{"id":3,"name":"cid"}"#]);
    });
}

#[test]
fn within_an_object_the_last_row_of_a_key_wins() {
    plan(83).dedicated_tasks().run(async |env| {
        env.put(KEY, people(&[(1, "ann"), (2, "bob"), (1, "abe"), (1, "art")])).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, [r#"{"id":2,"name":"bob"}"#, r#"{"id":1,"name":"art"}"#]);
    });
}

#[test]
fn broken_connections_change_nothing() {
    for seed in 0..5 {
        plan(seed).dedicated_tasks().run(async |env| {
            env.on(Rule::new("dynamodb", "PutItem", Call::LoseAnswer).chance(0.2));
            env.on(Rule::new("dynamodb", "PutItem", Call::Throttle).chance(0.2));
            let rows: Vec<_> = (0..200).map(|n| (n % 90, if n < 110 { "old" } else { "new" })).collect();
            env.put(KEY, people(&rows)).await;
            env.settle().await;
            let visible = env.visible(KEY).await;
            assert_eq!(visible.len(), 90);
            assert!(visible.iter().all(|record| record.contains("new")), "{visible:?}");
        });
    }
}
