//! What the law promises, played out over many histories.

use std::time::Duration;

use super::{conditions::*, simulation::play};

const SEEDS: u64 = 25;
const HOUR: Ms = 60 * MINUTE;
const MINUTE_OLD: std::ops::Range<Ms> = 50 * SECOND..60 * SECOND;

/// Simulates, and asserts what holds under all conditions in which work can be done.
fn play_all(conditions: &Conditions, arrivals: &Arrivals, seed: u64) -> History {
    let history = play(conditions, arrivals, seed, 100 * HOUR);
    let messages: usize = arrivals.iter().map(|(_, count, _)| count).sum();
    assert_eq!(history.done, messages, "seed {seed}: work is left undone: {history:?}");
    assert_eq!(history.left, 0, "seed {seed}: not to zero at the end: {history:?}");
    assert!(history.peak <= conditions.maximum, "seed {seed}: above the maximum: {history:?}");
    history
}

fn known_service(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

/// So many a second, evenly, for so long.
fn steady(per_second: f64, from: Ms, to: Ms, service: Ms) -> Arrivals {
    let mut owed = 0.0;
    let step = |at| {
        owed += per_second / 4.0;
        let count = owed as usize;
        owed -= count as f64;
        (count > 0).then_some((at, count, service))
    };
    (from..to).step_by(250).filter_map(step).collect()
}

#[test]
fn a_burst_is_launched_for_once() {
    for seed in 0..SEEDS {
        let conditions = Conditions { known_service: known_service(100), ..Conditions::default() };
        let history = play_all(&conditions, &vec![(0, 2000, 100)], seed);
        assert_eq!(history.launched, 4, "seed {seed}: {history:?}");
        assert!(history.finished < 2 * MINUTE, "seed {seed}: {history:?}");
    }
}

#[test]
fn overlapping_runs_launch_what_one_does() {
    for seed in 0..SEEDS {
        for scalers in [2, 3] {
            let of =
                |scalers| Conditions { scalers, known_service: known_service(200), ..Conditions::default() };
            for size in [1, 700, 5000] {
                let burst = vec![(5 * SECOND, size, 200)];
                let one = play_all(&of(1), &burst, seed);
                let several = play_all(&of(scalers), &burst, seed);
                assert_eq!(several.launched, one.launched, "seed {seed}: {several:?} {one:?}");
            }
        }
    }
}

#[test]
fn overlapping_runs_launch_no_more_while_the_fleet_changes() {
    let arrivals: Arrivals = (0..20).map(|n| (n * 47 * SECOND, 100 + 37 * n as usize % 800, 200)).collect();
    let of = |scalers| Conditions {
        scalers,
        lifetime: Some(MINUTE..5 * MINUTE),
        batch: 10,
        ..Conditions::default()
    };
    let total =
        |scalers| (0..SEEDS).map(|seed| play_all(&of(scalers), &arrivals, seed).launched).sum::<u32>();
    let (one, three) = (total(1), total(3));
    assert!(three <= one + one / 10, "{one} by one, {three} by three");
}

#[test]
fn the_maximum_holds_whatever_happens() {
    for seed in 0..SEEDS {
        let conditions = Conditions {
            maximum: 1 + (seed % 7) as u32,
            never_start: 0.2,
            lifetime: Some(10 * SECOND..5 * MINUTE),
            counts_age: 0..60 * SECOND,
            scalers: 3,
            ..Conditions::default()
        };
        play_all(&conditions, &vec![(0, 3000, 200), (90 * SECOND, 3000, 200)], seed);
    }
}

#[test]
fn workers_that_die_delay_and_do_not_stall() {
    for seed in 0..SEEDS {
        let conditions = Conditions {
            lifetime: Some(5 * SECOND..90 * SECOND),
            batch: 10,
            counts_age: 0..60 * SECOND,
            ..Conditions::default()
        };
        let history = play_all(&conditions, &vec![(0, 2000, 100)], seed);
        assert!(history.finished < 12 * MINUTE, "seed {seed}: {history:?}");
    }
}

#[test]
fn starts_that_fail_are_tried_again_a_few_at_a_time_and_work_is_done_when_they_succeed() {
    for seed in 0..SEEDS {
        let conditions =
            Conditions { starts_work_from: HOUR, known_service: known_service(100), ..Conditions::default() };
        let history = play_all(&conditions, &vec![(0, 2000, 100)], seed);
        let before: Vec<_> = history.launches.iter().filter(|(at, _)| *at < HOUR).collect();
        let gaps = before.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.max().unwrap() <= 5 * MINUTE, "seed {seed}: it stopped trying: {history:?}");
        let tries: u32 = before.iter().map(|(_, count)| count).sum();
        assert!(tries <= 70, "seed {seed}: about one a minute: {history:?}");
        assert!(history.finished < HOUR + 8 * MINUTE, "seed {seed}: {history:?}");
    }
}

#[test]
fn half_the_starts_failing_only_delays() {
    for seed in 0..SEEDS {
        let conditions = Conditions { never_start: 0.5, ..Conditions::default() };
        let history = play_all(&conditions, &vec![(0, 2000, 100)], seed);
        assert!(history.finished < 15 * MINUTE, "seed {seed}: {history:?}");
    }
}

#[test]
fn long_messages_get_a_worker_each() {
    for seed in 0..SEEDS {
        let history = play_all(&Conditions::default(), &vec![(0, 30, 10 * MINUTE)], seed);
        // Unknown at first; by patience and by learning, before the first is done.
        assert!(history.finished < 25 * MINUTE, "seed {seed}: {history:?}");
        assert!(history.launched <= 36, "seed {seed}: {history:?}");
    }
}

#[test]
fn a_service_time_mislearned_a_hundredfold_is_overcome() {
    for seed in 0..SEEDS {
        let low = Conditions { known_service: known_service(100), ..Conditions::default() };
        let history = play_all(&low, &vec![(0, 2000, 10 * SECOND)], seed);
        // At once with the right number it is 200 seconds at 100 workers.
        assert!(history.finished < 20 * MINUTE, "seed {seed}: {history:?}");
        let high = Conditions { known_service: known_service(10_000), maximum: 20, ..Conditions::default() };
        let history = play_all(&high, &vec![(0, 2000, 100)], seed);
        assert!(history.launched <= 21, "seed {seed}: {history:?}");
    }
}

/// What the least number of launches could be: for bursts, a paid minute each; for streams, what keeps up.
#[test]
fn counts_a_minute_old_do_not_make_it_thrash() {
    let bursts: Arrivals = (0..6).map(|n| (n * 10 * MINUTE, 1200, 200)).collect();
    let ramp = (0..20).flat_map(|n| steady(2.0 * n as f64, n * MINUTE, (n + 1) * MINUTE, 200)).collect();
    let cases: [(&str, Arrivals, u32, u32); 4] = [
        ("bursts", bursts, 6 * 4, 2),
        ("a ramp to 38 a second", ramp, 8, 3),
        ("a stream of 13 a second", steady(13.0, 0, 30 * MINUTE, 200), 3, 3),
        ("a trickle of one in 10 s", steady(0.1, 0, 30 * MINUTE, 200), 1, 2),
    ];
    for (name, arrivals, ideal, factor) in cases {
        for seed in 0..5 {
            let conditions = Conditions {
                counts_age: MINUTE_OLD,
                known_service: known_service(200),
                ..Conditions::default()
            };
            let history = play_all(&conditions, &arrivals, seed);
            assert!(history.launched <= ideal * factor, "{name}, seed {seed}: {history:?}");
            assert!(history.longest < 4 * MINUTE, "{name}, seed {seed}: {history:?}");
        }
    }
}

#[test]
fn a_trickle_keeps_no_more_than_one_worker() {
    for seed in 0..SEEDS {
        for counts_age in [0..1, MINUTE_OLD] {
            let conditions = Conditions { counts_age, ..Conditions::default() };
            let trickle = (0..60).map(|n| (n * MINUTE, 1, 200)).collect();
            let history = play_all(&conditions, &trickle, seed);
            assert_eq!(history.peak, 1, "seed {seed}: {history:?}");
            assert!(history.paid <= 62 * MINUTE, "seed {seed}: {history:?}");
            assert!(history.longest <= 2 * MINUTE, "seed {seed}: {history:?}");
        }
    }
}

/// The two hours in which another team's 96,191 events became some 3,087 containers.
#[test]
fn ninety_six_thousand_objects_in_two_hours_take_a_handful_of_workers() {
    let per_second = 96_191.0 / (2.0 * 3600.0);
    for (seed, counts_age) in [(1, 0..1), (2, MINUTE_OLD)] {
        let conditions = Conditions { counts_age, ..Conditions::default() };
        let history = play_all(&conditions, &steady(per_second, 0, 2 * HOUR, 200), seed);
        assert!(history.launched <= 8 && history.peak <= 7, "seed {seed}: {history:?}");
        assert!(history.total_wait / (history.done as Ms) < 10 * SECOND, "seed {seed}: {history:?}");
    }
}
