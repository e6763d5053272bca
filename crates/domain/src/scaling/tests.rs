mod conditions;
mod fleet_counts;
mod known_faults;
mod learning;
mod properties;
mod simulation;

use std::time::Duration;

use super::*;

/// Nothing to do, nobody there, estimates as first guessed but for a service time of 100 ms.
fn quiet() -> Signals {
    Signals {
        visible: 0,
        in_flight: 0,
        done_lately: 0,
        waited: Duration::ZERO,
        arrivals_per_second: 0.0,
        service: Duration::from_millis(100),
        startup: FIRST_STARTUP,
        running: 0,
        launching: 0,
        overdue: 0,
        maximum: 100,
    }
}

/// Any signals at all, the absurd included.
fn random(random: &mut fastrand::Rng) -> Signals {
    let mut count = |most: u32| if random.bool() { random.u32(..=most.min(20)) } else { random.u32(..=most) };
    let (visible, in_flight, done_lately) = (count(u32::MAX), count(u32::MAX), count(10_000));
    let (running, launching, overdue, maximum) = (count(u32::MAX), count(1000), count(1000), count(2000));
    let seconds = |random: &mut fastrand::Rng, most| Duration::from_secs_f64(random.f64() * most);
    Signals {
        visible: visible.into(),
        in_flight: in_flight.into(),
        done_lately: done_lately.into(),
        waited: seconds(random, 1000.0),
        arrivals_per_second: random.f64() * 100.0,
        service: seconds(random, 10.0),
        startup: seconds(random, 200.0),
        running,
        launching,
        overdue,
        maximum,
    }
}

#[test]
fn nothing_is_launched_when_nothing_waits() {
    let idle = Signals { in_flight: 1000, arrivals_per_second: 50.0, waited: PATIENCE * 9, ..quiet() };
    assert_eq!(launches(&idle), 0);
    assert_eq!(launches(&Signals { overdue: 3, ..idle }), 0);
}

#[test]
fn a_burst_gets_as_many_as_have_a_paid_minute_of_it() {
    assert_eq!(launches(&Signals { visible: 1, ..quiet() }), 1);
    assert_eq!(launches(&Signals { visible: 600, ..quiet() }), 1);
    assert_eq!(launches(&Signals { visible: 2000, ..quiet() }), 4);
    assert_eq!(launches(&Signals { visible: 2000, maximum: 3, ..quiet() }), 3);
    // Two that run do 210 worker-seconds by the end of the minute.
    assert_eq!(launches(&Signals { visible: 2000, running: 2, ..quiet() }), 0);
    assert_eq!(launches(&Signals { visible: 2701, running: 2, ..quiet() }), 2);
}

#[test]
fn no_more_are_launched_than_messages_wait() {
    let long = Signals { visible: 3, in_flight: 7, running: 7, service: Duration::from_secs(600), ..quiet() };
    assert_eq!(launches(&long), 3);
    assert_eq!(launches(&Signals { launching: 2, ..long.clone() }), 1);
    assert_eq!(launches(&Signals { launching: 3, ..long }), 0);
}

#[test]
fn messages_that_are_held_are_work_too() {
    let busy = Signals { visible: 2000, running: 2, ..quiet() };
    assert_eq!(launches(&busy), 0);
    assert_eq!(launches(&Signals { in_flight: 700, ..busy }), 1);
}

#[test]
fn what_a_fleet_did_before_it_left_is_not_launched_for_once_more() {
    let gone = Signals { visible: 6000, done_lately: 6000, ..quiet() };
    assert_eq!(launches(&gone), 1);
    assert_eq!(launches(&Signals { launching: 1, ..gone.clone() }), 0);
    assert_eq!(launches(&Signals { visible: 6003, ..gone.clone() }), 3);
    // Who still runs has found that there is more.
    assert_eq!(launches(&Signals { running: 1, ..gone }), 9);
}

#[test]
fn arrivals_that_go_on_are_launched_for_before_they_wait_long() {
    let stream = Signals { visible: 300, running: 1, arrivals_per_second: 30.0, ..quiet() };
    assert_eq!(launches(&stream), 2);
    assert_eq!(launches(&Signals { arrivals_per_second: 0.0, ..stream }), 0);
}

#[test]
fn overdue_tasks_hold_their_slots_and_are_no_capacity() {
    let one_polls = Signals { visible: 3000, running: 1, overdue: 3, ..quiet() };
    assert_eq!(launches(&one_polls), launches(&Signals { overdue: 0, ..one_polls.clone() }));
    assert_eq!(launches(&Signals { maximum: 5, ..one_polls }), 1);
}

#[test]
fn when_no_start_succeeds_it_is_tried_one_at_a_time() {
    let broken = Signals { visible: 2000, overdue: 4, ..quiet() };
    assert_eq!(launches(&broken), 1);
    assert_eq!(launches(&Signals { launching: 1, ..broken }), 0);
}

#[test]
fn patience_ends_only_when_nobody_is_starting() {
    let stuck = Signals { visible: 5, running: 5, waited: FIRST_STARTUP + PATIENCE, ..quiet() };
    assert_eq!(launches(&stuck), 0);
    let stuck = Signals { waited: stuck.waited + Duration::from_secs(1), ..stuck };
    assert_eq!(launches(&stuck), 3);
    assert_eq!(launches(&Signals { launching: 1, ..stuck }), 0);
}

#[test]
fn whatever_the_signals_it_stays_within_the_maximum_and_says_nothing_twice() {
    let rng = &mut fastrand::Rng::with_seed(1);
    let mut launching_said = 0;
    for _ in 0..100_000 {
        let signals = random(rng);
        let n = launches(&signals);
        let live = u64::from(signals.running) + u64::from(signals.launching) + u64::from(signals.overdue);
        assert!(n == 0 || live + u64::from(n) <= u64::from(signals.maximum), "{n} for {signals:?}");
        let after = Signals { launching: signals.launching + n, ..signals.clone() };
        assert!(n == 0 || launches(&after) == 0, "{n}, then {} for {signals:?}", launches(&after));
        let room = live < u64::from(signals.maximum);
        let alone = signals.running == 0 && signals.launching == 0;
        assert!(n > 0 || !(room && alone && signals.visible > 0), "stalled by {signals:?}");
        launching_said += u32::from(n > 0);
    }
    assert!(launching_said > 10_000, "{launching_said} say something");
}

#[test]
fn more_work_never_means_fewer_launches_and_more_workers_never_more() {
    let rng = &mut fastrand::Rng::with_seed(2);
    for _ in 0..100_000 {
        let signals = Signals { waited: Duration::ZERO, ..random(rng) };
        let n = launches(&signals);
        let more = Signals { visible: signals.visible + rng.u64(1..100), ..signals.clone() };
        assert!(launches(&more) >= n, "{signals:?}");
        if signals.running > 0 {
            let more = Signals { running: signals.running.saturating_add(1), ..signals.clone() };
            assert!(launches(&more) <= n, "{signals:?}");
        }
    }
}

#[test]
fn numbers_that_are_none_are_survived() {
    for arrivals_per_second in [f64::NAN, f64::INFINITY, -1e300] {
        let odd =
            Signals { visible: u64::MAX, in_flight: u64::MAX, running: 1, arrivals_per_second, ..quiet() };
        assert!(launches(&odd) <= 99);
    }
    assert_eq!(overdue_after(Duration::MAX), Duration::from_secs(240));
}
