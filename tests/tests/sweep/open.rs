//! Jobs that nobody works on any more, and tasks that do not end.

use std::time::Duration;

use domain::job::State;
use localcloud::{
    ecs::{KillCause, Status, Timing},
    events::Mischief,
    faults::{Fault, Rule},
    wire::Refusal,
};
use tests::{TIMING, World};

use crate::{csv, minutes, records};

const KEY: &str = "uploads/people.csv";
const HELD: Fault = Fault::Delay(Duration::from_secs(1_200));

/// Loses all events until the last task has stopped and nobody has heard of it.
async fn stops_unheard(world: &World) {
    let bus = &world.cloud().services().events;
    bus.misbehave(Mischief { lose: 1.0, ..Mischief::default() });
    world.until("the stop", || world.ecs().tasks().iter().all(|task| task.status == Status::Stopped)).await;
    minutes(1).await;
    bus.misbehave(Mischief::default());
}

#[test]
fn a_worker_whose_end_nobody_was_told_of_is_made_up_for() {
    World::plan(421).alone().run(async |world| {
        world.on(Rule::new("s3", "GetObject", HELD).nth(1));
        world.put(KEY, csv(1, 60)).await;
        world.kill_at("s3", "GetObject", 1, KillCause::Infrastructure).await;
        stops_unheard(world).await;
        world.swept().await;
        assert_eq!(world.job(KEY).await.state, State::Running, "its lease may still be renewed");
        minutes(3).await;
        world.swept().await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 2, 0), "{job:#?}");
        assert_eq!(job.history[0].verdict.code, "worker_lost");
        assert_eq!(world.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_task_that_stopped_before_its_claim_and_was_forgotten_is_made_up_for() {
    World::plan(422).alone().run(async |world| {
        world.ecs().fail_to_start("CannotPullContainerError: i/o timeout", 1);
        world.put(KEY, csv(1, 60)).await;
        world.until("a launch", || world.ecs_launches() == 1).await;
        stops_unheard(world).await;
        // ECS forgets stopped tasks after an hour.
        minutes(70).await;
        assert_eq!(world.job(KEY).await.state, State::Waiting);
        world.swept().await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 2, 0), "{job:#?}");
    });
}

#[test]
fn a_worker_that_outlives_its_timeout_is_stopped() {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"quick\"\ntimeout = \"1m\"\n";
    World::plan(423).pipelines(pipelines).alone().run(async |world| {
        let gives_back =
            |input: &serde_json::Value| input["ExpressionAttributeValues"][":to"]["S"] == "waiting";
        let hangs = Fault::Delay(Duration::from_hours(3));
        world.on(Rule::new("dynamodb", "UpdateItem", hangs).when(gives_back).nth(1));
        world.on(Rule::new("s3", "GetObject", HELD).nth(1));
        world.put(KEY, csv(1, 60)).await;
        world.until("a reader", || world.calls("s3", "GetObject") == 1).await;
        minutes(15).await;
        world.swept().await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 2, 1), "{job:#?}");
        assert_eq!(job.history[0].verdict.code, "timed_out");
        assert_eq!(world.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_task_that_never_starts_is_stopped_without_blaming_the_object() {
    let never = Timing { provisioning: Duration::from_hours(9), ..TIMING };
    World::plan(424).alone().timing(never).run(async |world| {
        world.put(KEY, csv(1, 3)).await;
        world.until("a launch", || world.ecs_launches() == 1).await;
        world.ecs().set_timing(TIMING);
        minutes(40).await;
        world.swept().await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 2, 0), "{job:#?}");
        assert_eq!(job.history[0].verdict.code, "cannot_start");
    });
}

#[test]
fn a_job_whose_message_is_gone_is_sent_again() {
    World::plan(425).alone().run(async |world| {
        let forbidden = Refusal::client("AccessDeniedException", "not yet");
        world.on(Rule::new("dynamodb", "BatchGetItem", Fault::Refuse(forbidden)).first(5));
        world.put(KEY, csv(1, 3)).await;
        world.quiet().await;
        assert_eq!(world.dead_letters().await.len(), 1, "its queue gave it up");
        assert_eq!(world.job(KEY).await.state, State::Waiting);
        minutes(31).await;
        world.swept().await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 1, 0), "{job:#?}");
    });
}

#[test]
fn a_failure_that_nobody_was_told_of_is_told() {
    World::plan(426).alone().run(async |world| {
        let broken = Refusal::client("InternalError", "out of order").with_status(500);
        world.on(Rule::new("sns", "Publish", Fault::Refuse(broken)).first(15));
        world.put("uploads/ragged.csv", "id,name\n1,one\n2,two,too many\n").await;
        world.quiet().await;
        let failed = world.job("uploads/ragged.csv").await;
        assert_eq!((failed.state, failed.notified_at), (State::Failed, None));
        minutes(31).await;
        world.swept().await;
        world.settle().await;
        assert!(
            world.subjects()[0].starts_with("[tidemill] failed: uploads/ragged.csv"),
            "{:?}",
            world.subjects()
        );
    });
}
