//! Slots come free again, whatever became of their tasks.

use std::time::Duration;

use app::scale::Trigger;
use domain::{
    fleet::{Occupant, Phase},
    job::JobId,
    verdict,
};
use localcloud::{
    ecs::{Status, TaskSnapshot},
    faults::{Call, Rule},
};

use crate::harness::{FleetHarness, Worker};

fn stopped_for(task: &TaskSnapshot) -> &str {
    assert_eq!(task.status, Status::Stopped, "{task:?}");
    task.stopped_reason.as_deref().unwrap_or_default()
}

#[test]
fn a_worker_whose_stop_event_was_lost_is_looked_up_and_replaced() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        harness.tick().await;
        harness.pass(45).await;
        harness.kill(&harness.tasks()[0]);
        harness.queue(1);
        harness.pass(55).await;
        let scaled = harness.tick().await;
        assert_eq!((scaled.freed, scaled.running, scaled.wanted), (0, 1, 0), "it may only be late to say so");
        harness.pass(30).await;
        let scaled = harness.tick().await;
        assert_eq!((scaled.freed, scaled.running, scaled.launched), (1, 0, 1));
        let slot = harness.slots().await.remove(0);
        assert_eq!((slot.generation, harness.live()), (2, 1));
    });
}

#[test]
fn a_task_that_never_starts_is_passed_over_then_stopped() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        harness.next_workers([Worker::Hangs]);
        assert_eq!(harness.tick().await.launched, 1);
        harness.pass(60).await;
        assert_eq!(harness.tick().await.launched, 0);
        harness.pass(60).await;
        let scaled = harness.tick().await;
        assert_eq!((scaled.overdue, scaled.launched), (1, 1), "overdue: another is launched");
        assert_eq!(harness.minutes(7).await, 0);
        assert_eq!(harness.live(), 2);
        harness.pass(60).await;
        assert_eq!(harness.tick().await.stopped, 1, "ten minutes");
        harness.pass(60).await;
        assert_eq!(harness.tick().await.freed, 1);
        let words = format!("{}: never started", verdict::OVERDUE);
        assert_eq!((stopped_for(&harness.tasks()[0]), harness.live()), (&*words, 1));
        let phases: Vec<_> = harness.slots().await.iter().map(|slot| slot.phase).collect();
        assert_eq!(phases[..3], [Phase::Free, Phase::Polling, Phase::Free]);
    });
}

#[test]
fn a_silent_worker_is_looked_up_and_stopped_after_ten_minutes() {
    FleetHarness::play(10, async |harness| {
        harness.next_workers([Worker::FallsSilentAfter(Duration::from_secs(30))]);
        harness.run(Trigger::Queued { count: 1 }).await.unwrap();
        harness.minutes(10).await;
        assert_eq!(harness.live(), 1, "asked after, it lives");
        harness.minutes(3).await;
        let words = format!("{}: not heard of", verdict::OVERDUE);
        assert_eq!((stopped_for(&harness.tasks()[0]), harness.live()), (&*words, 0));
        assert!(harness.slots().await[0].is_free());
    });
}

#[test]
fn one_question_is_asked_for_all() {
    FleetHarness::play(20, async |harness| {
        harness.queue(2000);
        harness.tick().await;
        harness.pass(45).await;
        for task in harness.tasks() {
            harness.kill(&task);
        }
        harness.queue(700);
        harness.pass(90).await;
        let calls = harness.calls(harness.tick()).await;
        assert_eq!((calls["DescribeTasks"], calls["RunTask"]), (1, 7));
        assert_eq!(harness.live(), 7);
    });
}

#[test]
fn a_failed_repair_is_reported_and_keeps_no_worker_from_being_launched() {
    FleetHarness::play(10, async |harness| {
        harness.next_workers([Worker::FallsSilentAfter(Duration::from_secs(1))]);
        harness.run(Trigger::Queued { count: 1 }).await.unwrap();
        harness.pass(120).await;
        harness.fault("DescribeTasks", Call::Throttle);
        harness.queue(2000);
        let error = harness.run(Trigger::Tick).await.unwrap_err();
        assert!(error.to_string().contains("describe 1 task"), "{error}");
        assert!(harness.live() > 1);
    });
}

#[test]
fn slots_of_ended_dedicated_tasks_are_freed_and_those_of_working_ones_stay() {
    FleetHarness::play(10, async |harness| {
        let job = |n: u32| Occupant::Job { job: JobId::parse(&format!("{n:032x}")).unwrap(), attempt: 1 };
        let mut slots = harness.slots().await.into_iter().rev();
        let mut reserved = Vec::new();
        for n in 1..=3 {
            let slot = slots.next().unwrap();
            reserved.push(harness.fleet.reserve(&slot, job(n), harness.now()).await.unwrap().unwrap());
        }
        // The first launcher died; the second's task is gone; the third's works for hours.
        let gone = "arn:aws:ecs:us-east-1:123456789012:task/nowhere/0123456789abcdef0123456789abcdef";
        harness.run(Trigger::Queued { count: 1 }).await.unwrap();
        let lives = harness.tasks()[0].arn.clone();
        for (slot, task) in reserved[1..].iter().zip([gone, &lives]) {
            assert!(harness.fleet.launched(slot.number, slot.generation, task).await.unwrap());
        }
        let freed = async || -> Vec<u32> {
            let slots = harness.slots().await;
            slots.iter().filter(|slot| slot.number > 7 && slot.is_free()).map(|slot| slot.number).collect()
        };
        harness.minutes(4).await;
        assert_eq!(freed().await, [] as [u32; 0]);
        harness.minutes(2).await;
        assert_eq!(freed().await, [9]);
        harness.minutes(60).await;
        assert_eq!(freed().await, [9, 10]);
        assert_eq!(harness.live(), 1);
    });
}

#[test]
fn what_workers_have_done_is_counted_over_all_generations() {
    use aws::fleet::{Heartbeat, WorkerStats};
    FleetHarness::play(1, async |harness| {
        for n in 1..=3 {
            let slot = harness.slots().await.remove(0);
            let slot = harness.fleet.reserve(&slot, Occupant::Drain, harness.now()).await.unwrap().unwrap();
            assert_eq!(slot.done_ever(), 10 * (n - 1));
            let stats = WorkerStats { done: 10, busy: Duration::from_secs(1) };
            let (number, generation) = (slot.number, slot.generation);
            let heartbeat = Heartbeat { slot: number, generation, at: harness.now(), stats };
            assert!(harness.fleet.heartbeat(&heartbeat).await.unwrap());
            assert!(harness.fleet.free(slot.number, slot.generation).await.unwrap());
        }
        assert_eq!(harness.slots().await[0].done_ever(), 30);
        // A repeat of a reservation whose answer was lost finds its own.
        harness.on(Rule::new("dynamodb", "PutItem", Call::LoseAnswer).nth(1));
        harness.queue(1);
        assert_eq!(harness.tick().await.launched, 1);
    });
}
