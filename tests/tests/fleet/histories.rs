//! Histories drawn from seeds: everything goes wrong for half an hour, then nothing does.

use std::time::Duration;

use app::scale::Trigger;
use domain::fleet::{Phase, Slot};
use localcloud::faults::{Call, Partial, Rule};

use crate::harness::{FleetHarness, Worker};

const MAXIMUM: u32 = 8;

#[test]
fn no_fault_exceeds_the_maximum_of_tasks_or_loses_a_slot() {
    for seed in 0..6 {
        FleetHarness::play(MAXIMUM, async |harness| {
            let mut random = fastrand::Rng::with_seed(seed);
            go_wrong(harness);
            let acts = [Worker::Polls, Worker::Hangs, Worker::FallsSilentAfter(Duration::from_secs(100))];
            harness.next_workers((0..40).map(|_| acts[random.usize(..3)]));
            harness.queue(3000);
            for _ in 0..60 {
                harness.queue(random.usize(..300));
                // Runs that overlap, of which some are cut off; failing is theirs to do.
                let mut ends = || Duration::from_millis(random.u64(100..40_000));
                let [a, b, c] = std::array::from_fn(|_| (harness.scaling(), ends()));
                let run = async |(scaling, ends): (app::scale::Scaling, Duration), trigger| {
                    let _ = tokio::time::timeout(ends, scaling.run(trigger, harness.now())).await;
                };
                let queued = Trigger::Queued { count: 10 };
                tokio::join!(run(a, Trigger::Tick), run(b, queued), run(c, Trigger::Tick));
                if let Some(task) = harness.tasks().last()
                    && random.u32(..4) == 0
                    && task.stopped_at.is_none()
                {
                    harness.kill(task);
                }
                assert!(
                    harness.live() < MAXIMUM as usize,
                    "seed {seed}: one place is for objects' own tasks"
                );
                harness.pass(random.u64(1..60)).await;
            }
            harness.no_more_faults();
            harness.minutes(20).await;
            assert_eq!(harness.visible(), 0, "seed {seed}: work waits");
            assert!(harness.peak() < MAXIMUM as usize, "seed {seed}: {}", harness.peak());
            let slots = harness.slots().await;
            let held: Vec<&Slot> = slots.iter().filter(|slot| slot.is_drain()).collect();
            assert_eq!(held.len(), harness.live(), "seed {seed}: {slots:#?}");
            assert!(
                held.iter().any(|slot| slot.phase == Phase::Polling),
                "seed {seed}: work waits for nobody"
            );
        });
    }
}

fn go_wrong(harness: &FleetHarness) {
    let full = Partial::LaunchFailures { reason: "RESOURCE:FARGATE".to_owned(), detail: None };
    for (operation, fault, chance) in [
        ("RunTask", Call::LoseAnswer, 0.4),
        ("RunTask", Call::LoseRequest, 0.2),
        ("RunTask", Call::Part(full), 0.1),
        ("RunTask", Call::Throttle, 0.2),
        ("RunTask", Call::Delay(Duration::from_secs(2)), 0.5),
        ("DescribeTasks", Call::Throttle, 0.3),
        ("StopTask", Call::LoseAnswer, 0.5),
        ("PutItem", Call::LoseAnswer, 0.3),
        ("UpdateItem", Call::LoseAnswer, 0.3),
        ("UpdateItem", Call::Throttle, 0.3),
        ("BatchGetItem", Call::Part(Partial::Unprocessed { share: 0.5 }), 0.2),
        ("GetQueueAttributes", Call::Throttle, 0.2),
    ] {
        harness.on(Rule::new("*", operation, fault).chance(chance));
    }
}
