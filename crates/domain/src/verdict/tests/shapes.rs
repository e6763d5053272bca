//! Odd shapes of stops, each with the facts it may meet: what they mean, and what follows.

use super::*;

/// A stop whose task has no containers, as when it failed to start.
fn empty(code: &str, reason: &str) -> TaskStateChange {
    let mut change = stop(code, reason, None, "");
    change.containers.clear();
    change
}

/// The same change, told with another status.
fn with_status(mut change: TaskStateChange, last: &str, version: u64) -> TaskStateChange {
    change.last_status = Some(last.into());
    change.version = Some(version);
    change
}

#[test]
fn without_containers_or_exit_code_the_stop_code_and_the_texts_decide() {
    let no_code = |code: &str, reason: &str| stop(code, reason, None, "");
    for (code, reason, expected) in [
        ("TaskFailedToStart", "Capacity is unavailable at this time", Kind::Capacity),
        ("TaskFailedToStart", "CannotPullContainerError: no such image", Kind::ImagePull),
        ("TaskFailedToStart", "ResourceInitializationError: no route", Kind::Init),
        ("TaskFailedToStart", "", Kind::CannotStart),
        ("SpotInterruption", "", Kind::SpotReclaimed),
        ("TerminationNotice", "", Kind::Infrastructure),
        ("InfrastructureHealth", "", Kind::Infrastructure),
        ("UserInitiated", "Task stopped by user", Kind::Cancelled),
        (EXITED, OOM, Kind::OutOfMemory),
        (EXITED, ESSENTIAL, Kind::Unknown),
        ("SomethingNew", "a reason nobody has seen", Kind::Unknown),
        ("", "", Kind::Unknown),
    ] {
        assert_eq!(kind(&empty(code, reason)), expected, "no containers: {code} {reason}");
        assert_eq!(kind(&no_code(code, reason)), expected, "no exit code: {code} {reason}");
    }
}

#[test]
fn memory_ran_out_where_either_the_code_or_the_text_says_so() {
    for (exit, text, expected) in [
        (Some(137), OOM, Kind::OutOfMemory),
        (Some(137), "", Kind::OutOfMemory),
        (None, OOM, Kind::OutOfMemory),
        (Some(0), OOM, Kind::OutOfMemory),
        (Some(1), OOM, Kind::OutOfMemory),
        (Some(1), "", Kind::Crashed),
    ] {
        assert_eq!(kind(&stop(EXITED, ESSENTIAL, exit, text)), expected, "{exit:?} {text}");
    }
    // With another stop code, 137 is the end of a stop that somebody asked for.
    for (code, expected) in [
        ("SpotInterruption", Kind::SpotReclaimed),
        ("InfrastructureHealth", Kind::Infrastructure),
        ("UserInitiated", Kind::Cancelled),
    ] {
        assert_eq!(kind(&stop(code, "", Some(137), "")), expected, "{code}");
    }
}

#[test]
fn a_warning_and_whatever_else_is_not_the_end_is_not_the_end() {
    let warned =
        with_status(stop("TerminationNotice", "Your Spot Task was interrupted.", None, ""), "RUNNING", 4);
    assert_eq!(kind(&warned), Kind::NotStopped);
    for status in
        ["PROVISIONING", "PENDING", "ACTIVATING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "SOON"]
    {
        let change = with_status(stop(EXITED, ESSENTIAL, Some(137), OOM), status, 5);
        assert_eq!(kind(&change), Kind::NotStopped, "{status}");
    }
    let mut unsaid = stop(EXITED, ESSENTIAL, Some(0), "");
    unsaid.last_status = None;
    assert_eq!(kind(&unsaid), Kind::NotStopped);
}

#[test]
fn the_same_event_again_and_an_older_one_after_it_change_nothing() {
    let stopped = with_status(stop(EXITED, ESSENTIAL, Some(139), ""), "STOPPED", 6);
    let before = facts(State::Running);
    assert_eq!(verdict(&stopped, &before).kind, Kind::Crashed);
    // As the ledger is once that is written: the job waits for its next attempt, whose task may be there.
    for task in [None, Some("arn:next".to_owned())] {
        let after =
            JobFacts { past_tasks: vec!["arn:task".into()], task, launches: 2, ..facts(State::Waiting) };
        for (status, version, expected) in [
            ("STOPPED", 6, Kind::Duplicate),
            ("STOPPED", 7, Kind::Duplicate),
            ("RUNNING", 4, Kind::NotStopped),
        ] {
            let again = verdict(&with_status(stopped.clone(), status, version), &after);
            assert_eq!(again.kind, expected, "{status} {version}");
            assert_eq!(next_step(&again, &after, 0.5), NextStep::Nothing);
        }
    }
}

#[test]
fn a_stop_that_comes_before_its_launch_was_noted_is_of_the_present_attempt() {
    for state in [State::Waiting, State::Running] {
        let unnoted = JobFacts { task: None, ..facts(state) };
        assert_eq!(verdict(&empty("TaskFailedToStart", ""), &unnoted).kind, Kind::CannotStart);
        let noted = JobFacts { task: Some("arn:task".into()), ..facts(state) };
        assert_eq!(verdict(&empty("TaskFailedToStart", ""), &noted).kind, Kind::CannotStart);
    }
}

#[test]
fn the_ledger_and_the_exit_code_may_say_different_things() {
    for (state, exit, expected) in [
        (State::Running, Some(0), Kind::ExitedWithoutDone),
        (State::Waiting, Some(0), Kind::ExitedWithoutDone),
        (State::Done, Some(0), Kind::Succeeded),
        (State::Done, Some(1), Kind::Succeeded),
        (State::Done, Some(137), Kind::Succeeded),
        (State::Done, None, Kind::Succeeded),
        (State::Superseded, Some(139), Kind::Superseded),
        (State::SourceDeleted, Some(70), Kind::SourceDeleted),
        (State::Failed, Some(65), Kind::BadInput),
        (State::Failed, Some(1), Kind::Duplicate),
        (State::Running, Some(65), Kind::BadInput),
    ] {
        let facts = facts(state);
        let verdict = verdict(&stop(EXITED, ESSENTIAL, exit, ""), &facts);
        assert_eq!(verdict.kind, expected, "{state:?} {exit:?}");
    }
    // An exit without a word is tried again, and counted against it: it would go on for ever.
    let silent = verdict(&stop(EXITED, ESSENTIAL, Some(0), ""), &facts(State::Running));
    assert!(silent.counts_against_object());
    assert!(matches!(next_step(&silent, &facts(State::Running), 0.5), NextStep::Retry { .. }));
}

#[test]
fn a_task_that_others_launched_in_the_cluster_is_left_alone() {
    for started_by in [None, Some("ecs-svc/1234567890123456789"), Some("somebody"), Some("")] {
        let mut change = stop(EXITED, ESSENTIAL, Some(137), OOM);
        change.started_by = started_by.map(str::to_owned);
        let verdict = verdict(&change, &facts(State::Running));
        assert_eq!(verdict.kind, Kind::NotOurs, "{started_by:?}");
        assert_eq!(next_step(&verdict, &facts(State::Running), 0.5), NextStep::Nothing);
    }
}

#[test]
fn every_exit_code_of_the_worker_says_one_verdict() {
    for exit in ExitCode::ALL {
        let saying: Vec<_> = Kind::ALL.iter().filter(|kind| kind.row().exit_codes.contains(&exit)).collect();
        assert_eq!(saying.len(), 1, "{}: {saying:?}", exit.as_str());
    }
    for kind in Kind::ALL {
        let exit = kind.exit_code();
        let is_own = !kind.row().exit_codes.is_empty();
        assert_eq!(Kind::of_exit_code(exit), Some(if is_own { *kind } else { Kind::TryAgain }), "{kind}");
    }
}

#[test]
fn what_the_worker_said_is_kept_only_of_the_verdict_it_is_about() {
    let said = |code: &str| {
        let reason = Some(Reason::new(crate::job::ReasonCode::parse(code), "the worker's own words"));
        Job::sample("", Timestamp::UNIX_EPOCH).in_state(Waiting { reason, ..Waiting::default() })
    };
    let words = |kind: Kind, job: &Job| {
        Verdict::from(kind).of_attempt(1, job, "arn", Timestamp::UNIX_EPOCH).verdict.message
    };
    assert_eq!(words(Kind::BadInput, &said("ragged_row")), "the worker's own words");
    assert_eq!(words(Kind::TimedOut, &said("timed_out")), "the worker's own words");
    assert_eq!(words(Kind::OutOfMemory, &said("timed_out")), "the task ran out of memory");
    assert_eq!(words(Kind::Capacity, &said("capacity")), Kind::Capacity.sentence());
}
