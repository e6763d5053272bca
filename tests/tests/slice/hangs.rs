//! Calls that are never answered: each ends with its timeout and is made again, so nothing waits for a pipeline's timeout,
//! which is an hour by default.

use std::time::Duration;

use localcloud::faults::{Call, Rule};
use tests::{JobAsserts, TestEnv, call};
use tokio::time::Instant;

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

/// With a start of 30 seconds and a few timeouts in a row, an object takes less than this.
const SOON: Duration = Duration::from_mins(5);

/// Uploads an object while the calls of this rule hang. It is done soon, and after one attempt.
fn done_soon(seed: u64, rules: impl Fn() -> Vec<Rule>) {
    TestEnv::plan(seed).dedicated_tasks().run(async |env| {
        rules().into_iter().for_each(|rule| env.on(rule));
        let began = Instant::now();
        env.put(KEY, csv(1, 500)).await;
        env.settle().await;
        assert!(env.cloud().faults().fired() > 0, "nothing hung");
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(1).assert_records(500);
        let took = job.settled_at.unwrap().duration_since(job.created_at);
        assert!(took.unsigned_abs() < SOON, "{took:#}");
        assert!(began.elapsed() < SOON * 2, "{:?}", began.elapsed());
        assert_eq!(env.visible(KEY).await, records(1, 500));
        assert_eq!(env.ecs_launches(), 1, "one task");
    });
}

#[test]
fn a_call_that_hangs_once_is_made_again() {
    let calls = [
        ("dynamodb", "PutItem"),
        ("dynamodb", "UpdateItem"),
        ("dynamodb", "GetItem"),
        ("dynamodb", "BatchWriteItem"),
        ("dynamodb", "TransactWriteItems"),
        ("ecs", "RunTask"),
        ("s3", "GetObject"),
    ];
    for (n, (service, operation)) in calls.into_iter().enumerate() {
        eprintln!("{service} {operation}");
        let seed = 900 + n as u64;
        done_soon(seed, || vec![Rule::new(service, operation, Call::Hang).first(1)]);
        done_soon(seed, || vec![Rule::new(service, operation, Call::HangAnswer).first(1)]);
    }
}

#[test]
fn a_body_that_stalls_is_resumed() {
    done_soon(921, || vec![call::read_object().meets(Call::StallBody { after: 700 }).first(3)]);
}

#[test]
fn a_renewal_that_hangs_does_not_cost_the_claim() {
    TestEnv::plan(922).dedicated_tasks().run(async |env| {
        // A connection that gives a little and stalls, for longer than the lease.
        env.on(call::read_object().meets(Call::StallBody { after: 200 }).first(12));
        env.on(call::renew_lease().meets(Call::Hang).first(3));
        env.put(KEY, csv(1, 500)).await;
        env.settle().await;
        env.job(KEY).await.assert_done().assert_attempt(1).assert_records(500);
        assert!(env.calls("dynamodb", "UpdateItem") > 3);
    });
}

#[test]
fn a_pooled_worker_survives_a_receive_that_hangs() {
    TestEnv::plan(923).run(async |env| {
        env.on(Rule::new("sqs", "ReceiveMessage", Call::HangAnswer).first(1));
        let began = Instant::now();
        env.put(KEY, csv(1, 50)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_records(50);
        assert!(job.settled_at.unwrap().duration_since(job.created_at).unsigned_abs() < SOON);
        assert!(began.elapsed() < SOON * 2, "{:?}", began.elapsed());
    });
}

#[test]
fn a_mail_that_hangs_is_sent_again() {
    TestEnv::plan(924).dedicated_tasks().run(async |env| {
        env.on(Rule::new("sns", "Publish", Call::Hang).first(1));
        let began = Instant::now();
        env.put(KEY, "id,name\n1,one\n2,two,too many\n").await;
        env.settle().await;
        assert_eq!(env.mails().len(), 1);
        assert!(began.elapsed() < SOON * 2, "{:?}", began.elapsed());
    });
}
