//! Workers that are lost with jobs in hand.

use std::time::Duration;

use domain::job::Job;
use localcloud::{ecs::KillCause, faults::Call};
use tests::{Contents, JobAsserts, call};

use crate::{HELD, KEY, csv, hold_reads, pool, records};

/// The codes of the attempts that have ended, and who made them.
fn history(job: &Job) -> Vec<(&str, &str)> {
    job.history.iter().map(|ended| (ended.verdict.code.as_str(), ended.task.as_str())).collect()
}

#[test]
fn another_worker_finishes_what_a_killed_one_held() {
    pool(211).run(async |env| {
        hold_reads(env, KEY, 1);
        for n in 0..5 {
            env.put(&format!("uploads/{n}.csv"), csv(2)).await;
        }
        env.put(KEY, csv(60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 6).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(env.ecs().kill(&env.running(), KillCause::Infrastructure));
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(0).assert_records(60);
        assert_eq!(history(&job), [("worker_lost", "drain/1/1")]);
        assert_eq!(env.visible(KEY).await, records(60));
        for n in 0..5 {
            let other = env.job(&format!("uploads/{n}.csv")).await;
            other.assert_done().assert_attempt(1);
        }
        assert_eq!(env.ecs_launches(), 2);
        assert_eq!(env.dead_letters().await, []);
    });
}

#[test]
fn a_job_that_two_workers_were_lost_with_is_tried_alone() {
    pool(212).run(async |env| {
        hold_reads(env, KEY, 2);
        env.put(KEY, csv(60)).await;
        for n in 1..=2 {
            env.until("a reader", || env.calls("s3", "GetObject") == n).await;
            assert!(env.ecs().kill(&env.running(), KillCause::OutOfMemory));
        }
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(3).assert_counted(0);
        assert_eq!(history(&job), [("worker_lost", "drain/1/1"), ("worker_lost", "drain/1/2")]);
        let own = env.ecs().tasks().into_iter().find(|task| job.task.as_ref() == Some(&task.arn)).unwrap();
        assert_eq!((own.started_by.as_deref(), own.exit_codes), (Some(job.id.as_str()), vec![Some(0)]));
        assert_eq!(env.visible(KEY).await, records(60));
    });
}

#[test]
fn killed_in_mid_write_nobody_sees_half_of_it() {
    pool(213).run(async |env| {
        env.on(call::write_rows().meets(HELD).nth(3));
        env.put(KEY, csv(60)).await;
        env.kill_at("dynamodb", "BatchWriteItem", 3, KillCause::Infrastructure).await;
        assert_eq!(env.visible(KEY).await, [""; 0]);
        env.settle().await;
        assert_eq!(env.job(KEY).await.attempt, 2);
        assert_eq!(env.visible(KEY).await, records(60));
        assert_eq!(env.contents(), Contents { rows: 60, natural: 0, manifests: 1 });
    });
}

#[test]
fn a_worker_that_dies_after_recording_the_death_of_another_is_replaced() {
    pool(214).run(async |env| {
        hold_reads(env, KEY, 1);
        env.put(KEY, csv(60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        // The next worker writes the loss down, and is killed as it claims the next attempt under the same message.
        env.on(call::claim_attempt(2).meets(HELD).nth(1));
        assert!(env.ecs().kill(&env.running(), KillCause::Infrastructure));
        let second = || env.ecs().tasks().iter().filter(|task| task.stopped_at.is_none()).count() == 1;
        env.until("a second worker", || env.ecs_launches() == 2 && second()).await;
        while env.job(KEY).await.attempt == 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let job = env.job(KEY).await;
        job.assert_waiting().assert_attempt(2);
        assert!(env.ecs().kill(&env.running(), KillCause::Infrastructure));
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2);
        assert_eq!(history(&job), [("worker_lost", "drain/1/1")]);
    });
}

#[test]
fn a_worker_whose_renewals_fail_gives_way_and_hurts_nothing() {
    pool(215).run(async |env| {
        env.on(call::read_object_at(KEY).meets(Call::Delay(Duration::from_secs(200))).first(1));
        env.on(call::renew_lease().meets(Call::Throttle).first(12));
        env.put(KEY, csv(60)).await;
        env.put("uploads/other.csv", csv(2)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_fence(2).assert_counted(0);
        job.assert_ended_with(&["worker_lost"]);
        assert_eq!(env.visible(KEY).await, records(60));
        assert_eq!(env.ecs_launches(), 1, "the same worker found it");
    });
}
