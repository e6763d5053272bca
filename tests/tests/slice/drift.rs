//! One pipeline, one meaning: columns keep their types from object to object, and what differs is said once.

use std::time::Duration;

use domain::{
    bad_input::Reason,
    drift::KnownColumns,
    job::{Job, ReasonCode},
};
use localcloud::{ecs::KillCause, faults::Call};
use serde_json::json;
use tests::{Contents, JobAsserts, Plan, TestEnv, call};

const NUMBERS: &str = "zip,city\n12345,A\n23456,B\n";
const ZEROS: &str = "zip,city\n01234,C\n23456,D\n";

fn plan(seed: u64, on_drift: &str) -> Plan {
    let text = "version = 1\n[[pipeline]]\nname = \"orders\"\nmatch = { prefix = \"uploads/orders/\" }\n";
    TestEnv::plan(seed).pipelines(&format!("{text}{on_drift}\n")).dedicated_tasks()
}

async fn become_of(env: &TestEnv, key: &str, text: &str) -> Job {
    let put = env.put(key, text).await;
    env.settle().await;
    env.job_of(&put).await
}

fn drift(job: &Job) -> String {
    job.drifts().map(domain::drift::Drifts::sentence).unwrap_or_default()
}

#[test]
fn a_column_that_was_text_stays_text_and_a_change_is_said_once() {
    plan(181, "").run(async |env| {
        let first = become_of(env, "uploads/orders/1.csv", NUMBERS).await;
        first.assert_done();
        assert_eq!(drift(&first), "", "the first object is what the others are compared with");
        let second = become_of(env, "uploads/orders/2.csv", ZEROS).await;
        assert_eq!(drift(&second), "changed: \"zip\" from number to text");
        assert_eq!(env.visible("uploads/orders/2.csv").await[0], r#"{"city":"C","zip":"01234"}"#);
        let third = become_of(env, "uploads/orders/3.csv", NUMBERS).await;
        assert_eq!(drift(&third), "");
        assert_eq!(env.visible("uploads/orders/3.csv").await[0], r#"{"city":"A","zip":"12345"}"#);
        let fourth = become_of(env, "uploads/orders/4.csv", "zip,city,tip\n12345,A,\n").await;
        assert_eq!(drift(&fourth), "new: \"tip\"");
        // An empty value of a column of numbers is null, in an object without a number too.
        become_of(env, "uploads/orders/5.csv", "zip,city,tip\n1,A,5\n").await;
        let sixth = become_of(env, "uploads/orders/6.csv", "zip,city,tip\n1,A,\n").await;
        assert_eq!(drift(&sixth), "");
        assert_eq!(env.visible("uploads/orders/6.csv").await[0], r#"{"city":"A","tip":null,"zip":"1"}"#);
        assert_eq!(env.mails().len(), 0);
        tokio::time::sleep(Duration::from_mins(70)).await;
        env.schedule(json!({ "scheduled_at": "2026-01-01T01:00:00Z" })).await;
        env.quiet().await;
        let digest = env.mails().pop().expect("a digest");
        assert!(digest.subject.ends_with("6 done, 2 unlike earlier objects"), "{}", digest.subject);
        let expected = "uploads/orders/2.csv\n    pipeline orders: changed: \"zip\" from number to text\n";
        assert!(digest.body.contains(expected), "{}", digest.body);
        assert!(
            digest.body.contains("uploads/orders/4.csv\n    pipeline orders: new: \"tip\"\n"),
            "{}",
            digest.body
        );
    });
}

#[test]
fn a_drift_is_rejected_before_a_record_is_written() {
    plan(182, "on_drift = \"reject\"").run(async |env| {
        become_of(env, "uploads/orders/1.csv", NUMBERS).await.assert_done();
        let second = become_of(env, "uploads/orders/2.csv", "zip,tip\n1,2\n").await;
        let reason = second.assert_failed().reason().expect("a reason");
        assert_eq!(reason.code, ReasonCode::BadInput(Reason::Drift));
        let expected = "of pipeline orders: new: \"tip\"; missing: \"city\"; on_drift = \"reject\"";
        assert!(reason.message.contains(expected), "{}", reason.message);
        assert_eq!(env.contents(), Contents { rows: 2, natural: 0, manifests: 1 });
        let mail = env.mails().pop().expect("a failure mail");
        assert!(mail.body.contains("--forget"), "{}", mail.body);
        // Nothing of it was remembered: an object as before is no drift, and the same columns are one again.
        become_of(env, "uploads/orders/3.csv", NUMBERS).await.assert_done();
        become_of(env, "uploads/orders/4.csv", "zip,tip\n1,2\n").await.assert_failed();
        let forget = std::mem::take::<KnownColumns>;
        env.fleet().update_document_for("orders", "forget", forget).await.expect("the table");
        become_of(env, "uploads/orders/5.csv", "zip,tip\n1,2\n").await.assert_done();
    });
}

#[test]
fn drifts_that_are_accepted_are_silent_and_columns_keep_their_types_all_the_same() {
    plan(183, "on_drift = \"accept\"").run(async |env| {
        become_of(env, "uploads/orders/1.csv", ZEROS).await;
        let second = become_of(env, "uploads/orders/2.csv", "zip,tip\n12345,5\n").await;
        assert_eq!(drift(&second), "");
        assert_eq!(env.visible("uploads/orders/2.csv").await, [r#"{"tip":5,"zip":"12345"}"#]);
    });
}

/// Two objects are checked at once, and nothing is known of either: the one that is late is checked once more, as text.
#[test]
fn of_two_objects_at_once_neither_forgets_the_others_columns() {
    plan(184, "").run(async |env| {
        let numbers_wait = call::remember_columns().meets(Call::Delay(Duration::from_secs(4))).nth(1);
        env.on(numbers_wait);
        env.put("uploads/orders/1.csv", NUMBERS).await;
        env.until("the first one's columns", || env.calls("dynamodb", "PutItem") >= 2).await;
        env.put("uploads/orders/2.csv", "zip,city,tip\n01234,C,1\n").await;
        env.settle().await;
        let known = env.fleet().get_document_for::<KnownColumns>("orders").await.expect("the table");
        let known = known.expect("columns");
        assert_eq!(known.groups[0].columns.keys().collect::<Vec<_>>(), ["city", "tip", "zip"]);
        let texts = [env.visible("uploads/orders/1.csv").await, env.visible("uploads/orders/2.csv").await];
        let drifts =
            [drift(&env.job("uploads/orders/1.csv").await), drift(&env.job("uploads/orders/2.csv").await)];
        assert_eq!(drifts.iter().filter(|it| !it.is_empty()).count(), 1, "{drifts:?}");
        assert!(texts[1][0].ends_with(r#""zip":"01234"}"#), "{texts:?}");
    });
}

/// The columns are remembered and no row is written: the next attempt still says that they are new.
#[test]
fn a_worker_that_dies_after_it_remembered_does_not_take_the_drift_along() {
    plan(185, "").run(async |env| {
        become_of(env, "uploads/orders/1.csv", NUMBERS).await;
        let writes = env.calls("dynamodb", "BatchWriteItem");
        env.on(call::write_rows().meets(Call::Delay(Duration::from_secs(1_200))).nth(1));
        env.put("uploads/orders/2.csv", "zip,city,tip\n01234,C,1\n").await;
        env.kill_at("dynamodb", "BatchWriteItem", writes + 1, KillCause::Infrastructure).await;
        env.settle().await;
        let job = env.job("uploads/orders/2.csv").await;
        job.assert_done().assert_attempt(2);
        assert_eq!(drift(&job), "new: \"tip\"; changed: \"zip\" from number to text");
        assert_eq!(env.visible("uploads/orders/2.csv").await, [r#"{"city":"C","tip":1,"zip":"01234"}"#]);
    });
}

/// The first day of a stack: files of all kinds under one prefix, and one pipeline that takes them.
#[test]
fn files_of_different_kinds_do_not_drift_from_each_other_in_a_pipeline_that_takes_all() {
    TestEnv::plan(186).dedicated_tasks().run(async |env| {
        become_of(env, "uploads/orders-1.csv", "id,code,total\n1,A1,5\n2,B2,6\n").await;
        let people = become_of(env, "uploads/people-1.csv", "code,name,born\n1,ann,1990\n2,bob,1991\n").await;
        assert_eq!(drift(&people), "");
        let texts = r#"{"born":1990,"code":1,"name":"ann"}"#;
        assert_eq!(env.visible("uploads/people-1.csv").await[0], texts, "a code of another kind of file");
        let orders = become_of(env, "uploads/orders-2.csv", "id,code,total,tip\n3,33,7,1\n").await;
        assert_eq!(drift(&orders), "new: \"tip\"");
        let order = r#"{"code":"33","id":3,"tip":1,"total":7}"#;
        assert_eq!(env.visible("uploads/orders-2.csv").await, [order], "text stays text");
    });
}

/// A file of 0 bytes comes over one that has records, which an exporter that failed may leave.
#[test]
fn an_object_that_takes_all_records_away_because_it_may_is_reported() {
    plan(187, "allow_empty = true").run(async |env| {
        become_of(env, "uploads/orders/c.csv", "customer_id,name\nC1,Anna\nC2,Bob\n").await;
        let emptied = become_of(env, "uploads/orders/c.csv", "").await;
        emptied.assert_done();
        let said = "missing: \"customer_id\", \"name\"; no records, where its older version has 2";
        assert_eq!(drift(&emptied), said);
        let again = become_of(env, "uploads/orders/c.csv", "customer_id,name\n").await;
        assert_eq!(drift(&again), "", "its older version has none either");
    });
    plan(188, "on_drift = \"reject\"").run(async |env| {
        become_of(env, "uploads/orders/1.csv", NUMBERS).await;
        become_of(env, "uploads/orders/1.csv", "").await.assert_failed();
        assert_eq!(env.visible("uploads/orders/1.csv").await.len(), 2, "the records stay");
    });
}
