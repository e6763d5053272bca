//! As many as are missing, once.

use app::scale::Trigger;
use domain::fleet::Occupant;
use localcloud::{
    faults::{Call, Partial},
    wire::ApiError,
};
use tests::call;

use crate::harness::FleetHarness;

/// At 200 ms each, as first guessed: seven paid minutes.
const SEVEN: usize = 2000;

#[test]
fn a_run_does_not_launch_what_the_run_before_launched() {
    FleetHarness::play(10, async |harness| {
        harness.queue(SEVEN);
        let first = harness.tick().await;
        assert_eq!((first.visible, first.wanted, first.launched, first.reason), (2000, 7, 7, None));
        let second = harness.tick().await;
        assert_eq!((second.launching, second.wanted, second.launched), (7, 0, 0));
        assert_eq!(second.reason.as_deref(), Some("those that run and start are enough"));
        let slots = harness.slots().await;
        let held: Vec<_> = slots.iter().filter(|slot| slot.is_drain()).map(|slot| slot.number).collect();
        assert_eq!(held, [1, 2, 3, 4, 5, 6, 7]);
        for (task, slot) in harness.tasks().iter().zip(slots) {
            assert_eq!(slot.task.as_ref(), Some(&task.arn));
            assert_eq!(task.started_by, Some(format!("drain/{}/1", slot.number)));
        }
        harness.pass(60).await;
        assert_eq!(harness.tick().await.running, 7);
    });
}

#[test]
fn runs_at_once_launch_together_what_one_would() {
    FleetHarness::play(20, async |harness| {
        harness.queue(SEVEN);
        let (a, b, c) = (harness.scaling(), harness.scaling(), harness.scaling());
        let (tick, now) = (Trigger::Tick, harness.now());
        let queued = Trigger::Queued { count: 10 };
        let (a, b, c) = tokio::join!(a.run(tick, now), b.run(queued, now), c.run(tick, now));
        let launched = [a, b, c].map(|scaled| scaled.unwrap().launched);
        assert_eq!(launched.iter().sum::<u32>(), 7, "{launched:?}");
        assert_eq!(harness.live(), 7);
    });
}

#[test]
fn a_slot_reserved_twice_in_one_moment_is_won_once() {
    FleetHarness::play(10, async |harness| {
        let (slot, now) = (harness.slots().await.remove(0), harness.now());
        let reserve = || harness.fleet.reserve(&slot, Occupant::Drain, now);
        let (a, b) = tokio::join!(reserve(), reserve());
        assert_eq!([a, b].map(|won| won.unwrap().is_some()).iter().filter(|won| **won).count(), 1);
    });
}

#[test]
fn a_sender_counts_its_own_messages_when_the_queue_does_not_show_them_yet() {
    FleetHarness::play(10, async |harness| {
        let scaled = harness.run(Trigger::Queued { count: 700 }).await.unwrap();
        assert_eq!((scaled.visible, scaled.launched), (700, 3));
    });
}

#[test]
fn no_room_stops_the_round_and_the_next_one_goes_on() {
    let full = Call::Part(Partial::LaunchFailures { reason: "of a new kind".to_owned(), detail: None });
    let disguised = ApiError::client("InvalidParameterException", "(ErrorCode: Throttling): Rate exceeded");
    for (fault, says) in [(full, "no capacity: of a new kind"), (Call::Refuse(disguised), "throttled")] {
        FleetHarness::play(10, async |harness| {
            harness.queue(SEVEN);
            harness.on(call::launch_task().meets(fault.clone()).nth(3));
            let scaled = harness.tick().await;
            assert_eq!((scaled.wanted, scaled.launched), (7, 2));
            assert!(scaled.reason.as_ref().unwrap().starts_with(says), "{scaled:?}");
            assert_eq!(harness.slots().await.iter().filter(|slot| slot.is_drain()).count(), 2);
            let scaled = harness.tick().await;
            assert_eq!((scaled.launching, scaled.wanted, scaled.launched), (2, 5, 5));
            assert_eq!(harness.live(), 7);
        });
    }
}

#[test]
fn a_throttle_that_outlasts_the_sdk_waits_for_the_next_minute() {
    FleetHarness::play(10, async |harness| {
        harness.queue(1);
        harness.on(call::launch_task().meets(Call::Throttle).first(3));
        let scaled = harness.tick().await;
        assert_eq!((scaled.wanted, scaled.launched), (1, 0));
        assert!(harness.slots().await[0].is_free());
        assert_eq!(harness.tick().await.launched, 1);
    });
}

#[test]
fn while_the_configuration_is_wrong_probe_launches_run_and_nothing_is_lost() {
    FleetHarness::play(10, async |harness| {
        harness.queue(SEVEN);
        let denied = ApiError::client("AccessDeniedException", "is not authorized to perform: iam:PassRole");
        harness.on(call::launch_task().meets(Call::Refuse(denied)));
        let scaled = harness.tick().await;
        assert_eq!((scaled.wanted, scaled.launched), (7, 0));
        assert!(scaled.reason.unwrap().contains("iam:PassRole"));
        let calls = harness.calls(async {
            for _ in 0..20 {
                harness.pass(60).await;
                harness.tick().await;
            }
        });
        assert_eq!(calls.await.get("RunTask"), Some(&4), "after 1, 2, 4 and 8 minutes");
        assert!(harness.slots().await.iter().all(|slot| slot.is_free()));
        harness.no_more_faults();
        let held = harness.tick().await;
        assert_eq!(held.launched, 0);
        assert!(held.reason.unwrap().contains("paused until"));
        harness.pass(900).await;
        assert_eq!(harness.tick().await.launched, 1, "the one that tries");
        assert_eq!(harness.tick().await.launched, 6, "RunTask takes them again");
    });
}

#[test]
fn a_round_ends_in_time_and_the_next_run_goes_on() {
    FleetHarness::play(100, async |harness| {
        harness.queue(2 * SEVEN);
        harness.on(call::launch_task().meets(Call::Delay(std::time::Duration::from_secs(5))));
        let began = harness.now();
        let scaled = harness.tick().await;
        assert!(harness.now().duration_since(began).as_secs() < 28, "the function's time");
        assert_eq!((scaled.wanted, scaled.reason.as_deref()), (14, Some("the round is over")));
        assert!((1..14).contains(&scaled.launched), "{scaled:?}");
        harness.no_more_faults();
        let next = harness.tick().await;
        assert_eq!((next.wanted, next.launched), (14 - scaled.launched, 14 - scaled.launched));
        assert_eq!(harness.live(), 14);
    });
}

#[test]
fn dedicated_tasks_take_places_from_the_pool_which_keeps_one() {
    FleetHarness::play(4, async |harness| {
        let job = domain::job::JobId::parse("00112233445566778899aabbccddeeff").unwrap();
        let occupant = Occupant::Job { job, attempt: 1 };
        let slot = harness.slots().await.remove(2);
        harness.fleet.reserve(&slot, occupant, harness.now()).await.unwrap().unwrap();
        harness.queue(SEVEN);
        let scaled = harness.tick().await;
        assert_eq!((scaled.maximum, scaled.wanted, scaled.launched), (2, 2, 2));
        let scaled = harness.tick().await;
        assert_eq!(
            (scaled.wanted, scaled.reason.as_deref()),
            (0, Some("every place for pooled workers is taken"))
        );
        assert_eq!(harness.live(), 2);
    });
}
