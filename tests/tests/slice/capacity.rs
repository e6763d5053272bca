//! Fargate has no room where a task was asked for: it is had elsewhere, and on Spot it is done again.

use std::time::Duration;

use domain::{job::State, story::What};
use localcloud::{
    ecs::{Failure, Provider, RunTask},
    faults::{Fault, Rule},
};
use tests::World;

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

/// The launch that the job's story tells of.
async fn launched_on(world: &World) -> String {
    world.settle().await;
    let job = world.job(KEY).await;
    assert_eq!((job.state, job.attempt), (State::Done, 1), "{job:#?}");
    assert_eq!(world.visible(KEY).await, records(1, 5));
    assert_eq!(world.ecs_launches(), 1);
    let note = job.story.iter().find(|note| note.what == What::Launched).expect("a launch");
    note.words.clone()
}

/// Refuses every launch that `full` says has no room.
fn no_room(world: &World, failure: Failure, full: impl Fn(&RunTask) -> bool + Send + Sync + 'static) {
    world.ecs().on_run_task(move |request| full(request).then(|| vec![failure.clone()]));
}

#[test]
fn a_zone_without_machines_is_left_for_another() {
    World::plan(60).alone().run(async |world| {
        no_room(world, Failure::no_capacity(), |request| request.subnets.len() > 1);
        world.put(KEY, csv(1, 5)).await;
        let words = launched_on(world).await;
        assert!(words.contains("in subnet 1 alone"), "{words}");
        assert_eq!(world.calls("ecs", "RunTask"), 2);
    });
}

#[test]
fn a_subnet_without_addresses_is_left_for_another() {
    World::plan(61).alone().run(async |world| {
        no_room(world, Failure::no_address("subnet"), {
            let full = std::sync::Mutex::new(None);
            move |request| {
                let mut full = full.lock().unwrap();
                let first = full.get_or_insert_with(|| request.subnets[0].clone());
                request.subnets.contains(first)
            }
        });
        world.put(KEY, csv(1, 5)).await;
        let words = launched_on(world).await;
        assert!(words.contains("in subnet 2 alone"), "{words}");
    });
}

#[test]
fn without_spot_capacity_it_runs_on_demand() {
    World::plan(62).alone().parameter("SpotShare", "100").run(async |world| {
        no_room(world, Failure::no_capacity(), |request| request.providers[0] == Provider::Spot);
        world.put(KEY, csv(1, 5)).await;
        let words = launched_on(world).await;
        assert!(words.contains("on demand"), "{words}");
    });
}

#[test]
fn without_room_for_its_size_it_takes_the_next() {
    World::plan(63).alone().run(async |world| {
        no_room(world, Failure::no_capacity(), |request| request.memory == 512);
        world.put(KEY, csv(1, 5)).await;
        let words = launched_on(world).await;
        assert!(words.contains("256 cpu / 1024 MiB"), "{words}");
    });
}

#[test]
fn a_shortage_everywhere_costs_few_calls() {
    World::plan(64).alone().run(async |world| {
        no_room(world, Failure::no_capacity(), |_| true);
        for n in 0..8 {
            world.put(&format!("uploads/{n}.csv"), csv(1, 5)).await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let calls = world.calls("ecs", "RunTask");
        assert!(calls < 30, "one climbs the ladder, the others ask once: {calls}");
        world.ecs().on_run_task(|_| None);
        world.settle().await;
        assert!(world.jobs().await.iter().all(|job| job.state == State::Done));
    });
}

#[test]
fn what_spot_takes_back_twice_runs_on_demand() {
    World::plan(65).alone().parameter("SpotShare", "100").told().run(async |world| {
        let slow = Fault::Delay(Duration::from_secs(60));
        world.on(Rule::new("s3", "GetObject", slow).first(2));
        world.put(KEY, csv(1, 5)).await;
        for n in 1..=2 {
            world.until("reading", || world.calls("s3", "GetObject") == n).await;
            assert!(world.ecs().spot_warning(&world.running()));
            world.until("the next launch", || world.calls("ecs", "RunTask") > n).await;
        }
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.attempt, job.charged), (State::Done, 3, 0), "{job:#?}");
        let launches: Vec<&str> = job.story.iter().map(|note| note.words.as_str()).collect();
        assert!(launches[0].contains("Spot") && launches[1].contains("Spot"), "{launches:#?}");
        assert!(launches[2].contains("on demand"), "{launches:#?}");
        world.golden("spot-twice").await;
    });
}
