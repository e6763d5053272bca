//! What is learned: estimates from reports, trends from looks.

use jiff::Timestamp;

use super::super::*;

fn report(startup: u64, done: u64, busy: u64) -> Report {
    let busy = Duration::from_secs(busy);
    Report { startup: Some(Duration::from_secs(startup)), done, busy, age: Duration::ZERO }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

#[test]
fn the_first_guesses_stand_until_somebody_reports() {
    let guesses = Estimates { service: FIRST_SERVICE, startup: FIRST_STARTUP };
    assert_eq!(estimates(&[]), guesses);
    let silent = Report { startup: None, done: 0, busy: Duration::ZERO, age: Duration::ZERO };
    assert_eq!(estimates(&[silent; 5]), guesses);
}

#[test]
fn what_a_fleet_reports_is_learned() {
    let learned = estimates(&[report(30, 1000, 1000), report(31, 1000, 1100), report(32, 1000, 1200)]);
    assert!((0.9..1.2).contains(&learned.service.as_secs_f64()), "{learned:?}");
    assert_eq!(learned.startup, Duration::from_secs(31));
}

#[test]
fn one_odd_worker_changes_little() {
    let usual = [report(30, 1000, 100); 4];
    for odd in [report(300, 1, 3600), report(0, 1_000_000, 1), report(30, 0, 36_000)] {
        let learned = estimates(&[&usual[..], &[odd]].concat());
        assert!((90..110).contains(&learned.service.as_millis()), "{learned:?}");
        assert_eq!(learned.startup, Duration::from_secs(30));
    }
    // Where there is only one, its first messages are taken with care.
    let alone = estimates(&[report(300, 1, 60)]);
    assert!(alone.service < Duration::from_secs(6) && alone.startup == FIRST_STARTUP, "{alone:?}");
}

#[test]
fn a_worker_stuck_on_its_first_message_is_heard() {
    let stuck = [report(30, 0, 600); 3];
    assert!(estimates(&stuck).service > Duration::from_secs(50));
}

#[test]
fn another_days_work_is_forgotten() {
    let old = Report { age: Duration::from_secs(90_000), ..report(90, 1000, 10_000) };
    let today = Report { age: Duration::from_secs(5000), ..report(30, 1000, 100) };
    assert_eq!(estimates(&[old, old, old, today]), estimates(&[today]));
    assert!(estimates(&[old]).service > Duration::from_secs(9), "old is better than a guess");
}

#[test]
fn nothing_learned_is_zero() {
    let instant = estimates(&[report(0, u64::MAX, 1); 9]);
    assert!(!instant.service.is_zero() && !instant.startup.is_zero());
}

#[test]
fn arrivals_are_a_rate_only_when_they_go_on() {
    let quiet = observe_queue(None, at(0), 0, 0, 100).snapshot;
    let burst = observe_queue(Some(&quiet), at(60), 600, 0, 100);
    assert_eq!(burst.arrivals_per_second, 0.0);
    // 600 were done, and 600 more came.
    let stream = observe_queue(Some(&burst.snapshot), at(120), 590, 10, 700);
    assert_eq!((stream.arrivals_per_second, stream.done_lately), (10.0, 600));
    let over = observe_queue(Some(&stream.snapshot), at(180), 0, 0, 1300);
    assert_eq!(over.arrivals_per_second, 0.0);
}

#[test]
fn runs_close_together_share_one_interval() {
    let first = observe_queue(None, at(0), 0, 0, 0).snapshot;
    let second = observe_queue(Some(&first), at(60), 300, 0, 300).snapshot;
    let between = observe_queue(Some(&second), at(70), 1000, 0, 330);
    assert_eq!(between.snapshot, second);
    assert_eq!((between.arrivals_per_second, between.done_lately), (0.0, 330));
    let third = observe_queue(Some(&between.snapshot), at(120), 300, 0, 900);
    assert_eq!(third.arrivals_per_second, 10.0);
}

#[test]
fn an_old_snapshot_of_the_queue_counts_as_none() {
    let old = observe_queue(None, at(0), 100, 0, 100).snapshot;
    let overdue = observe_queue(Some(&old), at(181), 100, 0, 1000);
    assert_eq!(overdue, observe_queue(None, at(181), 100, 0, 1000));
    assert_eq!(observe_queue(Some(&old), at(180), 100, 0, 100).waited, Duration::from_secs(180));
}

#[test]
fn waiting_begins_anew_when_nothing_waits() {
    let mut snapshot = observe_queue(None, at(0), 5, 0, 0).snapshot;
    let mut waited = Vec::new();
    for (minute, visible) in [(1, 5), (2, 5), (3, 0), (4, 5), (5, 5)] {
        let trend = observe_queue(Some(&snapshot), at(minute * 60), visible, 1, 0);
        waited.push(trend.waited.as_secs());
        snapshot = trend.snapshot;
    }
    assert_eq!(waited, [60, 120, 0, 0, 60]);
}

#[test]
fn a_queue_that_is_never_empty_and_never_long_does_not_wait() {
    let mut snapshot = observe_queue(None, at(0), 20, 5, 0).snapshot;
    for minute in 1..60 {
        let trend = observe_queue(Some(&snapshot), at(minute * 60), 20, 5, minute as u64 * 600);
        assert_eq!(trend.waited, Duration::from_secs(2), "20 at 10 a second");
        snapshot = trend.snapshot;
    }
}

#[test]
fn clocks_that_disagree_and_counters_that_fall_are_survived() {
    let snapshot = observe_queue(None, at(100), 10, 0, 1000).snapshot;
    let earlier = observe_queue(Some(&snapshot), at(90), 10, 0, 1000);
    assert_eq!((earlier.waited, earlier.done_lately), (Duration::ZERO, 0));
    let fallen = observe_queue(Some(&snapshot), at(160), 10, 0, 0);
    assert_eq!((fallen.done_lately, fallen.arrivals_per_second), (0, 0.0));
}

#[test]
fn a_snapshot_of_the_queue_survives_being_stored() {
    let snapshot = observe_queue(None, at(0), 10, 2, 3).snapshot;
    let next = observe_queue(Some(&snapshot), at(61), 10, 2, 30).snapshot;
    assert_eq!(serde_json::from_str::<QueueSnapshot>(&serde_json::to_string(&next).unwrap()).unwrap(), next);
}
