//! Workers that leave: when there is nothing to do, when they are asked to, when their place is another's.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use domain::job::State;
use localcloud::{
    ecs::Status,
    faults::{Fault, Rule},
    wire::Caller,
};
use serde_json::{Value, json};
use tests::World;

use crate::{HELD, KEY, csv, hold_reads, pool, records, tells_leaving};

/// How long the first task ran, and its exit code.
fn first_task(world: &World) -> (u64, Option<i32>) {
    let task = world.ecs().tasks().remove(0);
    let ran = task.stopped_at.unwrap().duration_since(task.started_at.unwrap());
    (Duration::try_from(ran).unwrap().as_secs(), task.exit_codes[0])
}

#[test]
fn a_worker_leaves_when_the_paid_minute_is_over_and_nothing_comes() {
    pool(241).run(async |world| {
        world.put(KEY, csv(2)).await;
        world.settle().await;
        let (ran, exit) = first_task(world);
        assert!((60..75).contains(&ran), "{ran}");
        assert_eq!((exit, world.ecs_launches()), (Some(0), 1));
    });
}

#[test]
fn a_worker_stays_while_something_comes() {
    pool(242).run(async |world| {
        for n in 0..12 {
            world.put(&format!("uploads/{n}.csv"), csv(2)).await;
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        world.settle().await;
        let (ran, exit) = first_task(world);
        assert!((150..210).contains(&ran), "{ran}");
        assert_eq!((exit, world.ecs_launches()), (Some(0), 1));
    });
}

#[test]
fn what_is_queued_at_the_moment_of_leaving_is_taken_at_the_last_look() {
    pool(243).run(async |world| {
        let (sqs, arn) =
            (world.cloud().services().sqs.clone(), world.cloud().stack().resources["JobsQueue"].arn.clone());
        // Whoever queues this has just read that a worker polls.
        let once = AtomicBool::new(true);
        let queue = move |input: &Value| {
            if tells_leaving(input) && once.swap(false, Ordering::Relaxed) {
                sqs.send(&arn, "queued too late", Default::default(), None).unwrap();
            }
            false
        };
        world.on(Rule::new("dynamodb", "UpdateItem", Fault::Throttle).when(queue));
        world.put(KEY, csv(2)).await;
        world.settle().await;
        let letters = world.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:#?}");
        assert_eq!(letters[0].reason.as_deref(), Some("malformed"));
        assert_eq!(world.ecs_launches(), 1, "the worker that was leaving took it");
    });
}

#[test]
fn a_worker_that_is_told_to_stop_finishes_what_it_can_and_hands_back_the_rest() {
    pool(244).run(async |world| {
        hold_reads(world, KEY, 1);
        let slow = Rule::new("s3", "GetObject", Fault::Delay(Duration::from_secs(10)));
        world.on(slow.when(|input| input["Key"] == "uploads/slow.csv"));
        world.put(KEY, csv(60)).await;
        world.put("uploads/slow.csv", csv(2)).await;
        world.until("two readers", || world.calls("s3", "GetObject") == 2).await;
        let asked = world.cloud().clock().now();
        world.stop("for a change").await;
        world.until("its end", || world.ecs().tasks()[0].status == Status::Stopped).await;
        assert_eq!(first_task(world).1, Some(143));
        let slow = world.job("uploads/slow.csv").await;
        assert_eq!((slow.state, slow.attempt), (State::Done, 1), "it had the time");
        let job = world.job(KEY).await;
        assert_eq!(job.reason.as_ref().map(|reason| reason.code.as_str()), Some("stopped"), "{job:#?}");
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 1, 0), "{job:#?}");
        assert!(job.history.is_empty(), "no attempt was used up");
        let took = Duration::try_from(job.settled_at.unwrap().duration_since(asked)).unwrap();
        assert!(took < Duration::from_secs(180), "another had it soon: {took:?}");
        assert_eq!(world.visible(KEY).await, records(60));
    });
}

#[test]
fn messages_that_arrive_with_the_stop_are_shown_to_others_at_once() {
    pool(245).run(async |world| {
        world.put(KEY, csv(2)).await;
        world.until("a worker", || world.calls("dynamodb", "TransactWriteItems") == 1).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.stop("for a change").await;
        // The worker's last poll is still open.
        world.put("uploads/late.csv", csv(2)).await;
        world.settle().await;
        let late = world.job("uploads/late.csv").await;
        assert_eq!((late.state, late.attempt, late.fence), (State::Done, 1, 1), "{late:#?}");
        assert_eq!(world.ecs_launches(), 2);
    });
}

#[test]
fn a_worker_whose_slot_is_anothers_takes_no_more() {
    pool(246).run(async |world| {
        hold_reads(world, KEY, 1);
        world.put(KEY, csv(60)).await;
        world.until("a reader", || world.calls("s3", "GetObject") == 1).await;
        // As λ scaler does when it holds a worker for dead.
        let table = &world.cloud().outputs()["FleetTable"];
        let free = json!({
            "TableName": table,
            "Key": { "id": { "S": "slot:0001" } },
            "UpdateExpression": "SET phase = :free",
            "ExpressionAttributeValues": { ":free": { "S": "free" } },
        });
        world.cloud().services().dynamodb.call("UpdateItem", free, &Caller::owner()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(45)).await;
        let before = world.calls("s3", "GetObject");
        world.put("uploads/next.csv", csv(2)).await;
        world.until("another worker", || world.calls("s3", "GetObject") > before).await;
        assert_eq!(world.ecs_launches(), 2);
        world.settle().await;
        assert!(world.jobs().await.iter().all(|job| (job.state, job.attempt) == (State::Done, 1)));
        assert_eq!(first_task(world).1, Some(0), "it finished what it had");
    });
}

#[test]
fn a_fleet_table_that_does_not_answer_keeps_nobody_from_work() {
    pool(247).run(async |world| {
        let checks_in = |input: &Value| input["ExpressionAttributeValues"][":phase"]["S"] == "polling";
        world.on(Rule::new("dynamodb", "UpdateItem", Fault::Throttle).when(checks_in));
        world.on(Rule::new("dynamodb", "UpdateItem", HELD).when(tells_leaving));
        world.put(KEY, csv(2)).await;
        world.settle().await;
        assert_eq!(world.job(KEY).await.attempt, 1);
        assert_eq!(first_task(world).1, Some(0));
    });
}

#[test]
fn a_queue_that_may_not_be_received_from_is_left() {
    use localcloud::wire::Refusal;
    pool(248).run(async |world| {
        let refusal = Refusal::client("AccessDeniedException", "not for you");
        world.on(Rule::new("sqs", "ReceiveMessage", Fault::Refuse(refusal)).nth(1));
        world.put(KEY, csv(2)).await;
        world.settle().await;
        assert_eq!(first_task(world).1, Some(78));
        assert_eq!((world.job(KEY).await.state, world.ecs_launches()), (State::Done, 2));
    });
}
