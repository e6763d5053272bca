//! Histories drawn from seeds: everything goes wrong for half an hour, then nothing does.

use std::time::Duration;

use aws::scaling::Trigger;
use domain::fleet::{Phase, Slot};
use localcloud::faults::{Fault, Partial, Rule};

use crate::stage::{Stage, Worker};

const MAXIMUM: u32 = 8;

#[test]
fn whatever_happens_places_are_kept_to_and_none_is_lost() {
    for seed in 0..6 {
        Stage::play(MAXIMUM, async |stage| {
            let mut random = fastrand::Rng::with_seed(seed);
            go_wrong(stage);
            let acts = [Worker::Polls, Worker::Hangs, Worker::FallsSilentAfter(Duration::from_secs(100))];
            stage.next_workers((0..40).map(|_| acts[random.usize(..3)]));
            stage.queue(3000);
            for _ in 0..60 {
                stage.queue(random.usize(..300));
                // Runs that overlap, of which some are cut off; failing is theirs to do.
                let mut ends = || Duration::from_millis(random.u64(100..40_000));
                let [a, b, c] = std::array::from_fn(|_| (stage.scaling(), ends()));
                let run = async |(scaling, ends): (aws::scaling::Scaling, Duration), trigger| {
                    let _ = tokio::time::timeout(ends, scaling.run(trigger, stage.now())).await;
                };
                let queued = Trigger::Queued { count: 10 };
                tokio::join!(run(a, Trigger::Tick), run(b, queued), run(c, Trigger::Tick));
                if let Some(task) = stage.tasks().last()
                    && random.u32(..4) == 0
                    && task.stopped_at.is_none()
                {
                    stage.kill(task);
                }
                assert!(stage.live() < MAXIMUM as usize, "seed {seed}: one place is for objects' own tasks");
                stage.pass(random.u64(1..60)).await;
            }
            stage.no_more_faults();
            stage.minutes(20).await;
            assert_eq!(stage.visible(), 0, "seed {seed}: work waits");
            assert!(stage.peak() < MAXIMUM as usize, "seed {seed}: {}", stage.peak());
            let slots = stage.slots().await;
            let held: Vec<&Slot> = slots.iter().filter(|slot| slot.is_drain()).collect();
            assert_eq!(held.len(), stage.live(), "seed {seed}: {slots:#?}");
            assert!(
                held.iter().any(|slot| slot.phase == Phase::Polling),
                "seed {seed}: work waits for nobody"
            );
        });
    }
}

fn go_wrong(stage: &Stage) {
    let full = Partial::LaunchFailures { reason: "RESOURCE:FARGATE".to_owned(), detail: None };
    for (operation, fault, chance) in [
        ("RunTask", Fault::LoseAnswer, 0.4),
        ("RunTask", Fault::LoseRequest, 0.2),
        ("RunTask", Fault::Part(full), 0.1),
        ("RunTask", Fault::Throttle, 0.2),
        ("RunTask", Fault::Delay(Duration::from_secs(2)), 0.5),
        ("DescribeTasks", Fault::Throttle, 0.3),
        ("StopTask", Fault::LoseAnswer, 0.5),
        ("PutItem", Fault::LoseAnswer, 0.3),
        ("UpdateItem", Fault::LoseAnswer, 0.3),
        ("UpdateItem", Fault::Throttle, 0.3),
        ("BatchGetItem", Fault::Part(Partial::Unprocessed { share: 0.5 }), 0.2),
        ("GetQueueAttributes", Fault::Throttle, 0.2),
    ] {
        stage.on(Rule::new("*", operation, fault).chance(chance));
    }
}
