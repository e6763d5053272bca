//! RunTask in all its moods. What cannot launch waits, and no object has two tasks at a time.

use std::time::Duration;

use localcloud::{
    faults::{Call, Partial},
    wire::{ApiError, Caller},
};
use serde_json::json;
use tests::{DeadLetter, JobAsserts, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

async fn done_at_once(env: &TestEnv) {
    env.settle().await;
    let job = env.job(KEY).await;
    job.assert_done().assert_attempt(1).assert_counted(0);
    assert_eq!(env.ecs_launches(), 1);
    assert_eq!(env.visible(KEY).await, records(1, 5));
    assert_eq!(env.mails().len(), 0);
    assert_eq!(env.dead_letters().await, []);
}

#[test]
fn a_lost_answer_leaves_one_task_when_the_sdk_asks_again() {
    TestEnv::plan(41).dedicated_tasks().run(async |env| {
        env.on(call::launch_task().meets(Call::LoseAnswer).nth(1));
        env.put(KEY, csv(1, 5)).await;
        done_at_once(env).await;
        assert_eq!(env.calls("ecs", "RunTask"), 2);
    });
}

#[test]
fn answers_lost_for_good_leave_one_task_when_the_message_comes_again() {
    TestEnv::plan(42).with_transcript().dedicated_tasks().run(async |env| {
        env.on(call::launch_task().meets(Call::LoseAnswer).first(3));
        env.put(KEY, csv(1, 5)).await;
        done_at_once(env).await;
        assert_eq!(env.calls("ecs", "RunTask"), 4);
        env.golden("lost-run-task-answer").await;
    });
}

#[test]
fn launch_failures_in_a_200_defer_the_launch() {
    TestEnv::plan(43).with_transcript().dedicated_tasks().run(async |env| {
        let reason = "Capacity is unavailable at this time. Please try again later".to_owned();
        let full = Call::Part(Partial::LaunchFailures { reason, detail: None });
        env.on(call::launch_task().meets(full).first(4));
        env.put(KEY, csv(1, 5)).await;
        done_at_once(env).await;
        env.golden("launch-deferred").await;
    });
}

#[test]
fn hours_without_capacity_lose_nothing() {
    TestEnv::plan(44).dedicated_tasks().scheduled().run(async |env| {
        let detail = Some("You've reached the limit on the number of vCPUs".to_owned());
        let full = Call::Part(Partial::LaunchFailures { reason: "RESOURCE:FARGATE".to_owned(), detail });
        env.on(call::launch_task().meets(full).first(80));
        env.put(KEY, csv(1, 5)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(1).assert_counted(0);
        assert_eq!(env.visible(KEY).await, records(1, 5));
        // The hour's sweep could not be launched either: a person hears of that, and the next one makes up for it.
        let of_sweep = |dead_letter: &DeadLetter| dead_letter.body.contains("ScheduleFunction");
        assert!(env.dead_letters().await.iter().all(of_sweep));
        let waited = job.settled_at().unwrap().duration_since(job.created_at);
        assert!(waited.as_hours() >= 1, "{waited:?}");
    });
}

#[test]
fn throttles_in_either_form_defer_the_launch() {
    let disguised = ApiError::client(
        "InvalidParameterException",
        "Error retrieving subnet information (ErrorCode: Throttling): Rate exceeded",
    );
    for throttle in [Call::Throttle, Call::Refuse(disguised)] {
        TestEnv::plan(45).dedicated_tasks().scheduled().run(async |env| {
            env.on(call::launch_task().meets(throttle.clone()).first(7));
            env.put(KEY, csv(1, 5)).await;
            done_at_once(env).await;
        });
    }
}

#[test]
fn the_task_that_a_conflict_names_is_adopted() {
    TestEnv::plan(46).dedicated_tasks().run(async |env| {
        env.on(call::launch_task().meets(Call::Throttle).first(3));
        env.put(KEY, csv(1, 5)).await;
        env.until("the job", || env.calls("sqs", "SendMessage") == 1).await;
        // The same launch with other parameters, as from before a deploy.
        let job = env.job(KEY).await;
        let resources = &env.cloud().stack().resources;
        let variables = json!([
            { "name": "TIDEMILL_JOB", "value": job.id },
            { "name": "TIDEMILL_ATTEMPT", "value": "1" },
        ]);
        let request = json!({
            "cluster": resources["Cluster"].name,
            "taskDefinition": resources["WorkerTask"].name,
            "launchType": "FARGATE",
            "clientToken": job.id.launch_token(1),
            "startedBy": job.id,
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"], "securityGroups": ["sg-1"] } },
            "overrides": { "containerOverrides": [{ "name": "worker", "environment": variables }] },
        });
        let answer = env.ecs().call("RunTask", request, &Caller::owner()).await.unwrap();
        let arn = answer["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
        env.until("the launch", || env.calls("ecs", "RunTask") == 4).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(env.job(KEY).await.task.as_deref(), Some(&*arn));
        done_at_once(env).await;
    });
}
