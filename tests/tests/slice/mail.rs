//! Mails: one for each failure, and one dead-letter message for each.

use localcloud::{faults::Call, wire::ApiError};
use tests::{Contents, JobAsserts, TestEnv, call};

use crate::{csv, records};

const RAGGED: &str = "id,name\n1,one\n2,two,too many\n3,three\n";

#[test]
fn bad_input_fails_with_its_row_named_and_nothing_visible() {
    TestEnv::plan(71).with_transcript().dedicated_tasks().run(async |env| {
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        let job = env.job("uploads/ragged.csv").await;
        job.assert_failed().assert_attempt(1).assert_counted(1);
        assert_eq!(env.contents(), Contents::default());
        assert_eq!(env.mails().len(), 1);
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters.len(), 1);
        assert_eq!(dead_letters[0].reason, job.reason().map(|reason| reason.code.to_string()));
        env.golden("bad-input").await;
    });
}

#[test]
fn a_failure_is_mailed_after_a_crash_before_its_mail() {
    TestEnv::plan(72).dedicated_tasks().run(async |env| {
        let broken = ApiError::client("InternalError", "out of order").with_status(500);
        env.on(call::send_mail().meets(Call::Refuse(broken)).first(4));
        env.put("uploads/ragged.csv", RAGGED).await;
        env.put("uploads/good.csv", csv(1, 2)).await;
        env.settle().await;
        let subjects = env.subjects();
        assert_eq!(subjects.len(), 1, "what is done is in the digest: {subjects:?}");
        assert!(subjects[0].starts_with("[tidemill] failed: uploads/ragged.csv"));
        assert!(!env.dead_letters().await.is_empty());
    });
}

#[test]
fn the_record_of_a_mail_is_written_again_when_it_was_lost() {
    TestEnv::plan(73).dedicated_tasks().run(async |env| {
        env.on(call::mark_notified().meets(Call::LoseAnswer).first(3));
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        assert_eq!(env.mails().len(), 1, "the note was made, only its answer was lost");
    });
}

#[test]
fn without_mails_a_failure_still_has_its_dead_letter() {
    for (notify_on, mails) in [("all", 1), ("failures", 1), ("none", 0)] {
        TestEnv::plan(74).parameter("NotifyOn", notify_on).dedicated_tasks().run(async |env| {
            env.put("uploads/ragged.csv", RAGGED).await;
            env.put("uploads/good.csv", csv(1, 2)).await;
            env.settle().await;
            assert_eq!(env.subjects().len(), mails);
            assert_eq!(env.dead_letters().await.len(), 1);
        });
    }
}

#[test]
fn rejected_rows_are_stored_outside_the_watched_prefix() {
    let pipelines = r#"
version = 1
[[pipeline]]
name = "careful"
match = { prefix = "uploads/" }
bad_rows = "quarantine"
max_rejected = "100%"
"#;
    TestEnv::plan(75).pipelines(pipelines).dedicated_tasks().run(async |env| {
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        let job = env.job("uploads/ragged.csv").await;
        job.assert_done().assert_records(2).assert_rejected(1);
        assert!(job.rejects().unwrap().to_string().starts_with("1 ragged_row; the first: line 3: "));
        assert_eq!(
            env.visible("uploads/ragged.csv").await,
            [r#"{"id":1,"name":"one"}"#, r#"{"id":3,"name":"three"}"#]
        );
        let rejects = format!("rejects/uploads/ragged.csv/{}.jsonl", job.id);
        assert_eq!(env.keys().await, [rejects.clone(), "uploads/ragged.csv".to_owned()]);
        let lines = env.text(&rejects).await;
        let reject: serde_json::Value = serde_json::from_str(lines.trim_end()).unwrap();
        assert_eq!(
            (&reject["row"], &reject["line"], &reject["raw"]),
            (&2.into(), &3.into(), &"2,two,too many".into())
        );
        assert_eq!(env.jobs().await.len(), 1, "the rejects object became no job");
        assert_eq!(env.ecs_launches(), 1);
    });
}

#[test]
fn rows_are_repaired_where_the_pipeline_asks_for_it_and_say_so() {
    let pipelines = r#"
version = 1
[[pipeline]]
name = "lenient"
match = { prefix = "uploads/" }
bad_rows = "repair"
delimiter = ","
header = true
quote = "\""
columns = { id = "number" }
max_rejected = "50%"
"#;
    TestEnv::plan(77).pipelines(pipelines).dedicated_tasks().run(async |env| {
        env.put("uploads/a.csv", "id,name\n1,one\n2\n3,three\nx,four\n").await;
        env.settle().await;
        let job = env.job("uploads/a.csv").await;
        job.assert_done().assert_records(3).assert_rejected(1);
        assert_eq!(job.repaired(), 1);
        let records = env.visible("uploads/a.csv").await;
        assert!(
            records[1].contains(r#""_tidemill":{"#) && records[1].contains("short_row"),
            "{}",
            records[1]
        );
        assert_eq!([&records[0], &records[2]], [r#"{"id":1,"name":"one"}"#, r#"{"id":3,"name":"three"}"#]);
        let rejects = env.text(&format!("rejects/uploads/a.csv/{}.jsonl", job.id)).await;
        assert!(rejects.contains("wrong_type") && rejects.contains("x,four"), "{rejects}");
    });
}

#[test]
fn bad_rows_that_may_be_skipped_are_counted() {
    let pipelines = r#"
version = 1
[[pipeline]]
name = "easy"
match = { prefix = "uploads/" }
bad_rows = "skip"
max_rejected = "100%"
"#;
    TestEnv::plan(76).pipelines(pipelines).dedicated_tasks().run(async |env| {
        env.put("uploads/ragged.csv", RAGGED).await;
        env.put("uploads/good.csv", csv(1, 2)).await;
        env.settle().await;
        assert_eq!(env.job("uploads/ragged.csv").await.rejected(), 1);
        assert_eq!(env.visible("uploads/good.csv").await, records(1, 2));
        assert_eq!(env.keys().await, ["uploads/good.csv", "uploads/ragged.csv"]);
    });
}

#[test]
fn rejected_rows_are_counted_by_reason_and_column() {
    let pipelines = r#"
version = 1
[[pipeline]]
name = "orders"
match = { prefix = "uploads/" }
columns = { total = "number" }
bad_rows = "skip"
max_rejected = "50%"
"#;
    TestEnv::plan(78).pipelines(pipelines).dedicated_tasks().run(async |env| {
        env.put("uploads/some.csv", "id,total\n1,5\n2,much\n3\n4,more\n5,6\n6,7\n7,8\n").await;
        env.put("uploads/most.csv", "id,total\n1\n2,much\n3,more\n4,5\n").await;
        env.settle().await;
        let some = env.job("uploads/some.csv").await;
        some.assert_done().assert_records(4).assert_rejected(3);
        let rejects = some.rejects().unwrap().to_string();
        let expected = "2 wrong_type in total, 1 ragged_row; the first: line 3: the value \"much\" of column \"total\"";
        assert!(rejects.starts_with(expected), "{rejects}");
        let most = env.job("uploads/most.csv").await;
        most.assert_failed().assert_reason("too_many_rejected");
        let expected = "3 of 4 rows are rejected, 75.00 %, where max_rejected allows 50.00 %: 2 wrong_type in total, \
                        1 ragged_row; the first: line 2: 1 field";
        let said = &most.reason().unwrap().message;
        assert!(said.starts_with(expected), "{said}");
        let mails = env.mails();
        assert_eq!(mails.len(), 1);
        assert!(mails[0].body.contains(expected), "{}", mails[0].body);
    });
}
