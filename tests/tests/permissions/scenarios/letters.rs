//! Whoever has to be told: mails, and what ends in the dead-letter queue.

use std::time::Duration;

use domain::job::State;
use localcloud::{
    faults::{Fault, Rule},
    wire::Refusal,
};
use serde_json::json;
use tests::World;

use super::{KEY, RAGGED, buried, csv, minutes};

pub(super) async fn bad(world: &World) {
    world.put(KEY, RAGGED).await;
    world.settle().await;
    assert_eq!(world.mails().len(), 1);
    assert_eq!(world.dead_letters().await.len(), 1);
}

/// The address that hears of failures takes no mails.
pub(super) async fn bounced(world: &World) {
    world.cloud().services().sns.bounce("ops@example.com");
    world.put(KEY, RAGGED).await;
    world.settle().await;
    assert_eq!((world.mails().len(), world.dead_letters().await.len()), (0, 2), "the job's, and the mail");
}

pub(super) async fn folded(world: &World) {
    for n in 0..6 {
        world.put(&format!("uploads/{n}.csv"), RAGGED).await;
    }
    world.settle().await;
    minutes(3).await;
    assert_eq!(world.mails().len(), 4, "{:#?}", world.subjects());
}

/// The sweep has told what λ stops could not.
pub(super) async fn untold(world: &World) {
    let broken = Refusal::client("InternalError", "out of order").with_status(500);
    world.on(Rule::new("sns", "Publish", Fault::Refuse(broken)).first(15));
    world.put(KEY, RAGGED).await;
    world.quiet().await;
    assert_eq!(world.job(KEY).await.notified_at, None);
    minutes(31).await;
    world.swept().await;
    world.settle().await;
    assert!(world.job(KEY).await.notified_at.is_some());
}

/// On both queues that anybody may send to.
pub(super) async fn nonsense(world: &World) {
    world.send("UploadsQueue", "nonsense");
    world.send("JobsQueue", "nonsense");
    world.put(KEY, csv(3)).await;
    world.settle().await;
    assert_eq!(world.dead_letters().await.len(), 2);
}

/// Somebody has deleted the queues by hand: what their rules match is kept.
pub(super) async fn no_queues(world: &World) {
    let services = world.cloud().services();
    let resources = &world.cloud().stack().resources;
    for queue in ["UploadsQueue", "StopsQueue"] {
        let url = &resources[queue].physical_id;
        services.sqs.call("DeleteQueue", json!({ "QueueUrl": url })).await.unwrap();
    }
    services.events.emit(json!({
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": { "bucket": { "name": world.bucket() }, "object": { "key": KEY } },
    }));
    services.events.emit(json!({
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": { "clusterArn": resources["Cluster"].arn, "lastStatus": "STOPPED" },
    }));
    buried(world, 2).await;
}

/// Each of the functions that are invoked without anybody waiting fails as often as it is tried.
pub(super) async fn failing(world: &World) {
    let refused = Refusal::client("ValidationException", "not today");
    world.fault("dynamodb", "BatchGetItem", Fault::Refuse(refused.clone()));
    world.fault("ecs", "RunTask", Fault::Refuse(refused));
    let cloud = world.cloud();
    alarm(world);
    cloud.fire("ScalerFunctionEveryMinute").unwrap();
    cloud.fire("ScheduleFunctionEveryHour").unwrap();
    buried(world, 3).await;
}

pub(super) async fn undeliverable(world: &World) {
    alarm(world);
    world.cloud().fire("ScalerFunctionEveryMinute").unwrap();
    world.cloud().fire("ScheduleFunctionEveryHour").unwrap();
    buried(world, 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.jobs().await.iter().filter(|job| job.state == State::Running).count(), 0);
}

/// The backlog alarm says that jobs wait.
fn alarm(world: &World) {
    world.cloud().services().events.emit(json!({
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [world.cloud().stack().resources["BacklogAlarm"].arn],
        "detail": { "state": { "value": "ALARM" } },
    }));
}
