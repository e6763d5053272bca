//! Pooled workers: who launches them, what they do with their messages, and tasks that never start.

use std::time::Duration;

use localcloud::{ecs::Timing, faults::Call};
use serde_json::json;
use tests::{JobAsserts, TIMING, TestEnv, call};

use super::{KEY, csv, minutes};

pub(super) const NEVER: Timing = Timing { provisioning: Duration::from_hours(9), ..TIMING };

/// A request to process an object that has an older version; the events of both were lost.
async fn ask(env: &TestEnv) {
    env.put_without_event(KEY, csv(2)).await;
    env.put_without_event(KEY, csv(3)).await;
    let ask = json!({ "tidemill": 1, "bucket": env.bucket(), "key": KEY });
    env.send("JobsQueue", &ask.to_string());
}

pub(super) async fn by_the_alarm(env: &TestEnv) {
    ask(env).await;
    env.settle().await;
    env.job(KEY).await.assert_done();
}

pub(super) async fn by_the_minute(env: &TestEnv) {
    ask(env).await;
    env.cloud().fire("ScalerFunctionEveryMinute").unwrap();
    env.settle().await;
    env.job(KEY).await.assert_done();
}

pub(super) async fn retry(env: &TestEnv) {
    env.on(call::read_object().meets(Call::Throttle).first(6));
    super::done(env).await;
}

pub(super) async fn long(env: &TestEnv) {
    env.on(call::read_object().meets(Call::Delay(Duration::from_secs(45))).nth(1));
    super::done(env).await;
}

/// Has λ backlog look at the fleet.
pub(super) async fn backlog(env: &TestEnv) {
    let function = &env.cloud().stack().resources["BacklogFunction"].name;
    // Its answer is not what is asked for here: it may be that it cannot launch.
    let _ = env.cloud().services().lambda.invoke(function, json!({})).await;
}

/// A task was launched, and has not started after this time; the next would.
async fn not_started(env: &TestEnv, after: u64) {
    env.put(KEY, csv(3)).await;
    env.until("a launch", || env.ecs_launches() == 1).await;
    minutes(after).await;
    env.ecs().set_timing(TIMING);
}

async fn stopped(env: &TestEnv) {
    env.until("a stop", || env.calls("ecs", "StopTask") > 0).await;
}

pub(super) async fn not_started_for_the_sweep(env: &TestEnv) {
    not_started(env, 40).await;
    env.swept().await;
    env.settle().await;
    assert_eq!(env.calls("ecs", "StopTask"), 1);
}

pub(super) async fn not_started_for_backlog(env: &TestEnv) {
    not_started(env, 12).await;
    backlog(env).await;
    stopped(env).await;
}

pub(super) async fn not_started_for_scaler(env: &TestEnv) {
    not_started(env, 12).await;
    env.cloud().fire("ScalerFunctionEveryMinute").unwrap();
    stopped(env).await;
}
