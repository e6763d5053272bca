//! Workers that leave: when there is nothing to do, when they are asked to, when their place is another's.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use localcloud::{
    ecs::Status,
    faults::{Call, Rule},
};
use tests::{JobAsserts, TestEnv, call};

use crate::{HELD, KEY, csv, hold_reads, pool, records};

/// How long the first task ran, and its exit code.
fn first_task(env: &TestEnv) -> (u64, Option<i32>) {
    let task = env.ecs().tasks().remove(0);
    let ran = task.stopped_at.unwrap().duration_since(task.started_at.unwrap());
    (Duration::try_from(ran).unwrap().as_secs(), task.exit_codes[0])
}

#[test]
fn a_worker_leaves_when_the_paid_minute_is_over_and_nothing_comes() {
    pool(241).run(async |env| {
        env.put(KEY, csv(2)).await;
        env.settle().await;
        let (ran, exit) = first_task(env);
        assert!((60..75).contains(&ran), "{ran}");
        assert_eq!((exit, env.ecs_launches()), (Some(0), 1));
    });
}

#[test]
fn a_worker_stays_while_something_comes() {
    pool(242).run(async |env| {
        for n in 0..12 {
            env.put(&format!("uploads/{n}.csv"), csv(2)).await;
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        env.settle().await;
        let (ran, exit) = first_task(env);
        assert!((150..210).contains(&ran), "{ran}");
        assert_eq!((exit, env.ecs_launches()), (Some(0), 1));
    });
}

#[test]
fn what_is_queued_at_the_moment_of_leaving_is_taken_at_the_last_look() {
    pool(243).run(async |env| {
        let (sqs, arn) =
            (env.cloud().services().sqs.clone(), env.cloud().stack().resources["JobsQueue"].arn.clone());
        // Whoever queues this has just read that a worker polls.
        let once = AtomicBool::new(true);
        env.on(call::leave_fleet().runs(move || {
            if once.swap(false, Ordering::Relaxed) {
                sqs.send(&arn, "queued too late", Default::default(), None).unwrap();
            }
        }));
        env.put(KEY, csv(2)).await;
        env.settle().await;
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters.len(), 1, "{dead_letters:#?}");
        assert_eq!(dead_letters[0].reason.as_deref(), Some("malformed"));
        assert_eq!(env.ecs_launches(), 1, "the worker that was leaving took it");
    });
}

#[test]
fn a_worker_that_is_stopped_finishes_what_it_can_and_requeues_the_rest() {
    pool(244).run(async |env| {
        hold_reads(env, KEY, 1);
        env.on(call::read_object_at("uploads/slow.csv").meets(Call::Delay(Duration::from_secs(10))));
        env.put(KEY, csv(60)).await;
        env.put("uploads/slow.csv", csv(2)).await;
        env.until("two readers", || env.calls("s3", "GetObject") == 2).await;
        let asked = env.cloud().clock().now();
        env.stop("for a change").await;
        env.until("its end", || env.ecs().tasks()[0].status == Status::Stopped).await;
        assert_eq!(first_task(env).1, Some(143));
        let slow = env.job("uploads/slow.csv").await;
        // It had the time.
        slow.assert_done().assert_attempt(1);
        let job = env.job(KEY).await;
        job.assert_reason("terminated");
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(1).assert_counted(0);
        assert!(job.history.is_empty(), "no attempt was used up");
        let took = Duration::try_from(job.settled_at().unwrap().duration_since(asked)).unwrap();
        assert!(took < Duration::from_secs(180), "another had it soon: {took:?}");
        assert_eq!(env.visible(KEY).await, records(60));
    });
}

#[test]
fn messages_that_arrive_with_the_stop_are_shown_to_others_at_once() {
    pool(245).run(async |env| {
        env.put(KEY, csv(2)).await;
        env.until("a worker", || env.calls("dynamodb", "TransactWriteItems") == 1).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        env.stop("for a change").await;
        // The worker's last poll is still open.
        env.put("uploads/late.csv", csv(2)).await;
        env.settle().await;
        let late = env.job("uploads/late.csv").await;
        late.assert_done().assert_attempt(1).assert_fence(1);
        assert_eq!(env.ecs_launches(), 2);
    });
}

#[test]
fn a_worker_whose_slot_is_anothers_takes_no_more() {
    pool(246).run(async |env| {
        hold_reads(env, KEY, 1);
        env.put(KEY, csv(60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        // As λ scaler does when it holds a worker for dead.
        env.fleet().free(1, 1).await.unwrap();
        tokio::time::sleep(Duration::from_secs(45)).await;
        let before = env.calls("s3", "GetObject");
        env.put("uploads/next.csv", csv(2)).await;
        env.until("another worker", || env.calls("s3", "GetObject") > before).await;
        assert_eq!(env.ecs_launches(), 2);
        env.settle().await;
        for job in &env.jobs().await {
            job.assert_done().assert_attempt(1);
        }
        assert_eq!(first_task(env).1, Some(0), "it finished what it had");
    });
}

#[test]
fn workers_work_while_the_fleet_table_does_not_answer() {
    pool(247).run(async |env| {
        env.on(call::heartbeat().meets(Call::Throttle));
        env.on(call::leave_fleet().meets(HELD));
        env.put(KEY, csv(2)).await;
        env.settle().await;
        assert_eq!(env.job(KEY).await.attempt, 1);
        assert_eq!(first_task(env).1, Some(0));
    });
}

#[test]
fn a_queue_that_may_not_be_received_from_is_left() {
    use localcloud::wire::ApiError;
    pool(248).run(async |env| {
        let refusal = ApiError::client("AccessDeniedException", "not for you");
        env.on(Rule::new("sqs", "ReceiveMessage", Call::Refuse(refusal)).nth(1));
        env.put(KEY, csv(2)).await;
        env.settle().await;
        assert_eq!(first_task(env).1, Some(78));
        env.job(KEY).await.assert_done();
        assert_eq!(env.ecs_launches(), 2);
    });
}
