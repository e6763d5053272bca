//! λ schedule: ticks, schedules, and what is asked for by hand.

use localcloud::faults::Call;
use serde_json::{Value, json};
use tests::{TestEnv, call};

const PIPELINES: &str = r#"
version = 1
[[pipeline]]
name = "all"
match = { prefix = "uploads/" }
[[schedule]]
name = "nightly"
cron = "0 3 * * ? *"
command = ["python3", "report.py"]
[[schedule]]
name = "backfill"
cron = "0 3 ? * THU *"
timezone = "Europe/Berlin"
sweep = { prefix = "uploads/orders/", since = "7d" }
"#;

fn launched(answer: &Value) -> Vec<&str> {
    answer.as_array().unwrap().iter().map(|it| it["started_by"].as_str().unwrap()).collect()
}

#[test]
fn a_tick_launches_what_is_due_and_a_repeated_one_nothing_more() {
    TestEnv::plan(451).pipelines(PIPELINES).dedicated_tasks().run(async |env| {
        let tick = || env.schedule(json!({ "scheduled_at": "2026-01-01T02:00:00Z" }));
        let answer = tick().await;
        assert_eq!(launched(&answer), ["sweep/20260101T02", "sweep/backfill-20260101T02"]);
        assert_eq!(tick().await, answer, "the same tasks");
        assert_eq!(env.ecs_launches(), 2);
        let answer = env.schedule(json!({ "scheduled_at": "2026-01-01T03:00:00Z" })).await;
        assert_eq!(launched(&answer), ["sweep/20260101T03", "command/nightly/20260101T03"]);
        env.quiet().await;
        // No process can be run here, so the command fails: and that is mailed.
        assert_eq!(env.subjects(), ["[tidemill] failed: the command nightly (command_crashed)"]);
        let body = &env.mails()[0].body;
        assert!(body.contains("\n  tidemill schedule run nightly\n"), "{body}");
        assert!(body.contains("\nLast log lines\n  ") && body.contains("failed to start the task"), "{body}");
    });
}

#[test]
fn a_schedule_is_run_by_hand_and_its_runs_are_kept() {
    TestEnv::plan(454).pipelines(PIPELINES).dedicated_tasks().run(async |env| {
        let answer = env.schedule(json!({ "schedule": { "name": "nightly" } })).await;
        assert!(launched(&answer)[0].starts_with("command/nightly/by-hand-"), "{answer}");
        let again = env.schedule(json!({ "schedule": { "name": "backfill" } })).await;
        assert!(launched(&again)[0].starts_with("sweep/backfill-by-hand-"), "{again}");
        env.quiet().await;
        let runs = env.tables().into_iter().find(|item| item["id"]["S"] == "schedule_runs:1").unwrap();
        let code =
            |schedule: &str| runs["runs"]["M"][schedule]["L"][0]["M"]["verdict"]["M"]["code"]["S"].clone();
        assert_eq!((code("nightly"), code("backfill")), (json!("command_crashed"), json!("succeeded")));
        let function = &env.cloud().stack().resources["ScheduleFunction"].name;
        let unknown = json!({ "schedule": { "name": "weekly" } });
        let error = env.cloud().services().lambda.invoke(function, unknown).await.unwrap_err();
        assert!(error.to_string().contains("the pipelines file has nightly, backfill"), "{error}");
        let answer = env.schedule(json!({ "pipelines": {} })).await;
        assert!(answer["pipelines"].as_str().unwrap().contains("name = \"nightly\""), "{answer}");
    });
}

#[test]
fn a_launch_that_fails_fails_the_invocation_after_the_others_were_tried() {
    TestEnv::plan(452).pipelines(PIPELINES).dedicated_tasks().run(async |env| {
        env.on(call::launch_task().meets(Call::Throttle).first(3));
        let function = &env.cloud().stack().resources["ScheduleFunction"].name;
        let tick = json!({ "scheduled_at": "2026-01-01T03:00:00Z" });
        let lambda = &env.cloud().services().lambda;
        let error = lambda.invoke(function, tick.clone()).await.unwrap_err();
        assert!(error.to_string().contains("sweep/20260101T03"), "{error}");
        assert_eq!(env.ecs_launches(), 1, "the command's task is there");
        lambda.invoke(function, tick).await.unwrap();
        assert_eq!(env.ecs_launches(), 2);
    });
}

#[test]
fn a_wrong_argument_is_refused_before_a_task_is_launched() {
    TestEnv::plan(453).dedicated_tasks().run(async |env| {
        let function = &env.cloud().stack().resources["ScheduleFunction"].name;
        for (ask, words) in [
            (json!({ "sweep": { "since": "1m" } }), "is after until"),
            (json!({ "sweep": { "since": "soon" } }), "the event is not known"),
            (json!({}), "the event is not known"),
        ] {
            let error = env.cloud().services().lambda.invoke(function, ask).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(env.ecs_launches(), 0);
    });
}
