//! Launches that are refused, and workers that lose what they do.

use std::time::Duration;

use localcloud::{
    faults::{Call, Partial},
    wire::ApiError,
};
use serde_json::json;
use tests::{JobAsserts, TestEnv, WorkerFault, call};

use super::{KEY, csv, minutes};

fn misconfigured() -> Call {
    Call::Refuse(ApiError::client("ClusterNotFoundException", "Cluster not found."))
}

pub(super) async fn no_room(env: &TestEnv) {
    let reason = "Capacity is unavailable at this time. Please try again later".to_owned();
    let full = Call::Part(Partial::LaunchFailures { reason, detail: None });
    env.on(call::launch_task().meets(full).first(4));
    super::done(env).await;
}

pub(super) async fn held_back(env: &TestEnv) {
    env.on(call::launch_task().meets(misconfigured()));
    env.put(KEY, csv(3)).await;
    minutes(5).await;
    env.cloud().faults().clear();
    env.settle().await;
}

/// λ scaler tells of it, and probes whether it is fixed.
pub(super) async fn held_back_for_long(env: &TestEnv) {
    env.on(call::launch_task().meets(misconfigured()));
    env.put(KEY, csv(3)).await;
    minutes(8).await;
    env.cloud().faults().clear();
    env.settle().await;
    assert_eq!(env.mails().len(), 2, "{:#?}", env.subjects());
}

pub(super) async fn backlog_held_back(env: &TestEnv) {
    env.on(call::launch_task().meets(misconfigured()));
    env.put(KEY, csv(3)).await;
    minutes(1).await;
    super::workers::backlog(env).await;
    minutes(20).await;
    super::workers::backlog(env).await;
}

/// Its claim is gone when it wants to publish: it looks whose the job is.
pub(super) async fn claim_lost(env: &TestEnv) {
    let cancelled = Call::CancelTransaction { code: "ConditionalCheckFailed".to_owned() };
    env.on(call::publish().meets(cancelled).nth(1));
    env.put(KEY, csv(3)).await;
    env.quiet().await;
    env.schedule(json!({ "sweep": {} })).await;
    env.quiet().await;
    assert!(env.calls("dynamodb", "TransactWriteItems") >= 1);
}

pub(super) async fn crashes(env: &TestEnv) {
    env.on(call::publish().meets(Call::Delay(Duration::from_mins(20))));
    env.next_tasks([WorkerFault::Dies(Duration::from_secs(7), 139); 3]);
    env.put(KEY, csv(3)).await;
    env.settle().await;
    env.job(KEY).await.assert_failed();
}
