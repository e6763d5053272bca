//! The counts of a fleet, from its slots.

use jiff::Timestamp;

use super::*;
use crate::{
    fleet::{Occupant, Phase, Slot},
    job::JobId,
};

const NOW: i64 = 100_000;

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_second(NOW - seconds_ago).unwrap()
}

fn launching(number: u32, seconds_ago: i64) -> Slot {
    Slot { phase: Phase::Launching, launched_at: at(seconds_ago), ..Slot::untouched(number) }
}

/// Polled 30 s after its launch; heard of 10 s ago.
fn polling(number: u32, done: u64, busy_ms: u64) -> Slot {
    let (polling_at, last_heartbeat_at) = (Some(at(970)), Some(at(10)));
    Slot { phase: Phase::Polling, polling_at, last_heartbeat_at, done, busy_ms, ..launching(number, 1000) }
}

#[test]
fn the_counts_separate_running_starting_overdue_and_free_slots() {
    let own = Occupant::Job { job: JobId::parse("00112233445566778899aabbccddeeff").unwrap(), attempt: 1 };
    let slots = [
        polling(1, 10, 0),
        launching(2, 90),
        launching(3, 91),
        Slot { phase: Phase::Leaving, done_before: 5, ..polling(4, 2, 0) },
        Slot { occupant: own, done_before: 100, ..launching(5, 10) },
        Slot { phase: Phase::Free, ..polling(6, 1, 0) },
        Slot::untouched(7),
        Slot::untouched(8),
    ];
    let counts = fleet_counts(&slots, Timestamp::from_second(NOW).unwrap());
    assert_eq!((counts.running, counts.launching, counts.overdue), (1, 1, 1));
    assert_eq!(counts.maximum, 5, "those three and two free places; the last is for objects' own tasks");
    assert_eq!(counts.done, 10 + 2 + 5 + 100 + 1);
    assert!(counts.is_attended());
    assert_eq!(counts.estimates.startup, Duration::from_secs(30));
}

#[test]
fn overdue_tasks_and_leaving_workers_take_no_work() {
    let slots = [launching(1, 91), Slot { phase: Phase::Leaving, ..polling(2, 2, 0) }, Slot::untouched(3)];
    assert!(!fleet_counts(&slots, Timestamp::from_second(NOW).unwrap()).is_attended());
}

#[test]
fn tasks_without_a_heartbeat_do_not_replace_earlier_estimates() {
    let long_ago =
        Slot { phase: Phase::Free, last_heartbeat_at: Some(at(90_000)), ..polling(1, 1000, 1_000_000) };
    let slots = [long_ago, launching(2, 10)];
    let learned = fleet_counts(&slots, Timestamp::from_second(NOW).unwrap()).estimates.service;
    assert!(learned > Duration::from_millis(900), "{learned:?}");
}

#[test]
fn the_reason_for_no_launch_is_named() {
    let waits = Signals { visible: 5, running: 2, ..quiet() };
    for (signals, words) in [
        (quiet(), "nothing waits"),
        (Signals { in_flight: 1, ..quiet() }, "workers have all there is in hand"),
        (Signals { maximum: 2, ..waits.clone() }, "every place for pooled workers is taken"),
        (waits, "those that run and start are enough"),
    ] {
        assert_eq!((launches(&signals), why_none(&signals)), (0, words));
    }
}

#[test]
fn an_idle_queue_is_news_once() {
    let now = |seconds| Timestamp::from_second(NOW + seconds).unwrap();
    let first = observe_queue(None, now(0), 0, 0, 7);
    assert!(!first.is_news);
    let busy = observe_queue(None, now(60), 3, 0, 7);
    assert!(busy.is_news);
    let done = observe_queue(Some(&busy.snapshot), now(120), 0, 0, 10);
    assert!(done.is_news, "three were done");
    let idle = observe_queue(Some(&done.snapshot), now(180), 0, 0, 10);
    assert!(idle.is_news, "no more");
    assert!(!observe_queue(Some(&idle.snapshot), now(240), 0, 0, 10).is_news);
    assert!(!observe_queue(Some(&idle.snapshot), now(181), 0, 0, 10).is_news, "too short to tell anything");
}
