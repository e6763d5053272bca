mod shapes;

use super::*;
use crate::events::{Classified, Container, classify};
use crate::job::{Reason, Waiting};

const JOB: &str = "8f14e45fceea167a5a36dedd4bea2543";

macro_rules! fixture {
    ($name:literal) => {
        match classify(include_str!(concat!("../../../../tests/fixtures/events/", $name, ".json"))) {
            Classified::TaskStateChange(change) => *change,
            other => panic!("{other:?}"),
        }
    };
}

fn facts(state: State) -> JobFacts {
    JobFacts {
        paused: false,
        id: JOB.into(),
        state,
        task: None,
        untold: None,
        past_tasks: Vec::new(),
        counted_attempts: 0,
        max_attempts: 3,
        launches: 1,
        reclaimed: 0,
        size: Size::SMALLEST,
    }
}

/// A stop of ours: stop code, stopped reason, and the worker container's exit code and reason.
fn stop(code: &str, reason: &str, exit: Option<i64>, container: &str) -> TaskStateChange {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut change = TaskStateChange::default();
    change.task_arn = "arn:task".into();
    change.last_status = some("STOPPED");
    change.started_by = some(JOB);
    change.stop_code = some(code);
    change.stopped_reason = some(reason);
    change.containers = vec![Container { exit_code: exit, reason: some(container), ..Container::default() }];
    change
}

fn kind(change: &TaskStateChange) -> Kind {
    verdict(change, &facts(State::Running)).kind
}

const EXITED: &str = "EssentialContainerExited";
const ESSENTIAL: &str = "Essential container in task exited";
const OOM: &str = "OutOfMemoryError: Container killed due to memory usage";

#[test]
fn the_captured_shapes_get_their_verdicts() {
    assert_eq!(kind(&fixture!("ecs-running")), Kind::NotStopped);
    assert_eq!(kind(&fixture!("ecs-spot-warning")), Kind::NotStopped);
    assert_eq!(kind(&fixture!("ecs-failed-to-start")), Kind::Capacity);
    assert_eq!(kind(&fixture!("ecs-init-error")), Kind::Init);
    assert_eq!(kind(&fixture!("ecs-image-pull-failure")), Kind::ImagePull);
    assert_eq!(kind(&fixture!("ecs-out-of-memory")), Kind::OutOfMemory);
    assert_eq!(kind(&fixture!("ecs-spot-interrupted")), Kind::SpotReclaimed);
    assert_eq!(kind(&fixture!("ecs-user-initiated")), Kind::Cancelled);
    assert_eq!(kind(&fixture!("ecs-strange-fields")), Kind::NotOurs);
    let success = fixture!("ecs-stopped-success");
    assert_eq!(verdict(&success, &facts(State::Done)).kind, Kind::Succeeded);
    assert_eq!(kind(&success), Kind::ExitedWithoutDone);
}

#[test]
fn shapes_seen_in_the_field_get_their_verdicts() {
    let table = [
        (stop(EXITED, ESSENTIAL, Some(65), ""), Kind::BadInput),
        (stop(EXITED, ESSENTIAL, Some(75), ""), Kind::TryAgain),
        (stop(EXITED, ESSENTIAL, Some(64), ""), Kind::Misconfigured),
        (stop(EXITED, ESSENTIAL, Some(78), ""), Kind::Misconfigured),
        (stop(EXITED, ESSENTIAL, Some(70), ""), Kind::InternalError),
        (stop(EXITED, ESSENTIAL, Some(76), ""), Kind::CommandCrashed),
        (stop(EXITED, ESSENTIAL, Some(143), ""), Kind::Terminated),
        (stop(EXITED, ESSENTIAL, Some(101), ""), Kind::Crashed),
        (stop(EXITED, ESSENTIAL, Some(139), ""), Kind::Crashed),
        // Out of memory: code and text, code alone, text alone, text with another code, text above.
        (stop(EXITED, ESSENTIAL, Some(137), OOM), Kind::OutOfMemory),
        (stop(EXITED, ESSENTIAL, Some(137), ""), Kind::OutOfMemory),
        (stop(EXITED, ESSENTIAL, None, OOM), Kind::OutOfMemory),
        (stop(EXITED, ESSENTIAL, Some(1), OOM), Kind::OutOfMemory),
        (stop(EXITED, OOM, Some(1), ""), Kind::OutOfMemory),
        // 137 after somebody's stop is the SIGKILL that follows it.
        (stop("UserInitiated", "Task stopped by user", Some(137), ""), Kind::Cancelled),
        (stop("UserInitiated", "rolled back by alice", Some(137), ""), Kind::Cancelled),
        (stop("UserInitiated", "tidemill: overdue by 3 min", Some(137), ""), Kind::TimedOut),
        (stop("UserInitiated", "tidemill: never started in 31 min", None, ""), Kind::CannotStart),
        (stop("UserInitiated", "Your Spot Task was interrupted.", Some(143), ""), Kind::SpotReclaimed),
        (stop("SpotInterruption", "Your Spot Task was interrupted.", Some(0), ""), Kind::SpotReclaimed),
        (stop("", "Your Spot Task was interrupted.", None, ""), Kind::SpotReclaimed),
        (stop("TerminationNotice", "", Some(143), ""), Kind::Infrastructure),
        (stop("InfrastructureHealth", "", None, ""), Kind::Infrastructure),
        (stop("ServiceSchedulerInitiated", "", Some(143), ""), Kind::StoppedByScheduler),
        (stop("", "Scaling activity initiated by deployment x", None, ""), Kind::StoppedByScheduler),
        (stop("TaskFailedToStart", "CannotPullContainerError: no route", None, ""), Kind::ImagePull),
        (stop("TaskFailedToStart", "", None, "CannotPullImageManifestError: gone"), Kind::ImagePull),
        (stop("TaskFailedToStart", "ResourceInitializationError: logs", None, ""), Kind::Init),
        (stop("TaskFailedToStart", "CannotCreateVolumeError: disk", None, ""), Kind::Init),
        (stop("TaskFailedToStart", "", Some(127), "CannotStartContainerError: exec"), Kind::CannotStart),
        (stop("TaskFailedToStart", "a new way to fail", None, ""), Kind::CannotStart),
        (
            stop(
                "TaskFailedToStart",
                "You've reached the limit on the number of vCPUs you can run",
                None,
                "",
            ),
            Kind::Capacity,
        ),
        (stop(EXITED, ESSENTIAL, None, "ContainerRuntimeTimeoutError: 3m"), Kind::Infrastructure),
        (stop("SomethingNew", "moon", None, ""), Kind::Unknown),
        (stop("SomethingNew", "moon", Some(75), ""), Kind::TryAgain),
        (stop("", "", None, ""), Kind::Unknown),
    ];
    for (change, expected) in table {
        assert_eq!(kind(&change), expected, "{change:?}");
    }
}

#[test]
fn a_commands_exit_codes_are_its_own() {
    for (change, expected) in [
        (stop(EXITED, ESSENTIAL, Some(0), ""), Kind::Succeeded),
        (stop(EXITED, ESSENTIAL, Some(1), ""), Kind::CommandCrashed),
        (stop(EXITED, ESSENTIAL, Some(65), ""), Kind::CommandCrashed),
        (stop(EXITED, ESSENTIAL, Some(76), ""), Kind::CommandCrashed),
        (stop(EXITED, ESSENTIAL, Some(143), ""), Kind::CommandCrashed),
        (stop(EXITED, ESSENTIAL, Some(137), OOM), Kind::OutOfMemory),
        (stop("UserInitiated", "Task stopped by user", Some(143), ""), Kind::Cancelled),
        (stop("TaskFailedToStart", "CannotPullContainerError: no route", None, ""), Kind::ImagePull),
    ] {
        assert_eq!(of_command(&change).kind, expected, "{change:?}");
    }
    let crash = of_command(&stop(EXITED, ESSENTIAL, Some(3), ""));
    assert_eq!(crash.words(), "the command crashed with exit code 3");
}

#[test]
fn the_ledger_outranks_the_exit_code() {
    for exit in [Some(0), Some(1), Some(137), Some(143), None] {
        let change = stop("SpotInterruption", "", exit, OOM);
        assert_eq!(verdict(&change, &facts(State::Done)).kind, Kind::Succeeded);
        assert_eq!(verdict(&change, &facts(State::Superseded)).kind, Kind::Superseded);
        assert_eq!(verdict(&change, &facts(State::SourceDeleted)).kind, Kind::SourceDeleted);
        assert_eq!(verdict(&change, &facts(State::Failed)).kind, Kind::Duplicate);
    }
    let bad = stop(EXITED, ESSENTIAL, Some(65), "");
    assert_eq!(verdict(&bad, &facts(State::Failed)).kind, Kind::BadInput);
    // Its worker wrote the failure down and died at once: nobody has heard of it.
    let killed = stop(EXITED, ESSENTIAL, Some(137), OOM);
    let untold = |untold| JobFacts { untold, ..facts(State::Failed) };
    assert_eq!(verdict(&killed, &untold(Some(Kind::BadInput))).kind, Kind::BadInput);
    assert_eq!(verdict(&killed, &untold(Some(Kind::CommandCrashed))).kind, Kind::CommandCrashed);
}

#[test]
fn stops_of_other_tasks_change_nothing() {
    let change = stop(EXITED, ESSENTIAL, Some(1), "");
    let of = |facts: JobFacts| verdict(&change, &facts);
    let other = of(JobFacts { id: "another".into(), ..facts(State::Running) });
    let newer = of(JobFacts { task: Some("arn:newer".into()), ..facts(State::Running) });
    let past = of(JobFacts { past_tasks: vec!["arn:task".into()], ..facts(State::Waiting) });
    assert_eq!([other.kind, newer.kind, past.kind], [Kind::NotOurs, Kind::Duplicate, Kind::Duplicate]);
    for verdict in [other, newer, past] {
        assert!(!verdict.counts_against_object());
        assert_eq!(next_step(&verdict, &facts(State::Running), 0.5), NextStep::Nothing);
    }
}

#[test]
fn of_several_containers_the_one_that_failed_counts() {
    let mut change = stop(EXITED, ESSENTIAL, Some(0), "");
    change.containers.push(Container { exit_code: Some(75), ..Container::default() });
    assert_eq!(kind(&change), Kind::TryAgain);
}

#[test]
fn words_carry_what_aws_said_on_one_bounded_line() {
    let long = format!("CannotPullContainerError: a\r\nb\u{1b}[31m {}", "x".repeat(5_000));
    let words = verdict(&stop("TaskFailedToStart", &long, None, ""), &facts(State::Waiting)).words();
    assert!(
        words.starts_with("the worker's container image could not be pulled (AWS says: CannotPull"),
        "{words}"
    );
    assert!(words.chars().count() < 400 && !words.contains(char::is_control), "{words}");
    let crash = verdict(&stop(EXITED, ESSENTIAL, Some(139), ""), &facts(State::Running));
    assert_eq!(crash.words(), "the worker crashed with exit code 139: segmentation fault");
}

#[test]
fn a_stop_that_tells_nothing_new_never_fails_a_job() {
    let settled = [Kind::Succeeded, Kind::Superseded, Kind::SourceDeleted];
    for kind in settled.into_iter().chain([Kind::NotOurs, Kind::Duplicate, Kind::NotStopped]) {
        let worn_out = JobFacts { counted_attempts: 99, launches: 99, ..facts(State::Running) };
        assert_eq!(step(kind, &worn_out), NextStep::Nothing);
    }
}

fn step(kind: Kind, facts: &JobFacts) -> NextStep {
    next_step(&Verdict::from(kind), facts, 1.0)
}

#[test]
fn the_objects_attempts_bound_what_is_charged_to_it() {
    let at = |counted_attempts, launches| JobFacts { counted_attempts, launches, ..facts(State::Running) };
    let again = |secs| NextStep::Retry { after: Duration::from_secs(secs), change: Change::Same };
    assert_eq!(step(Kind::Crashed, &at(0, 1)), again(15));
    assert_eq!(step(Kind::Crashed, &at(1, 2)), again(30));
    assert_eq!(step(Kind::Crashed, &at(2, 3)), NextStep::GiveUp);
    assert_eq!(step(Kind::BadInput, &at(0, 1)), NextStep::GiveUp);
    assert_eq!(step(Kind::Cancelled, &at(0, 1)), NextStep::GiveUp);
}

#[test]
fn what_is_not_charged_is_retried_longer_but_not_for_ever() {
    for launches in 1..UNCOUNTED_LIMIT {
        let facts = JobFacts { launches, ..facts(State::Waiting) };
        assert!(matches!(step(Kind::Capacity, &facts), NextStep::Retry { .. }), "{launches}");
    }
    let facts = JobFacts { launches: UNCOUNTED_LIMIT, ..facts(State::Waiting) };
    assert_eq!(step(Kind::Capacity, &facts), NextStep::GiveUp);
    // Two of its own failures leave the others their ten.
    let mixed = JobFacts { counted_attempts: 2, ..facts };
    assert!(matches!(step(Kind::Capacity, &mixed), NextStep::Retry { .. }));
}

#[test]
fn waits_grow_within_sqs_longest_delay_and_jitter_spreads_them() {
    let mut before = Duration::ZERO;
    for launches in 1..UNCOUNTED_LIMIT {
        let facts = JobFacts { launches, ..facts(State::Waiting) };
        let NextStep::Retry { after, .. } = step(Kind::ImagePull, &facts) else { panic!("{launches}") };
        assert!(after >= before && after <= Duration::from_mins(15), "{after:?}");
        before = after;
        let verdict = Verdict::from(Kind::ImagePull);
        let NextStep::Retry { after: least, .. } = next_step(&verdict, &facts, 0.0) else {
            panic!("{launches}")
        };
        assert_eq!(least, after / 2);
    }
}

#[test]
fn out_of_memory_climbs_until_there_is_nothing_larger() {
    let with = |size| step(Kind::OutOfMemory, &JobFacts { size, ..facts(State::Running) });
    assert!(matches!(with(Size::SMALLEST), NextStep::Retry { change: Change::Larger, .. }));
    assert_eq!(with(Size::new(LARGEST.0, LARGEST.1).unwrap()), NextStep::GiveUp);
    assert_eq!(with(Size::LARGEST), NextStep::GiveUp);
}

#[test]
fn spot_is_tried_twice_and_then_left() {
    let after = |reclaimed| match step(Kind::SpotReclaimed, &JobFacts { reclaimed, ..facts(State::Running) })
    {
        NextStep::Retry { change, .. } => change,
        other => panic!("{other:?}"),
    };
    assert_eq!([after(0), after(1), after(2)], [Change::Same, Change::OnDemand, Change::OnDemand]);
}

#[test]
fn the_next_launch_is_derived_from_the_history() {
    let ended = |code: &str| Attempt {
        number: 1,
        task: "arn".into(),
        verdict: Reason::new(crate::job::ReasonCode::parse(code), "x"),
        stopped_at: jiff::Timestamp::UNIX_EPOCH,
        paused: false,
    };
    let after = |codes: &[&str]| {
        let history: Vec<_> = codes.iter().map(|code| ended(code)).collect();
        let Adjusted { size, on_demand } = adjusted(&history, Size::SMALLEST);
        (size.cpu(), size.memory(), on_demand)
    };
    assert_eq!(after(&[]), (256, 512, false));
    assert_eq!(after(&["out_of_memory", "crashed", "spot_reclaimed"]), (256, 1_024, false));
    assert_eq!(after(&["spot_reclaimed", "spot_reclaimed"]), (256, 512, true));
    assert_eq!(after(&["out_of_memory"; 100]), (4_096, 30_720, false), "and there it stays");
}
