//! Calls that are never answered: each ends with its timeout and is made again, so nothing waits for a pipeline's timeout,
//! which is an hour by default.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

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
        let took = job.settled_at().unwrap().duration_since(job.created_at);
        assert!(took.unsigned_abs() < SOON, "{took:#}");
        assert!(began.elapsed() < SOON * 2, "{:?}", began.elapsed());
        assert_eq!(env.visible(KEY).await, records(1, 500));
        assert_eq!(env.ecs_launches(), 1, "one task");
    });
}

#[test]
fn each_kind_of_call_may_hang_once() {
    let calls = [
        ("dynamodb", "PutItem"),
        ("dynamodb", "UpdateItem"),
        ("dynamodb", "GetItem"),
        ("dynamodb", "BatchWriteItem"),
        ("dynamodb", "TransactWriteItems"),
        ("ecs", "RunTask"),
        ("s3", "GetObject"),
    ];
    for fault in [Call::Hang, Call::HangAnswer] {
        let rule = |(service, operation)| Rule::new(service, operation, fault.clone()).first(1);
        done_soon(901, || calls.map(rule).into());
    }
}

#[test]
fn a_body_that_stalls_is_resumed() {
    done_soon(921, || vec![call::read_object().meets(Call::StallBody { after: 700 }).first(3)]);
}

#[test]
fn a_renewal_that_hangs_is_made_again_before_the_lease_expires() {
    TestEnv::plan(922).dedicated_tasks().run(async |env| {
        // A connection that gives a little and stalls, for longer than the lease.
        env.on(call::read_object().meets(Call::StallBody { after: 200 }).first(12));
        let renewals = Arc::new(AtomicU32::new(0));
        let seen = renewals.clone();
        env.on(call::renew_lease().runs(move || {
            seen.fetch_add(1, Ordering::Relaxed);
        }));
        env.on(call::renew_lease().meets(Call::Hang).first(3));
        env.put(KEY, csv(1, 500)).await;
        env.settle().await;
        env.job(KEY).await.assert_done().assert_attempt(1).assert_records(500);
        assert!(renewals.load(Ordering::Relaxed) > 3, "{renewals:?}");
    });
}

#[test]
fn a_pooled_worker_survives_a_receive_that_hangs() {
    TestEnv::plan(923).run(async |env| {
        env.on(Rule::new("sqs", "ReceiveMessage", Call::Hang).first(1));
        env.put(KEY, csv(1, 50)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_records(50);
        let took = job.settled_at().unwrap().duration_since(job.created_at);
        assert!(took.unsigned_abs() < Duration::from_secs(90), "{took:#}");
        assert_eq!(env.ecs_launches(), 1, "no other worker had to do it");
    });
}

#[test]
fn a_mail_that_hangs_is_sent_again_by_the_same_invocation() {
    TestEnv::plan(924).dedicated_tasks().run(async |env| {
        env.on(Rule::new("sns", "Publish", Call::Hang).first(1));
        env.put(KEY, "id,name\n1,one\n2,two,too many\n").await;
        env.settle().await;
        let (job, mails) = (env.job(KEY).await, env.mails());
        assert_eq!(mails.len(), 1);
        // Three minutes later, the message of the stop would have come back.
        let late = mails[0].sent_at.duration_since(job.settled_at().unwrap());
        assert!(late.unsigned_abs() < Duration::from_secs(30), "{late:#}");
    });
}
