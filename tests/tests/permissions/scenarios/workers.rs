//! Pooled workers: who launches them, what they do with their messages, and tasks that never start.

use std::time::Duration;

use domain::job::State;
use localcloud::{
    ecs::Timing,
    faults::{Fault, Rule},
};
use serde_json::json;
use tests::{TIMING, World};

use super::{KEY, csv, minutes};

pub(super) const NEVER: Timing = Timing { provisioning: Duration::from_hours(9), ..TIMING };

/// An object that somebody asks for at the entrance, which has an older version; nobody was told of either.
async fn ask(world: &World) {
    world.put_silently(KEY, csv(2)).await;
    world.put_silently(KEY, csv(3)).await;
    let ask = json!({ "tidemill": 1, "bucket": world.bucket(), "key": KEY });
    world.send("JobsQueue", &ask.to_string());
}

pub(super) async fn by_the_alarm(world: &World) {
    ask(world).await;
    world.settle().await;
    assert_eq!(world.job(KEY).await.state, State::Done);
}

pub(super) async fn by_the_minute(world: &World) {
    ask(world).await;
    world.cloud().fire("ScalerFunctionEveryMinute").unwrap();
    world.settle().await;
    assert_eq!(world.job(KEY).await.state, State::Done);
}

pub(super) async fn retry(world: &World) {
    world.on(Rule::new("s3", "GetObject", Fault::Throttle).first(6));
    super::done(world).await;
}

pub(super) async fn long(world: &World) {
    world.on(Rule::new("s3", "GetObject", Fault::Delay(Duration::from_secs(45))).nth(1));
    super::done(world).await;
}

/// Has λ backlog look at the fleet.
pub(super) async fn backlog(world: &World) {
    let function = &world.cloud().stack().resources["BacklogFunction"].name;
    // Its answer is not what is asked for here: it may be that it cannot launch.
    let _ = world.cloud().services().lambda.invoke(function, json!({})).await;
}

/// A task was launched, and has not started after this time; the next would.
async fn not_started(world: &World, after: u64) {
    world.put(KEY, csv(3)).await;
    world.until("a launch", || world.ecs_launches() == 1).await;
    minutes(after).await;
    world.ecs().set_timing(TIMING);
}

async fn stopped(world: &World) {
    world.until("a stop", || world.calls("ecs", "StopTask") > 0).await;
}

pub(super) async fn not_started_for_the_sweep(world: &World) {
    not_started(world, 40).await;
    world.swept().await;
    world.settle().await;
    assert_eq!(world.calls("ecs", "StopTask"), 1);
}

pub(super) async fn not_started_for_backlog(world: &World) {
    not_started(world, 12).await;
    backlog(world).await;
    stopped(world).await;
}

pub(super) async fn not_started_for_scaler(world: &World) {
    not_started(world, 12).await;
    world.cloud().fire("ScalerFunctionEveryMinute").unwrap();
    stopped(world).await;
}
