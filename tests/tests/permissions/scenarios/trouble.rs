//! Launches that are refused, and workers that lose what they do.

use std::time::Duration;

use domain::job::State;
use localcloud::{
    faults::{Fault, Partial, Rule},
    wire::Refusal,
};
use serde_json::json;
use tests::{Accident, World};

use super::{KEY, csv, minutes};

fn misconfigured() -> Fault {
    Fault::Refuse(Refusal::client("ClusterNotFoundException", "Cluster not found."))
}

pub(super) async fn no_room(world: &World) {
    let reason = "Capacity is unavailable at this time. Please try again later".to_owned();
    let full = Fault::Part(Partial::LaunchFailures { reason, detail: None });
    world.on(Rule::new("ecs", "RunTask", full).first(4));
    super::done(world).await;
}

pub(super) async fn held_back(world: &World) {
    world.fault("ecs", "RunTask", misconfigured());
    world.put(KEY, csv(3)).await;
    minutes(5).await;
    world.cloud().faults().clear();
    world.settle().await;
}

/// λ scaler tells of it, and tries whether it is mended.
pub(super) async fn held_back_for_long(world: &World) {
    world.fault("ecs", "RunTask", misconfigured());
    world.put(KEY, csv(3)).await;
    minutes(8).await;
    world.cloud().faults().clear();
    world.settle().await;
    assert_eq!(world.mails().len(), 2, "{:#?}", world.subjects());
}

pub(super) async fn backlog_held_back(world: &World) {
    world.fault("ecs", "RunTask", misconfigured());
    world.put(KEY, csv(3)).await;
    minutes(1).await;
    super::workers::backlog(world).await;
    minutes(20).await;
    super::workers::backlog(world).await;
}

/// Its claim is gone when it wants to publish: it looks whose the job is.
pub(super) async fn claim_lost(world: &World) {
    let cancelled = Fault::CancelTransaction { code: "ConditionalCheckFailed".to_owned() };
    world.on(Rule::new("dynamodb", "TransactWriteItems", cancelled).nth(1));
    world.put(KEY, csv(3)).await;
    world.quiet().await;
    world.schedule(json!({ "sweep": {} })).await;
    world.quiet().await;
    assert!(world.calls("dynamodb", "TransactWriteItems") >= 1);
}

pub(super) async fn crashes(world: &World) {
    world.fault("dynamodb", "TransactWriteItems", Fault::Delay(Duration::from_mins(20)));
    world.next_tasks([Accident::Dies(Duration::from_secs(7), 139); 3]);
    world.put(KEY, csv(3)).await;
    world.settle().await;
    assert_eq!(world.job(KEY).await.state, State::Failed);
}
