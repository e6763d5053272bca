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
            (json!({ "sweep": { "since": "soon" } }), "neither a tick nor a sweep"),
            (json!({}), "neither a tick nor a sweep"),
        ] {
            let error = env.cloud().services().lambda.invoke(function, ask).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(env.ecs_launches(), 0);
    });
}
