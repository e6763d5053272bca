//! Faults that users of KEDA's ScaledJob have met, each as a test of our law and, where the rule is known, of theirs:
//! a history that does not trouble the rule that was at fault would prove nothing.

use std::time::Duration;

use super::{super::*, conditions::*, quiet, simulation::play};

const SEEDS: u64 = 10;

/// KEDA's number of jobs for a queue: one for each share of messages, a share being a paid minute's here.
fn max_scale(signals: &Signals) -> u32 {
    let share = (PAID.as_secs_f64() / signals.service.as_secs_f64()).max(1.0);
    ((signals.visible as f64 / share).ceil() as u32).min(signals.maximum)
}

/// Its strategy `accurate`, for queues that do not count held messages; of launched jobs it knows none as pending.
fn accurate(signals: &Signals) -> u32 {
    max_scale(signals).min(signals.maximum - signals.running - signals.launching - signals.overdue)
}

/// Its strategy `default`: what runs is taken to be in the queue's length.
fn subtract_running(signals: &Signals) -> u32 {
    max_scale(signals).saturating_sub(signals.running + signals.launching + signals.overdue)
}

/// <https://github.com/kedacore/keda/issues/525>, <https://github.com/kedacore/keda/issues/6157>,
/// <https://github.com/kedacore/keda/issues/6727>
#[test]
fn slow_starts_cause_no_further_launches() {
    for seed in 0..SEEDS {
        let known_service = Some(Duration::from_millis(100));
        let ours = Conditions { startup: 180 * SECOND..240 * SECOND, known_service, ..Conditions::default() };
        let theirs = Conditions { law: accurate, ..ours.clone() };
        let burst = vec![(0, 2000, 100)];
        let ours = play(&ours, &burst, seed, 60 * MINUTE);
        let theirs = play(&theirs, &burst, seed, 60 * MINUTE);
        assert!(theirs.launched >= 12, "seed {seed}: {theirs:?}");
        // Four, while those are overdue one more, and when the first polls others for those that are still overdue.
        assert!(ours.done == 2000 && ours.launched <= 8, "seed {seed}: {ours:?}");
    }
}

/// <https://github.com/kedacore/keda/issues/1222>, <https://github.com/kedacore/keda/issues/3782>
#[test]
fn workers_busy_with_messages_that_left_the_queue_do_not_stall_the_next() {
    for seed in 0..SEEDS {
        let known_service = Some(Duration::from_secs(1800));
        let known = Conditions { known_service, ..Conditions::default() };
        let guessed = Conditions::default();
        let theirs = Conditions { law: subtract_running, ..known.clone() };
        // Four that take half an hour, and four more when those are in work.
        let arrivals = vec![(0, 4, 30 * MINUTE), (5 * MINUTE, 4, 30 * MINUTE)];
        let longest = |conditions: &Conditions| {
            let history = play(conditions, &arrivals, seed, 600 * MINUTE);
            assert_eq!(history.done, 8, "seed {seed}: {history:?}");
            history.longest
        };
        assert!(longest(&theirs) > 50 * MINUTE, "seed {seed}");
        assert!(longest(&known) < 33 * MINUTE, "seed {seed}");
        assert!(longest(&guessed) < 42 * MINUTE, "seed {seed}");
    }
}

/// <https://github.com/kedacore/keda/issues/7329>, <https://github.com/kedacore/keda/pull/1391>
#[test]
fn tasks_on_their_way_count_at_the_maximum_too() {
    let full = Signals { visible: 100_000, running: 5, launching: 5, maximum: 10, ..quiet() };
    assert_eq!(launches(&full), 0);
    assert_eq!(launches(&Signals { launching: 3, overdue: 2, ..full.clone() }), 0);
    assert_eq!(launches(&Signals { launching: 3, overdue: 1, ..full }), 1);
}

/// <https://github.com/kedacore/keda/issues/1323>
#[test]
fn tasks_on_their_way_are_capacity() {
    let burst = Signals { visible: 2000, ..quiet() };
    assert_eq!(launches(&burst), 4);
    assert_eq!(launches(&Signals { launching: 4, ..burst }), 0);
}

/// <https://github.com/kedacore/keda/issues/5264>
#[test]
fn a_task_that_never_starts_does_not_block_the_others() {
    for seed in 0..SEEDS {
        let conditions = Conditions { starts_work_from: MINUTE, ..Conditions::default() };
        // The first task is launched at once and is dead.
        let history = play(&conditions, &vec![(0, 10, 200)], seed, 60 * MINUTE);
        let wait =
            overdue_after(FIRST_STARTUP).as_millis() as Ms + MINUTE + conditions.startup.end + 10 * SECOND;
        assert!(history.done == 10 && history.finished < wait, "seed {seed}: {history:?}");
    }
}

/// <https://github.com/kedacore/keda/issues/7330>
#[test]
fn counts_that_still_show_what_is_done_do_not_bring_the_fleet_back() {
    for seed in 0..SEEDS {
        let conditions = Conditions {
            known_service: Some(Duration::from_millis(100)),
            counts_age: 50 * SECOND..60 * SECOND,
            ..Conditions::default()
        };
        let burst = vec![(0, 20_000, 100)];
        let ours = play(&conditions, &burst, seed, 60 * MINUTE);
        // The burst's 34, and one for what the counts still show.
        assert!(ours.done == 20_000 && ours.launched <= 36, "seed {seed}: {ours:?}");
    }
}

/// <https://github.com/kedacore/keda/issues/2488>: two looks at one backlog, twice the jobs.
#[test]
fn two_runs_at_once_are_as_one() {
    for seed in 0..SEEDS {
        let conditions = Conditions {
            known_service: Some(Duration::from_millis(100)),
            scalers: 2,
            ..Conditions::default()
        };
        let history = play(&conditions, &vec![(0, 25_000, 100)], seed, 60 * MINUTE);
        assert_eq!(history.launched, 42, "seed {seed}: {history:?}");
    }
}
