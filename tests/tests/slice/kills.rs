//! Workers that are killed on any line: nothing is lost, nothing is there twice, and nobody sees half of it.

use std::time::Duration;

use localcloud::{ecs::KillCause, faults::Call};
use tests::{Contents, JobAsserts, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

/// Longer than anybody holds up a call in AWS.
const HELD: Call = Call::Delay(Duration::from_secs(1_200));

/// After a kill that is not the object's fault: the second attempt has done everything, once.
async fn done_by_the_second_attempt(env: &TestEnv) {
    env.settle().await;
    let job = env.job(KEY).await;
    job.assert_done().assert_records(60).assert_attempt(2).assert_counted(0);
    assert_eq!(job.history.len(), 1);
    assert_eq!(env.visible(KEY).await, records(1, 60));
    assert_eq!(env.contents(), Contents { rows: 60, natural: 0, manifests: 1 });
    assert_eq!(env.mails().len(), 0);
    assert_eq!(env.dead_letters().await, []);
}

#[test]
fn killed_before_its_claim() {
    TestEnv::plan(21).dedicated_tasks().run(async |env| {
        env.on(call::claim().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        // One to note the launch, one to claim.
        env.kill_at("dynamodb", "UpdateItem", 2, KillCause::Infrastructure).await;
        env.job(KEY).await.assert_waiting();
        done_by_the_second_attempt(env).await;
        assert_eq!(env.job(KEY).await.fence, 1);
    });
}

#[test]
fn killed_while_it_reads() {
    TestEnv::plan(22).with_transcript().dedicated_tasks().run(async |env| {
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("s3", "GetObject", 1, KillCause::Infrastructure).await;
        env.job(KEY).await.assert_running();
        done_by_the_second_attempt(env).await;
        assert_eq!(env.job(KEY).await.fence, 2);
        env.golden("worker-killed-and-retried").await;
    });
}

#[test]
fn killed_in_mid_write() {
    TestEnv::plan(23).dedicated_tasks().run(async |env| {
        env.on(call::write_rows().meets(HELD).nth(3));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("dynamodb", "BatchWriteItem", 3, KillCause::Infrastructure).await;
        assert!((1..60).contains(&env.contents().rows), "{:?}", env.contents());
        assert_eq!(env.visible(KEY).await, [""; 0]);
        done_by_the_second_attempt(env).await;
    });
}

#[test]
fn killed_after_its_last_write() {
    TestEnv::plan(24).dedicated_tasks().run(async |env| {
        env.on(call::publish().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("dynamodb", "TransactWriteItems", 1, KillCause::Infrastructure).await;
        assert_eq!(env.contents(), Contents { rows: 60, natural: 0, manifests: 0 });
        assert_eq!(env.visible(KEY).await, [""; 0]);
        done_by_the_second_attempt(env).await;
    });
}

#[test]
fn killed_right_after_its_publish_it_is_done() {
    TestEnv::plan(25).dedicated_tasks().run(async |env| {
        // The publish is made and its answer lost; the SDK's repeat is held up.
        env.on(call::publish().meets(Call::LoseAnswer).nth(1));
        env.on(call::publish().meets(HELD).nth(2));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("dynamodb", "TransactWriteItems", 2, KillCause::Signal).await;
        assert_eq!(env.visible(KEY).await, records(1, 60));
        env.settle().await;
        let job = env.job(KEY).await;
        // Done is done.
        job.assert_done().assert_attempt(1).assert_counted(0);
        assert_eq!(env.ecs_launches(), 1);
    });
}

#[test]
fn a_worker_recognises_its_claim_when_the_answer_was_lost() {
    TestEnv::plan(26).dedicated_tasks().run(async |env| {
        env.on(call::claim().meets(Call::LoseAnswer).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(1).assert_fence(1);
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_claim_whose_answer_never_arrives_is_taken_over_by_the_retry() {
    TestEnv::plan(27).dedicated_tasks().run(async |env| {
        // The SDK asks three times; each time the answer is lost. The worker leaves, its lease still runs.
        env.on(call::claim().meets(Call::LoseAnswer).first(3));
        env.put(KEY, csv(1, 60)).await;
        done_by_the_second_attempt(env).await;
        env.job(KEY).await.assert_fence(2).assert_ended_with(&["try_again"]);
    });
}

#[test]
fn a_worker_that_cannot_renew_its_lease_exits_before_it_writes() {
    TestEnv::plan(28).dedicated_tasks().run(async |env| {
        env.on(call::renew_lease().meets(Call::LoseRequest).first(9));
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2);
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}
