//! Launchers that die, and launches that nobody answers.

use std::time::Duration;

use aws::scaling::Trigger;
use domain::fleet::{Occupant, Phase};
use localcloud::faults::{Fault, Partial, Rule};

use crate::stage::{Stage, Worker};

#[test]
fn an_answer_that_was_lost_is_made_up_for_with_the_task_there_is() {
    Stage::play(10, async |stage| {
        stage.queue(1);
        stage.next_workers([Worker::Hangs]);
        stage.on(Rule::new("ecs", "RunTask", Fault::LoseAnswer).first(3));
        let scaled = stage.tick().await;
        assert_eq!((scaled.launched, scaled.reason.as_deref()), (0, Some("RunTask does not answer")));
        let slot = stage.slots().await.remove(0);
        assert_eq!((slot.phase, slot.task), (Phase::Launching, None));
        assert_eq!(stage.live(), 1);
        // It holds its slot: nothing is launched beside it.
        assert_eq!((stage.tick().await.wanted, stage.live()), (0, 1));

        stage.pass(60).await;
        assert_eq!(stage.tick().await.recovered, 1);
        let tasks = stage.tasks();
        assert_eq!((tasks.len(), stage.slots().await.remove(0).task), (1, Some(tasks[0].arn.clone())));
    });
}

#[test]
fn a_throttle_after_a_lost_answer_frees_no_slot_that_has_a_task() {
    Stage::play(10, async |stage| {
        stage.queue(1);
        stage.next_workers([Worker::Hangs]);
        stage.on(Rule::new("ecs", "RunTask", Fault::LoseAnswer).nth(1));
        stage.on(Rule::new("ecs", "RunTask", Fault::Throttle).first(6));
        assert_eq!((stage.tick().await.launched, stage.live()), (0, 1));
        assert_eq!(stage.slots().await[0].phase, Phase::Launching);
        // Nor does a throttle of the launch that makes up for it.
        stage.pass(60).await;
        assert_eq!((stage.tick().await.freed, stage.live()), (0, 1));
        stage.pass(10).await;
        assert_eq!((stage.tick().await.recovered, stage.live()), (1, 1));
    });
}

#[test]
fn a_request_that_was_lost_is_made_up_for_with_a_launch() {
    Stage::play(10, async |stage| {
        stage.queue(1);
        stage.on(Rule::new("ecs", "RunTask", Fault::LoseRequest).first(3));
        assert_eq!((stage.tick().await.launched, stage.live()), (0, 0));
        stage.pass(60).await;
        let scaled = stage.tick().await;
        assert_eq!((scaled.recovered, scaled.launched, stage.live()), (1, 0, 1));
    });
}

#[test]
fn a_launcher_that_died_before_run_task_is_made_up_for() {
    Stage::play(10, async |stage| {
        stage.queue(1);
        let slot = stage.slots().await.remove(0);
        let slot = stage.fleet.reserve(&slot, Occupant::Drain, stage.now()).await.unwrap().unwrap();
        stage.pass(59).await;
        assert_eq!((stage.tick().await.recovered, stage.live()), (0, 0));
        stage.pass(1).await;
        assert_eq!((stage.tick().await.recovered, stage.live()), (1, 1));
        stage.pass(60).await;
        let found = stage.slots().await.remove(0);
        assert_eq!((found.generation, found.phase), (slot.generation, Phase::Polling));
    });
}

#[test]
fn a_launcher_that_dies_at_any_call_leaves_one_worker() {
    // As Lambda ends it: its future is dropped. Each call takes a second, and another comes a minute later.
    for seconds in 0..8 {
        Stage::play(10, async |stage| {
            stage.queue(1);
            stage.on(Rule::new("*", "*", Fault::Delay(Duration::from_secs(1))));
            let scaling = stage.scaling();
            let run = scaling.run(Trigger::Tick, stage.now());
            let ended = Duration::from_millis(seconds * 1000 + 500);
            let _ = tokio::time::timeout(ended, run).await;
            let launched = stage.minutes(3).await;
            let tasks = stage.tasks();
            assert_eq!((tasks.len(), launched <= 1), (1, true), "ended after {ended:?}: {tasks:#?}");
            let slots = stage.slots().await;
            assert_eq!(slots.iter().filter(|slot| slot.phase == Phase::Polling).count(), 1, "{slots:#?}");
        });
    }
}

#[test]
fn a_reservation_that_there_is_no_room_for_waits_for_room() {
    Stage::play(10, async |stage| {
        let slot = stage.slots().await.remove(0);
        stage.fleet.reserve(&slot, Occupant::Drain, stage.now()).await.unwrap().unwrap();
        let reason = "Capacity is unavailable at this time".to_owned();
        stage.fault("RunTask", Fault::Part(Partial::LaunchFailures { reason, detail: None }));
        stage.pass(60).await;
        let scaled = stage.tick().await;
        assert_eq!((scaled.recovered, scaled.freed, scaled.launched), (0, 0, 0));
        stage.no_more_faults();
        assert_eq!((stage.tick().await.recovered, stage.live()), (1, 1));
    });
}

#[test]
fn a_worker_whose_task_nobody_noted_is_found_when_it_falls_silent() {
    Stage::play(10, async |stage| {
        stage.next_workers([Worker::FallsSilentAfter(Duration::from_secs(30))]);
        stage.on(Rule::new("ecs", "RunTask", Fault::LoseAnswer).first(3));
        stage.run(Trigger::Queued { count: 1 }).await.unwrap();
        stage.minutes(2).await;
        let slot = stage.slots().await.remove(0);
        assert_eq!((slot.phase, &slot.task), (Phase::Polling, &None));
        stage.pass(60).await;
        assert_eq!(stage.tick().await.recovered, 1);
        assert_eq!(stage.slots().await[0].task.as_ref(), Some(&stage.tasks()[0].arn));
        // Silent for ten minutes, it is stopped like any other.
        stage.minutes(12).await;
        assert!(stage.slots().await[0].is_free());
        assert_eq!((stage.live(), stage.tasks().len()), (0, 1));
    });
}
