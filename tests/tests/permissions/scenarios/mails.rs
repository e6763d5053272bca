//! Mails, and messages that end in the dead-letter queue.

use std::time::Duration;

use domain::{job::State, message::JobMessage};
use localcloud::{faults::Call, wire::ApiError};
use serde_json::json;
use tests::{JobAsserts, TestEnv, call};

use super::{KEY, RAGGED, csv, dead_lettered, minutes};

pub(super) async fn bad(env: &TestEnv) {
    env.put(KEY, RAGGED).await;
    env.settle().await;
    assert_eq!(env.mails().len(), 1);
    assert_eq!(env.dead_letters().await.len(), 1);
}

/// The address that hears of failures takes no mails.
pub(super) async fn bounced(env: &TestEnv) {
    env.cloud().services().sns.bounce("ops@example.com");
    env.put(KEY, RAGGED).await;
    env.settle().await;
    assert_eq!((env.mails().len(), env.dead_letters().await.len()), (0, 2), "the job's, and the mail");
}

pub(super) async fn grouped(env: &TestEnv) {
    for n in 0..6 {
        env.put(&format!("uploads/{n}.csv"), RAGGED).await;
    }
    env.settle().await;
    minutes(3).await;
    assert_eq!(env.mails().len(), 4, "{:#?}", env.subjects());
}

/// Three failures have mails of their own, and one comes after them.
pub(super) async fn group_of_one(env: &TestEnv) {
    for n in 0..4 {
        env.put(&format!("uploads/{n}.csv"), RAGGED).await;
    }
    env.settle().await;
    minutes(3).await;
    let subjects = env.subjects();
    assert_eq!(subjects.len(), 4, "{subjects:#?}");
    assert!(subjects.iter().all(|it| it.starts_with("[tidemill] failed: uploads/")), "{subjects:#?}");
    let last = env.mails().pop().unwrap();
    assert!(last.body.contains("\nLast log lines\n") && last.body.contains("replay --job"), "{}", last.body);
}

/// The sweep removes the dead letters of an object that was fixed and of a job that is done, and leaves the others.
pub(super) async fn resolved(env: &TestEnv) {
    const OTHER: &str = "uploads/other.csv";
    env.put(KEY, RAGGED).await;
    env.put(OTHER, RAGGED).await;
    env.settle().await;
    let fixed = env.put(KEY, csv(3)).await;
    env.settle().await;
    let done = env.job_of(&fixed).await;
    done.assert_done();
    env.send("DeadLetterQueue", &JobMessage::new(done.id.clone(), 1, 0).to_body());
    env.send("DeadLetterQueue", "nonsense");
    let (sqs, resources) = (&env.cloud().services().sqs, &env.cloud().stack().resources);
    let waiting = || {
        ["DeadLetterQueue", "FailedJobsQueue"].map(|queue| sqs.counts(&resources[queue].arn).unwrap().visible)
    };
    assert_eq!(waiting(), [2, 2]);
    env.swept().await;
    assert_eq!(waiting(), [1, 1]);
}

/// The sweep mails a failure that λ stops could not mail.
pub(super) async fn not_notified(env: &TestEnv) {
    let broken = ApiError::client("InternalError", "out of order").with_status(500);
    env.on(call::send_mail().meets(Call::Refuse(broken)).first(15));
    env.put(KEY, RAGGED).await;
    env.quiet().await;
    assert_eq!(env.job(KEY).await.notified_at(), None);
    minutes(31).await;
    env.swept().await;
    env.settle().await;
    assert!(env.job(KEY).await.notified_at().is_some());
}

/// On all queues that somebody receives from.
pub(super) async fn nonsense(env: &TestEnv) {
    env.send("UploadsQueue", "nonsense");
    env.send("JobsQueue", "nonsense");
    env.send("StopsQueue", "nonsense");
    env.put(KEY, csv(3)).await;
    env.settle().await;
    assert_eq!(env.dead_letters().await.len(), 3);
}

/// Somebody has deleted the queues by hand: what their rules match is kept.
pub(super) async fn no_queues(env: &TestEnv) {
    let services = env.cloud().services();
    let resources = &env.cloud().stack().resources;
    for queue in ["UploadsQueue", "StopsQueue"] {
        let url = &resources[queue].physical_id;
        services.sqs.call("DeleteQueue", json!({ "QueueUrl": url })).await.unwrap();
    }
    services.events.emit(json!({
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": { "bucket": { "name": env.bucket() }, "object": { "key": KEY } },
    }));
    services.events.emit(json!({
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": { "clusterArn": resources["Cluster"].arn, "lastStatus": "STOPPED" },
    }));
    dead_lettered(env, 2).await;
}

/// Each of the functions that are invoked without anybody waiting fails as often as it is tried.
pub(super) async fn failing(env: &TestEnv) {
    let refused = ApiError::client("ValidationException", "not today");
    env.fault("dynamodb", "BatchGetItem", Call::Refuse(refused.clone()));
    env.on(call::launch_task().meets(Call::Refuse(refused)));
    let cloud = env.cloud();
    alarm(env);
    cloud.fire("ScalerFunctionEveryMinute").unwrap();
    cloud.fire("ScheduleFunctionEveryHour").unwrap();
    dead_lettered(env, 3).await;
}

pub(super) async fn undeliverable(env: &TestEnv) {
    alarm(env);
    env.cloud().fire("ScalerFunctionEveryMinute").unwrap();
    env.cloud().fire("ScheduleFunctionEveryHour").unwrap();
    dead_lettered(env, 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(env.jobs().await.iter().filter(|job| job.state() == State::Running).count(), 0);
}

/// The backlog alarm says that jobs wait.
fn alarm(env: &TestEnv) {
    env.cloud().services().events.emit(json!({
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [env.cloud().stack().resources["BacklogAlarm"].arn],
        "detail": { "state": { "value": "ALARM" } },
    }));
}
