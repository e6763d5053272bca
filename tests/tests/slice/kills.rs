//! Workers that are killed on any line: nothing is lost, nothing is there twice, and nobody sees half of it.

use std::time::Duration;

use domain::job::State;
use localcloud::{
    ecs::KillCause,
    faults::{Fault, Rule},
};
use tests::{Contents, World};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

/// Longer than anybody holds up a call in AWS.
const HELD: Fault = Fault::Delay(Duration::from_secs(1_200));

fn claims(input: &serde_json::Value) -> bool {
    !input["ExpressionAttributeValues"][":holder"].is_null()
}

/// After a kill that is not the object's fault: the second attempt has done everything, once.
async fn done_by_the_second_attempt(world: &World) {
    world.settle().await;
    let job = world.job(KEY).await;
    assert_eq!((job.state, job.records, job.attempt, job.charged), (State::Done, 60, 2, 0), "{job:#?}");
    assert_eq!(job.history.len(), 1);
    assert_eq!(world.visible(KEY).await, records(1, 60));
    assert_eq!(world.contents(), Contents { rows: 60, natural: 0, manifests: 1 });
    assert_eq!(world.mails().len(), 0);
    assert_eq!(world.dead_letters().await, []);
}

#[test]
fn killed_before_its_claim() {
    World::plan(21).alone().run(async |world| {
        world.on(Rule::new("dynamodb", "UpdateItem", HELD).when(claims).nth(1));
        world.put(KEY, csv(1, 60)).await;
        // One to note the launch, one to claim.
        world.kill_at("dynamodb", "UpdateItem", 2, KillCause::Infrastructure).await;
        assert_eq!(world.job(KEY).await.state, State::Waiting);
        done_by_the_second_attempt(world).await;
        assert_eq!(world.job(KEY).await.fence, 1);
    });
}

#[test]
fn killed_while_it_reads() {
    World::plan(22).told().alone().run(async |world| {
        world.on(Rule::new("s3", "GetObject", HELD).nth(1));
        world.put(KEY, csv(1, 60)).await;
        world.kill_at("s3", "GetObject", 1, KillCause::Infrastructure).await;
        assert_eq!(world.job(KEY).await.state, State::Running);
        done_by_the_second_attempt(world).await;
        assert_eq!(world.job(KEY).await.fence, 2);
        world.golden("worker-killed-and-retried").await;
    });
}

#[test]
fn killed_in_mid_write() {
    World::plan(23).alone().run(async |world| {
        world.on(Rule::new("dynamodb", "BatchWriteItem", HELD).nth(3));
        world.put(KEY, csv(1, 60)).await;
        world.kill_at("dynamodb", "BatchWriteItem", 3, KillCause::Infrastructure).await;
        assert!((1..60).contains(&world.contents().rows), "{:?}", world.contents());
        assert_eq!(world.visible(KEY).await, [""; 0]);
        done_by_the_second_attempt(world).await;
    });
}

#[test]
fn killed_after_its_last_write() {
    World::plan(24).alone().run(async |world| {
        world.on(Rule::new("dynamodb", "TransactWriteItems", HELD).nth(1));
        world.put(KEY, csv(1, 60)).await;
        world.kill_at("dynamodb", "TransactWriteItems", 1, KillCause::Infrastructure).await;
        assert_eq!(world.contents(), Contents { rows: 60, natural: 0, manifests: 0 });
        assert_eq!(world.visible(KEY).await, [""; 0]);
        done_by_the_second_attempt(world).await;
    });
}

#[test]
fn killed_right_after_its_publish_it_is_done() {
    World::plan(25).alone().run(async |world| {
        // The publish is made and its answer lost; the SDK's repeat is held up.
        world.on(Rule::new("dynamodb", "TransactWriteItems", Fault::LoseAnswer).nth(1));
        world.on(Rule::new("dynamodb", "TransactWriteItems", HELD).nth(2));
        world.put(KEY, csv(1, 60)).await;
        world.kill_at("dynamodb", "TransactWriteItems", 2, KillCause::Signal).await;
        assert_eq!(world.visible(KEY).await, records(1, 60));
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 1, 0), "done is done");
        assert_eq!(world.ecs_launches(), 1);
    });
}

#[test]
fn a_claim_that_is_answered_into_the_void_is_recognised() {
    World::plan(26).alone().run(async |world| {
        world.on(Rule::new("dynamodb", "UpdateItem", Fault::LoseAnswer).when(claims).nth(1));
        world.put(KEY, csv(1, 60)).await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.fence), (State::Done, 1, 1));
        assert_eq!(world.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_claim_whose_worker_never_hears_of_it_is_taken_over_by_the_retry() {
    World::plan(27).alone().run(async |world| {
        // The SDK asks three times; each time the answer is lost. The worker leaves, its lease still runs.
        world.on(Rule::new("dynamodb", "UpdateItem", Fault::LoseAnswer).when(claims).first(3));
        world.put(KEY, csv(1, 60)).await;
        done_by_the_second_attempt(world).await;
        let job = world.job(KEY).await;
        assert_eq!((job.fence, &*job.history[0].verdict.code), (2, "try_again"));
    });
}

#[test]
fn a_worker_that_cannot_renew_its_lease_leaves_before_it_writes() {
    World::plan(28).alone().run(async |world| {
        let renews = |input: &serde_json::Value| {
            let expression = input["UpdateExpression"].as_str().unwrap_or_default();
            expression.starts_with("SET lease_until")
        };
        world.on(Rule::new("dynamodb", "UpdateItem", Fault::LoseRequest).when(renews).first(9));
        world.on(Rule::new("s3", "GetObject", HELD).nth(1));
        world.put(KEY, csv(1, 60)).await;
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt), (State::Done, 2), "{job:#?}");
        assert_eq!(world.visible(KEY).await, records(1, 60));
    });
}
