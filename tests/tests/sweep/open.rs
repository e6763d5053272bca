//! Jobs that nobody works on any more, and tasks that do not end.

use std::time::Duration;

use localcloud::{
    ecs::{KillCause, Status, Timing},
    faults::{Call, Delivery, Partial, Rule},
    wire::{ApiError, Caller},
};
use serde_json::json;
use tests::{JobAsserts, TIMING, TestEnv, call};

use crate::{csv, minutes, records};

const KEY: &str = "uploads/people.csv";
const HELD: Call = Call::Delay(Duration::from_secs(1_200));

/// Loses all events until the last task has stopped and nobody has heard of it.
async fn stops_unheard(env: &TestEnv) {
    let bus = &env.cloud().services().events;
    bus.set_delivery_faults(Delivery { lose: 1.0, ..Delivery::default() });
    env.until("the stop", || env.ecs().tasks().iter().all(|task| task.status == Status::Stopped)).await;
    minutes(1).await;
    bus.set_delivery_faults(Delivery::default());
}

#[test]
fn the_job_of_a_worker_whose_stop_event_was_lost_is_requeued() {
    TestEnv::plan(421).dedicated_tasks().run(async |env| {
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("s3", "GetObject", 1, KillCause::Infrastructure).await;
        stops_unheard(env).await;
        env.swept().await;
        // Its lease may still be renewed.
        env.job(KEY).await.assert_running();
        minutes(3).await;
        env.swept().await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(0);
        job.assert_ended_with(&["worker_lost"]);
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_task_that_stopped_before_its_claim_and_without_an_event_is_replaced() {
    TestEnv::plan(422).dedicated_tasks().run(async |env| {
        env.ecs().fail_to_start("CannotPullContainerError: i/o timeout", 1);
        env.put(KEY, csv(1, 60)).await;
        env.until("a launch", || env.ecs_launches() == 1).await;
        stops_unheard(env).await;
        // ECS forgets stopped tasks after an hour.
        minutes(70).await;
        env.job(KEY).await.assert_waiting();
        env.swept().await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(0);
    });
}

#[test]
fn a_worker_that_outlives_its_timeout_is_stopped() {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"quick\"\ntimeout = \"1m\"\n";
    TestEnv::plan(423).pipelines(pipelines).dedicated_tasks().run(async |env| {
        env.on(call::requeue().meets(Call::Delay(Duration::from_hours(3))).nth(1));
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        minutes(15).await;
        env.swept().await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(1);
        job.assert_ended_with(&["timed_out"]);
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_task_that_never_starts_is_stopped_without_blaming_the_object() {
    let never = Timing { provisioning: Duration::from_hours(9), ..TIMING };
    TestEnv::plan(424).dedicated_tasks().timing(never).run(async |env| {
        env.put(KEY, csv(1, 3)).await;
        env.until("a launch", || env.ecs_launches() == 1).await;
        env.ecs().set_timing(TIMING);
        minutes(40).await;
        env.swept().await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(0);
        job.assert_ended_with(&["cannot_start"]);
    });
}

#[test]
fn a_job_whose_message_is_gone_is_sent_again() {
    TestEnv::plan(425).dedicated_tasks().run(async |env| {
        let forbidden = ApiError::client("AccessDeniedException", "not yet");
        env.on(Rule::new("dynamodb", "BatchGetItem", Call::Refuse(forbidden)).first(5));
        env.put(KEY, csv(1, 3)).await;
        env.quiet().await;
        assert_eq!(env.dead_letters().await.len(), 1, "its queue gave it up");
        env.job(KEY).await.assert_waiting();
        minutes(31).await;
        env.swept().await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(1).assert_counted(0);
    });
}

#[test]
fn an_item_that_is_not_one_of_a_job_is_named_and_stops_no_other() {
    TestEnv::plan(428).dedicated_tasks().run(async |env| {
        let forbidden = ApiError::client("AccessDeniedException", "not yet");
        env.on(Rule::new("dynamodb", "BatchGetItem", Call::Refuse(forbidden)).first(10));
        env.put(KEY, csv(1, 3)).await;
        env.put("uploads/other.csv", csv(1, 3)).await;
        env.quiet().await;
        assert_eq!(env.dead_letters().await.len(), 2, "their queue gave both up");
        let (broken, other) = (env.job(KEY).await, env.job("uploads/other.csv").await);
        let settled = json!({
            "TableName": env.cloud().outputs()["LedgerTable"],
            "Key": { "job": { "S": broken.id } },
            "UpdateExpression": "SET settled_at = :now",
            "ExpressionAttributeValues": { ":now": { "S": "2026-01-01T00:00:00Z" } },
        });
        let dynamodb = &env.cloud().services().dynamodb;
        dynamodb.call("UpdateItem", settled, &Caller::owner()).await.unwrap();
        minutes(62).await;
        env.swept().await;
        env.ledger().read(&other.id).await.unwrap().unwrap().assert_done();
        let report = env.text("reports/2026/01/01/00.json").await;
        let named =
            format!("the item of job {}, whose state is \\\"waiting\\\", is not one of a job", broken.id);
        assert!(report.contains(&named) && report.contains("`settled_at`"), "{report}");
        assert!(env.ledger().read(&broken.id).await.is_err(), "nor is it a job for anybody else");
        let failed = |subject: &String| subject.starts_with("[tidemill] failed: the sweep ");
        assert!(env.subjects().iter().any(failed), "{:?}", env.subjects());
    });
}

#[test]
fn a_failure_that_was_not_mailed_is_mailed() {
    TestEnv::plan(426).dedicated_tasks().run(async |env| {
        let broken = ApiError::client("InternalError", "out of order").with_status(500);
        env.on(call::send_mail().meets(Call::Refuse(broken)).first(15));
        env.put("uploads/ragged.csv", "id,name\n1,one\n2,two,too many\n").await;
        env.quiet().await;
        let failed = env.job("uploads/ragged.csv").await;
        failed.assert_failed();
        assert_eq!(failed.notified_at(), None);
        minutes(31).await;
        env.swept().await;
        env.settle().await;
        assert!(
            env.subjects()[0].starts_with("[tidemill] failed: uploads/ragged.csv"),
            "{:?}",
            env.subjects()
        );
    });
}

#[test]
fn jobs_that_stand_in_a_long_backlog_are_not_queued_a_second_time() {
    TestEnv::plan(427).run(async |env| {
        let reason = "Capacity is unavailable at this time. Please try again later".to_owned();
        let full = Call::Part(Partial::LaunchFailures { reason, detail: None });
        env.on(call::launch_pooled_worker().meets(full));
        for n in 0..12 {
            env.put(&format!("uploads/{n}.csv"), csv(n, 3)).await;
        }
        let queue = &env.cloud().stack().resources["JobsQueue"].arn;
        let queued = || env.cloud().services().sqs.counts(queue).unwrap().visible;
        env.until("a message for each job", || queued() == 12).await;
        minutes(40).await;
        env.sweep(json!({})).await;
        let is_swept = || {
            let mut tasks = env.ecs().tasks().into_iter();
            tasks.any(|task| {
                let is_sweep =
                    task.started_by.as_deref().is_some_and(|started_by| started_by.starts_with("sweep"));
                is_sweep && task.status == Status::Stopped
            })
        };
        env.until("the end of the sweep", is_swept).await;
        // Long enough for a message on its way through the uploads queue.
        minutes(2).await;
        assert_eq!(queued(), 12, "a job that waits in line is queued once");
        env.cloud().faults().clear();
        env.settle().await;
        for job in env.jobs().await {
            job.assert_done().assert_attempt(1);
        }
    });
}
