//! The hourly report and its digest.

use domain::sweep::report::Summary;
use localcloud::faults::Call;
use serde_json::json;
use tests::{TestEnv, WorkerFault, call};

use crate::{csv, minutes};

const RAGGED: &str = "id,name\n1,one\n2,two,too many\n3,three\n";

async fn tick(env: &TestEnv, at: &str) {
    env.schedule(json!({ "scheduled_at": at })).await;
    env.quiet().await;
}

async fn summary(env: &TestEnv, hour: &str) -> Summary {
    serde_json::from_str(&env.text(&format!("reports/2026/01/01/{hour}.json")).await).unwrap()
}

#[test]
fn an_hours_report_and_digest_say_what_happened() {
    TestEnv::plan(441).dedicated_tasks().run(async |env| {
        // One after the other, so that every run is the same to the millisecond.
        env.put("uploads/a.csv", csv(1, 3)).await;
        env.settle().await;
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        env.put_without_event("uploads/z lost.csv", csv(1, 2)).await;
        minutes(60).await;
        tick(env, "2026-01-01T01:00:00Z").await;
        let mut lines: Vec<String> =
            env.text("reports/2026/01/01/00.jsonl").await.lines().map(str::to_owned).collect();
        lines.sort_by_key(|line| line.find("a.csv").is_none());
        let digest = env.mails().pop().unwrap();
        let text = format!(
            "{}\n\n{}\n{}\n\n{}",
            lines.join("\n"),
            env.text("reports/2026/01/01/00.json").await,
            digest.subject,
            digest.body
        );
        env.golden_text("hourly-report", &text).await;
        assert_eq!(env.jobs().await.len(), 3, "what lies in reports/ is not watched");
    });
}

#[test]
fn missed_hours_are_reported_later_and_quiet_hours_are_not_mailed() {
    TestEnv::plan(442).dedicated_tasks().run(async |env| {
        env.put("uploads/a.csv", csv(1, 3)).await;
        env.settle().await;
        minutes(62).await;
        tick(env, "2026-01-01T01:00:00Z").await;
        minutes(60).await;
        env.put("uploads/b.csv", csv(1, 3)).await;
        env.settle().await;
        minutes(180).await;
        tick(env, "2026-01-01T05:00:00Z").await;
        for (hour, done) in [("00", 1), ("01", 0), ("02", 1), ("03", 0), ("04", 0)] {
            let summary = summary(env, hour).await;
            assert_eq!(summary.settled.get("done").copied().unwrap_or_default(), done, "{summary:#?}");
            assert_eq!(summary.came_in, done);
        }
        assert_eq!(env.subjects(), ["[tidemill] 00:00-01:00: 1 done", "[tidemill] 02:00-03:00: 1 done"]);
    });
}

#[test]
fn a_job_that_is_replaced_in_the_next_hour_is_still_in_the_report_of_its_own() {
    TestEnv::plan(443).dedicated_tasks().run(async |env| {
        env.put("uploads/a.csv", csv(1, 3)).await;
        env.settle().await;
        minutes(60).await;
        env.put("uploads/a.csv", csv(1, 4)).await;
        env.settle().await;
        tick(env, "2026-01-01T01:00:00Z").await;
        minutes(60).await;
        tick(env, "2026-01-01T02:00:00Z").await;
        let (first, second) = (summary(env, "00").await, summary(env, "01").await);
        assert_eq!((first.came_in, first.records, second.came_in, second.records), (1, 3, 1, 4));
    });
}

#[test]
fn a_report_that_is_interrupted_is_written_by_the_next_sweep() {
    TestEnv::plan(444).dedicated_tasks().run(async |env| {
        env.put("uploads/a.csv", csv(1, 3)).await;
        env.settle().await;
        minutes(62).await;
        env.on(call::write_summary("00").meets(Call::Delay(std::time::Duration::from_secs(600))).nth(1));
        env.next_tasks([WorkerFault::Dies(std::time::Duration::from_secs(60), 1)]);
        tick(env, "2026-01-01T01:00:00Z").await;
        minutes(60).await;
        tick(env, "2026-01-01T02:00:00Z").await;
        assert_eq!(summary(env, "00").await.records, 3);
        let digests = env.subjects().into_iter().filter(|it| it.starts_with("[tidemill] 00:00")).count();
        assert_eq!(digests, 1);
    });
}

#[test]
fn no_digest_is_mailed_when_only_failures_are_asked_for() {
    TestEnv::plan(445).dedicated_tasks().parameter("NotifyOn", "failures").run(async |env| {
        env.put("uploads/a.csv", csv(1, 3)).await;
        env.settle().await;
        minutes(62).await;
        tick(env, "2026-01-01T01:00:00Z").await;
        assert_eq!(summary(env, "00").await.records, 3);
        assert_eq!(env.mails(), []);
    });
}
