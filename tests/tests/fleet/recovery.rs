//! Launchers that die, and launches that nobody answers.

use std::time::Duration;
use tests::call;

use app::scale::Trigger;
use domain::fleet::{Occupant, Phase};
use localcloud::faults::{Call, Partial, Rule};

use crate::harness::{FleetHarness, Worker};

#[test]
fn a_launch_whose_answer_was_lost_finds_the_task_that_it_made() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        harness.next_workers([Worker::Hangs]);
        harness.on(call::launch_task().meets(Call::LoseAnswer).first(3));
        let scaled = harness.tick().await;
        assert_eq!((scaled.launched, scaled.reason.as_deref()), (0, Some("RunTask does not answer")));
        let slot = harness.slots().await.remove(0);
        assert_eq!((slot.phase, slot.task), (Phase::Launching, None));
        assert_eq!(harness.live(), 1);
        // It holds its slot: nothing is launched beside it.
        assert_eq!((harness.tick().await.wanted, harness.live()), (0, 1));

        harness.pass(60).await;
        assert_eq!(harness.tick().await.recovered, 1);
        let tasks = harness.tasks();
        assert_eq!((tasks.len(), harness.slots().await.remove(0).task), (1, Some(tasks[0].arn.clone())));
    });
}

#[test]
fn a_throttle_after_a_lost_answer_frees_no_slot_that_has_a_task() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        harness.next_workers([Worker::Hangs]);
        harness.on(call::launch_task().meets(Call::LoseAnswer).nth(1));
        harness.on(call::launch_task().meets(Call::Throttle).first(6));
        assert_eq!((harness.tick().await.launched, harness.live()), (0, 1));
        assert_eq!(harness.slots().await[0].phase, Phase::Launching);
        // Nor does a throttle of the launch that makes up for it.
        harness.pass(60).await;
        assert_eq!((harness.tick().await.freed, harness.live()), (0, 1));
        harness.pass(10).await;
        assert_eq!((harness.tick().await.recovered, harness.live()), (1, 1));
    });
}

#[test]
fn a_launch_whose_request_was_lost_is_repeated() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        harness.on(call::launch_task().meets(Call::LoseRequest).first(3));
        assert_eq!((harness.tick().await.launched, harness.live()), (0, 0));
        harness.pass(60).await;
        let scaled = harness.tick().await;
        assert_eq!((scaled.recovered, scaled.launched, harness.live()), (1, 0, 1));
    });
}

#[test]
fn a_launcher_that_died_before_run_task_is_replaced() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        let slot = harness.slots().await.remove(0);
        let slot = harness.fleet.reserve(&slot, Occupant::Drain, harness.now()).await.unwrap().unwrap();
        harness.pass(59).await;
        assert_eq!((harness.tick().await.recovered, harness.live()), (0, 0));
        harness.pass(1).await;
        assert_eq!((harness.tick().await.recovered, harness.live()), (1, 1));
        harness.pass(60).await;
        let found = harness.slots().await.remove(0);
        assert_eq!((found.generation, found.phase), (slot.generation, Phase::Polling));
    });
}

#[test]
fn a_launcher_that_dies_at_any_call_leaves_one_worker() {
    // As Lambda ends it: its future is dropped. Each call takes a second, and another comes a minute later.
    for seconds in 0..8 {
        FleetHarness::play(10, async |harness| {
            harness.queue(1);
            harness.on(Rule::new("*", "*", Call::Delay(Duration::from_secs(1))));
            let scaling = harness.scaling();
            let run = scaling.run(Trigger::Tick, harness.now());
            let ended = Duration::from_millis(seconds * 1000 + 500);
            let _ = tokio::time::timeout(ended, run).await;
            let launched = harness.minutes(3).await;
            let tasks = harness.tasks();
            assert_eq!((tasks.len(), launched <= 1), (1, true), "ended after {ended:?}: {tasks:#?}");
            let slots = harness.slots().await;
            assert_eq!(slots.iter().filter(|slot| slot.phase == Phase::Polling).count(), 1, "{slots:#?}");
        });
    }
}

#[test]
fn a_reservation_that_there_is_no_room_for_waits_for_room() {
    FleetHarness::play(10, async |harness| {
        let slot = harness.slots().await.remove(0);
        harness.fleet.reserve(&slot, Occupant::Drain, harness.now()).await.unwrap().unwrap();
        let reason = "Capacity is unavailable at this time".to_owned();
        harness.on(call::launch_task().meets(Call::Part(Partial::LaunchFailures { reason, detail: None })));
        harness.pass(60).await;
        let scaled = harness.tick().await;
        assert_eq!((scaled.recovered, scaled.freed, scaled.launched), (0, 0, 0));
        harness.no_more_faults();
        assert_eq!((harness.tick().await.recovered, harness.live()), (1, 1));
    });
}

#[test]
fn a_worker_whose_task_nobody_noted_is_found_when_it_falls_silent() {
    FleetHarness::play(10, async |harness| {
        harness.next_workers([Worker::FallsSilentAfter(Duration::from_secs(30))]);
        harness.on(call::launch_task().meets(Call::LoseAnswer).first(3));
        harness.run(Trigger::Queued { count: 1 }).await.unwrap();
        harness.minutes(2).await;
        let slot = harness.slots().await.remove(0);
        assert_eq!((slot.phase, &slot.task), (Phase::Polling, &None));
        harness.pass(60).await;
        assert_eq!(harness.tick().await.recovered, 1);
        assert_eq!(harness.slots().await[0].task.as_ref(), Some(&harness.tasks()[0].arn));
        // Silent for ten minutes, it is stopped like any other.
        harness.minutes(12).await;
        assert!(harness.slots().await[0].is_free());
        assert_eq!((harness.live(), harness.tasks().len()), (0, 1));
    });
}
