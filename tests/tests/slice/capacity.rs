//! Fargate has no room where a task was asked for: it is had elsewhere, and on Spot it is done again.

use std::time::Duration;

use domain::audit::AuditKind;
use localcloud::{
    ecs::{Failure, Provider, RunTask},
    faults::Call,
};
use tests::{JobAsserts, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

/// The launch that the job's audit has.
async fn launched_on(env: &TestEnv) -> String {
    env.settle().await;
    let job = env.job(KEY).await;
    job.assert_done().assert_attempt(1);
    assert_eq!(env.visible(KEY).await, records(1, 5));
    assert_eq!(env.ecs_launches(), 1);
    let note = job.audit.iter().find(|note| note.kind == AuditKind::Launched).expect("a launch");
    note.words.clone()
}

/// Refuses every launch that `full` says has no room.
fn no_room(env: &TestEnv, failure: Failure, full: impl Fn(&RunTask) -> bool + Send + Sync + 'static) {
    env.ecs().on_run_task(move |request| full(request).then(|| vec![failure.clone()]));
}

#[test]
fn a_zone_without_machines_is_left_for_another() {
    TestEnv::plan(60).dedicated_tasks().run(async |env| {
        no_room(env, Failure::no_capacity(), |request| request.subnets.len() > 1);
        env.put(KEY, csv(1, 5)).await;
        let words = launched_on(env).await;
        assert!(words.contains("in subnet 1 alone"), "{words}");
        assert_eq!(env.calls("ecs", "RunTask"), 2);
    });
}

#[test]
fn a_subnet_without_addresses_is_left_for_another() {
    TestEnv::plan(61).dedicated_tasks().run(async |env| {
        no_room(env, Failure::no_address("subnet"), {
            let full = std::sync::Mutex::new(None);
            move |request| {
                let mut full = full.lock().unwrap();
                let first = full.get_or_insert_with(|| request.subnets[0].clone());
                request.subnets.contains(first)
            }
        });
        env.put(KEY, csv(1, 5)).await;
        let words = launched_on(env).await;
        assert!(words.contains("in subnet 2 alone"), "{words}");
    });
}

#[test]
fn without_spot_capacity_it_runs_on_demand() {
    TestEnv::plan(62).dedicated_tasks().parameter("SpotShare", "100").run(async |env| {
        no_room(env, Failure::no_capacity(), |request| request.providers[0] == Provider::Spot);
        env.put(KEY, csv(1, 5)).await;
        let words = launched_on(env).await;
        assert!(words.contains("on demand"), "{words}");
    });
}

#[test]
fn without_room_for_its_size_it_takes_the_next() {
    TestEnv::plan(63).dedicated_tasks().run(async |env| {
        no_room(env, Failure::no_capacity(), |request| request.memory == 512);
        env.put(KEY, csv(1, 5)).await;
        let words = launched_on(env).await;
        assert!(words.contains("256 cpu / 1024 MiB"), "{words}");
    });
}

#[test]
fn a_shortage_everywhere_costs_few_calls() {
    TestEnv::plan(64).dedicated_tasks().run(async |env| {
        no_room(env, Failure::no_capacity(), |_| true);
        for n in 0..8 {
            env.put(&format!("uploads/{n}.csv"), csv(1, 5)).await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let calls = env.calls("ecs", "RunTask");
        assert!(calls < 30, "one tries the fallbacks, the others ask once: {calls}");
        env.ecs().on_run_task(|_| None);
        env.settle().await;
        for job in &env.jobs().await {
            job.assert_done();
        }
    });
}

#[test]
fn a_job_reclaimed_twice_by_spot_runs_on_demand() {
    TestEnv::plan(65).dedicated_tasks().parameter("SpotShare", "100").with_transcript().run(async |env| {
        let slow = Call::Delay(Duration::from_secs(60));
        env.on(call::read_object().meets(slow).first(2));
        env.put(KEY, csv(1, 5)).await;
        for n in 1..=2 {
            env.until("reading", || env.calls("s3", "GetObject") == n).await;
            assert!(env.ecs().spot_warning(&env.running()));
            env.until("the next launch", || env.calls("ecs", "RunTask") > n).await;
        }
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(3).assert_counted(0);
        let launches: Vec<&str> = job.audit.iter().map(|note| note.words.as_str()).collect();
        assert!(launches[0].contains("Spot") && launches[1].contains("Spot"), "{launches:#?}");
        assert!(launches[2].contains("on demand"), "{launches:#?}");
        env.golden("spot-twice").await;
    });
}
