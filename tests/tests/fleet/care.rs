//! Slots come free again, whatever became of their tasks.

use std::time::Duration;

use aws::scaling::Trigger;
use domain::{
    fleet::{Occupant, Phase},
    job::JobId,
    verdict,
};
use localcloud::{
    ecs::{Status, TaskSnapshot},
    faults::{Fault, Rule},
};

use crate::stage::{Stage, Worker};

fn stopped_for(task: &TaskSnapshot) -> &str {
    assert_eq!(task.status, Status::Stopped, "{task:?}");
    task.stopped_reason.as_deref().unwrap_or_default()
}

#[test]
fn a_worker_whose_stop_nobody_told_of_is_asked_after_and_replaced() {
    Stage::play(10, async |stage| {
        stage.queue(1);
        stage.tick().await;
        stage.pass(45).await;
        stage.kill(&stage.tasks()[0]);
        stage.queue(1);
        stage.pass(55).await;
        let scaled = stage.tick().await;
        assert_eq!((scaled.freed, scaled.running, scaled.wanted), (0, 1, 0), "it may only be late to say so");
        stage.pass(30).await;
        let scaled = stage.tick().await;
        assert_eq!((scaled.freed, scaled.running, scaled.launched), (1, 0, 1));
        let slot = stage.slots().await.remove(0);
        assert_eq!((slot.generation, stage.live()), (2, 1));
    });
}

#[test]
fn a_task_that_never_starts_is_passed_over_then_stopped() {
    Stage::play(10, async |stage| {
        stage.queue(1);
        stage.next_workers([Worker::Hangs]);
        assert_eq!(stage.tick().await.launched, 1);
        stage.pass(60).await;
        assert_eq!(stage.tick().await.launched, 0);
        stage.pass(60).await;
        let scaled = stage.tick().await;
        assert_eq!((scaled.late, scaled.launched), (1, 1), "late: another is launched");
        assert_eq!(stage.minutes(7).await, 0);
        assert_eq!(stage.live(), 2);
        stage.pass(60).await;
        assert_eq!(stage.tick().await.stopped, 1, "ten minutes");
        stage.pass(60).await;
        assert_eq!(stage.tick().await.freed, 1);
        let words = format!("{}: never started", verdict::OVERDUE);
        assert_eq!((stopped_for(&stage.tasks()[0]), stage.live()), (&*words, 1));
        let phases: Vec<_> = stage.slots().await.iter().map(|slot| slot.phase).collect();
        assert_eq!(phases[..3], [Phase::Free, Phase::Polling, Phase::Free]);
    });
}

#[test]
fn a_worker_not_heard_of_is_asked_after_and_stopped_after_ten_minutes() {
    Stage::play(10, async |stage| {
        stage.next_workers([Worker::FallsSilentAfter(Duration::from_secs(30))]);
        stage.run(Trigger::Queued { count: 1 }).await.unwrap();
        stage.minutes(10).await;
        assert_eq!(stage.live(), 1, "asked after, it lives");
        stage.minutes(3).await;
        let words = format!("{}: not heard of", verdict::OVERDUE);
        assert_eq!((stopped_for(&stage.tasks()[0]), stage.live()), (&*words, 0));
        assert!(stage.slots().await[0].is_free());
    });
}

#[test]
fn one_question_is_asked_for_all() {
    Stage::play(20, async |stage| {
        stage.queue(2000);
        stage.tick().await;
        stage.pass(45).await;
        for task in stage.tasks() {
            stage.kill(&task);
        }
        stage.queue(700);
        stage.pass(90).await;
        let calls = stage.calls(stage.tick()).await;
        assert_eq!((calls["DescribeTasks"], calls["RunTask"]), (1, 7));
        assert_eq!(stage.live(), 7);
    });
}

#[test]
fn trouble_with_care_is_told_and_keeps_no_worker_from_being_launched() {
    Stage::play(10, async |stage| {
        stage.next_workers([Worker::FallsSilentAfter(Duration::from_secs(1))]);
        stage.run(Trigger::Queued { count: 1 }).await.unwrap();
        stage.pass(120).await;
        stage.fault("DescribeTasks", Fault::Throttle);
        stage.queue(2000);
        let error = stage.run(Trigger::Tick).await.unwrap_err();
        assert!(error.to_string().contains("describe 1 tasks"), "{error}");
        assert!(stage.live() > 1);
    });
}

#[test]
fn what_objects_own_tasks_left_behind_is_freed_and_one_that_works_is_left_alone() {
    Stage::play(10, async |stage| {
        let job = |n: u32| Occupant::Job { job: JobId::parse(&format!("{n:032x}")).unwrap(), attempt: 1 };
        let mut slots = stage.slots().await.into_iter().rev();
        let mut reserved = Vec::new();
        for n in 1..=3 {
            let slot = slots.next().unwrap();
            reserved.push(stage.fleet.reserve(&slot, job(n), stage.now()).await.unwrap().unwrap());
        }
        // The first launcher died; the second's task is gone; the third's works for hours.
        let gone = "arn:aws:ecs:us-east-1:123456789012:task/nowhere/0123456789abcdef0123456789abcdef";
        stage.run(Trigger::Queued { count: 1 }).await.unwrap();
        let lives = stage.tasks()[0].arn.clone();
        for (slot, task) in reserved[1..].iter().zip([gone, &lives]) {
            assert!(stage.fleet.launched(slot.number, slot.generation, task).await.unwrap());
        }
        let freed = async || -> Vec<u32> {
            let slots = stage.slots().await;
            slots.iter().filter(|slot| slot.number > 7 && slot.is_free()).map(|slot| slot.number).collect()
        };
        stage.minutes(4).await;
        assert_eq!(freed().await, [] as [u32; 0]);
        stage.minutes(2).await;
        assert_eq!(freed().await, [9]);
        stage.minutes(60).await;
        assert_eq!(freed().await, [9, 10]);
        assert_eq!(stage.live(), 1);
    });
}

#[test]
fn what_workers_have_done_is_counted_over_all_generations() {
    use aws::fleet::Tally;
    Stage::play(1, async |stage| {
        for n in 1..=3 {
            let slot = stage.slots().await.remove(0);
            let slot = stage.fleet.reserve(&slot, Occupant::Drain, stage.now()).await.unwrap().unwrap();
            assert_eq!(slot.done_ever(), 10 * (n - 1));
            let tally = Tally { done: 10, busy: Duration::from_secs(1) };
            assert!(stage.fleet.check_in(slot.number, slot.generation, stage.now(), tally).await.unwrap());
            assert!(stage.fleet.free(slot.number, slot.generation).await.unwrap());
        }
        assert_eq!(stage.slots().await[0].done_ever(), 30);
        // A repeat of a reservation whose answer was lost finds its own.
        stage.on(Rule::new("dynamodb", "PutItem", Fault::LoseAnswer).nth(1));
        stage.queue(1);
        assert_eq!(stage.tick().await.launched, 1);
    });
}
