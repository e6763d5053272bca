//! Objects whose events were lost.

use std::time::Duration;

use domain::{audit::AuditKind, job::Job};
use localcloud::{
    faults::{Call, Rule},
    wire::ApiError,
};
use serde_json::json;
use tests::{JobAsserts, TestEnv, WorkerFault, call};

use crate::{csv, minutes, records};

const KEY: &str = "uploads/people.csv";

#[test]
fn objects_without_an_event_are_found() {
    TestEnv::plan(401).dedicated_tasks().run(async |env| {
        env.put("uploads/with-event.csv", csv(1, 2)).await;
        for n in 0..3 {
            env.put_without_event(&format!("uploads/lost {n}+%.csv"), csv(n * 10, 3)).await;
        }
        env.put_without_event("uploads/read.md", "nothing is made of it").await;
        env.put_without_event("elsewhere/a.csv", csv(1, 1)).await;
        minutes(11).await;
        assert_eq!(env.jobs().await.len(), 1);
        env.swept().await;
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 4);
        for n in 0..3 {
            let key = format!("uploads/lost {n}+%.csv");
            env.job(&key).await.assert_done();
            assert_eq!(env.visible(&key).await, records(n * 10, 3));
        }
        assert_eq!(env.dead_letters().await, []);
        let jobs = env.jobs().await;
        env.swept().await;
        assert_eq!(env.jobs().await, jobs, "a second sweep finds nothing more");
    });
}

#[test]
fn keys_that_sqs_does_not_carry_are_found_with_all_others() {
    TestEnv::plan(416).dedicated_tasks().run(async |env| {
        let odd = ["uploads/07 \u{fffe}.csv".to_owned(), "uploads/23 \u{ffff} ü.csv".to_owned()];
        let plain = (0..38).map(|n| format!("uploads/{n:02}.csv"));
        let keys: Vec<String> = plain.chain(odd).collect();
        for key in &keys {
            env.put_without_event(key, csv(1, 2)).await;
        }
        minutes(11).await;
        env.swept().await;
        env.settle().await;
        for key in &keys {
            env.job(key).await.assert_done();
            assert_eq!(env.visible(key).await, records(1, 2), "{key:?}");
        }
        // The digest of the hour is mailed too, since the sweep found something.
        let failures = env.subjects().into_iter().filter(|subject| subject.contains("failed"));
        assert_eq!(failures.collect::<Vec<_>>(), Vec::<String>::new(), "nothing failed");
    });
}

#[test]
fn an_object_that_cannot_be_handed_on_is_named_and_stops_no_other() {
    TestEnv::plan(417).dedicated_tasks().run(async |env| {
        for n in 0..40 {
            env.put_without_event(&format!("uploads/{n:02}.csv"), csv(1, 2)).await;
        }
        minutes(62).await;
        let of_one = |input: &serde_json::Value| {
            input["MessageBody"].as_str().is_some_and(|it| it.contains("/07.csv"))
        };
        let refusal = Call::Refuse(ApiError::client("InvalidMessageContents", "Invalid characters found."));
        env.on(Rule::new("sqs", "SendMessage", refusal).when(of_one));
        env.swept().await;
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 39, "all others were recovered by the one sweep");
        let report = env.text("reports/2026/01/01/00.json").await;
        assert!(report.contains("/uploads/07.csv"), "the report names the object: {report}");
        let mails = env.mails();
        let failed = mails.iter().any(|mail| mail.subject.starts_with("[tidemill] failed: the sweep "));
        assert!(failed, "the sweep fails as a whole: {:?}", env.subjects());
    });
}

#[test]
fn an_object_whose_event_may_be_under_way_is_left_alone() {
    TestEnv::plan(402).dedicated_tasks().run(async |env| {
        env.put_without_event(KEY, csv(1, 2)).await;
        minutes(5).await;
        env.swept().await;
        assert_eq!(env.jobs().await, []);
        minutes(6).await;
        env.swept().await;
        env.job(KEY).await.assert_done();
    });
}

#[test]
fn of_several_lost_versions_of_one_key_the_newest_is_visible_in_the_end() {
    for seed in 403..409 {
        TestEnv::plan(seed).dedicated_tasks().run(async |env| {
            for n in 1..=4 {
                env.put_without_event(KEY, csv(n * 100, n)).await;
                minutes(1).await;
            }
            minutes(11).await;
            env.swept().await;
            env.settle().await;
            assert_eq!(env.jobs().await.len(), 4);
            assert_eq!(env.visible(KEY).await, records(400, 4));
        });
    }
}

#[test]
fn an_event_that_comes_after_the_sweep_is_a_duplicate() {
    TestEnv::plan(410).dedicated_tasks().run(async |env| {
        let event = env.put_without_event(KEY, csv(1, 2)).await;
        minutes(11).await;
        env.swept().await;
        let swept = env.job(KEY).await;
        swept.assert_done();
        env.cloud().services().events.emit(event);
        env.settle().await;
        let job = env.job(KEY).await;
        assert_eq!(job.audit.last().map(|note| note.kind), Some(AuditKind::Duplicate));
        assert_eq!(Job { audit: swept.audit.clone(), ..job }, swept, "nothing else");
    });
}

#[test]
fn a_date_range_is_the_backfill() {
    TestEnv::plan(411).dedicated_tasks().run(async |env| {
        env.put_without_event("uploads/old/a.csv", csv(1, 2)).await;
        env.put_without_event("uploads/old/b.csv", csv(3, 2)).await;
        env.put_without_event("uploads/other.csv", csv(5, 2)).await;
        minutes(60 * 24 * 60).await;
        env.swept().await;
        assert_eq!(env.jobs().await, [], "older than anything the hourly sweep looks at");
        env.sweep(json!({ "since": "90d", "until": "59d", "prefix": "uploads/old/" })).await;
        env.settle().await;
        let keys: Vec<_> = env.jobs().await.into_iter().map(|job| job.object.key).collect();
        assert_eq!(keys, ["uploads/old/a.csv", "uploads/old/b.csv"]);
        env.sweep(json!({ "since": "2025-12-31T00:00:00Z" })).await;
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 3);
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    TestEnv::plan(412).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        env.put(KEY, csv(1, 2)).await;
        env.settle().await;
        env.put_without_event("uploads/lost.csv", csv(1, 2)).await;
        minutes(60 * 50).await;
        let (tables, keys, mails) = (env.tables(), env.keys().await, env.mails().len());
        env.sweep(json!({ "since": "7d", "dry_run": true })).await;
        env.quiet().await;
        assert_eq!(env.tables(), tables);
        assert_eq!((env.keys().await, env.mails().len()), (keys, mails));
        env.sweep(json!({ "since": "7d" })).await;
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 3, "there was something to do");
    });
}

#[test]
fn of_two_sweeps_at_once_one_leaves() {
    TestEnv::plan(413).dedicated_tasks().run(async |env| {
        env.fault("s3", "ListObjectVersions", Call::Delay(Duration::from_secs(90)));
        env.sweep(json!({})).await;
        env.sweep(json!({})).await;
        env.quiet().await;
        assert_eq!(env.calls("s3", "ListObjectVersions"), 1);
        let codes: Vec<_> = env.ecs().tasks().into_iter().map(|task| task.exit_codes).collect();
        assert_eq!(codes, [[Some(0)], [Some(0)]]);
        assert_eq!(env.mails(), []);
        env.swept().await;
        assert_eq!(env.calls("s3", "ListObjectVersions"), 2, "the lease was given back");
    });
}

#[test]
fn a_backfill_waits_for_its_turn() {
    TestEnv::plan(415).dedicated_tasks().run(async |env| {
        env.put_without_event(KEY, csv(1, 2)).await;
        minutes(60 * 24 * 7).await;
        env.on(Rule::new("s3", "ListObjectVersions", Call::Delay(Duration::from_secs(600))).nth(1));
        env.sweep(json!({})).await;
        minutes(2).await;
        env.sweep(json!({ "since": "30d" })).await;
        env.settle().await;
        env.job(KEY).await.assert_done();
    });
}

#[test]
fn the_work_of_a_killed_sweep_is_done_by_the_next_and_its_failure_is_mailed() {
    TestEnv::plan(414).dedicated_tasks().run(async |env| {
        for n in 0..30 {
            env.put_without_event(&format!("uploads/{n}.csv"), csv(n * 10, 3)).await;
        }
        minutes(11).await;
        // It dies after it has queued some.
        env.on(call::send_object().meets(Call::Delay(Duration::from_secs(900))).nth(12));
        env.next_tasks([WorkerFault::Dies(Duration::from_secs(20), 137)]);
        env.sweep(json!({})).await;
        env.until("a killed sweep", || env.ecs().tasks()[0].exit_codes == [Some(137)]).await;
        env.quiet().await;
        let recorded = env.jobs().await.len();
        assert!((1..30).contains(&recorded), "{recorded}");
        minutes(1).await;
        env.swept().await;
        env.settle().await;
        assert_eq!(env.jobs().await.len(), 30);
        let failed =
            env.subjects().into_iter().filter(|it| it.starts_with("[tidemill] failed: the sweep ")).count();
        assert_eq!(failed, 1, "{:?}", env.subjects());
    });
}
