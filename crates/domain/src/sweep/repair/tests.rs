use super::*;
use crate::job::{Attempt, Failed, Notification, Reason, Running, State};

const NOW: i64 = 1_000_000;

fn ago(minutes: i64) -> Timestamp {
    Timestamp::from_second(NOW - minutes * 60).unwrap()
}

fn job(state: State) -> Job {
    Job::sample("timeout = \"1h\"\n", ago(600)).in_state(JobState::sample(state, ago(600)))
}

fn repair_of(job: &Job, task: Task, backlog_since: Option<Timestamp>) -> JobRepair {
    job_repair(job, &Facts { task, pooled: task == Task::None, backlog_since }, ago(0))
}

fn running(lease_ended: i64) -> Job {
    job(State::Running).in_state(Running::sample("worker", ago(lease_ended)))
}

fn live(created: i64, started: Option<i64>) -> Task {
    Task::Live { created_at: Some(ago(created)), started_at: started.map(ago) }
}

#[test]
fn a_lease_that_is_renewed_is_left_alone() {
    for task in [Task::None, live(3, Some(2)), Task::Stopped { at: None }, Task::Unknown] {
        assert_eq!(repair_of(&running(-1), task, None), JobRepair::Leave, "{task:?}");
        assert_eq!(repair_of(&running(2), task, None), JobRepair::Leave, "{task:?}");
    }
}

#[test]
fn a_lease_that_ran_out_is_taken_back_unless_somebody_will_come_for_it() {
    assert_eq!(repair_of(&running(3), Task::Unknown, None), JobRepair::TakeBack);
    assert_eq!(repair_of(&running(3), Task::Stopped { at: Some(ago(3)) }, None), JobRepair::TakeBack);
    assert_eq!(repair_of(&running(3), live(9, Some(8)), None), JobRepair::Leave, "it may still come back");
    assert_eq!(
        repair_of(&running(3), Task::None, None),
        JobRepair::TakeBack,
        "the queue is empty: no message is left"
    );
    assert_eq!(repair_of(&running(3), Task::None, Some(ago(90))), JobRepair::Leave, "its message comes back");
    assert_eq!(repair_of(&running(31), Task::None, Some(ago(90))), JobRepair::TakeBack);
}

#[test]
fn a_task_that_does_not_end_or_does_not_start_is_stopped() {
    for state in [State::Running, State::Waiting] {
        assert_eq!(repair_of(&job(state), live(90, Some(70)), None), JobRepair::Leave);
        let over = Overdue::Running(Duration::from_mins(11));
        assert_eq!(repair_of(&job(state), live(90, Some(71)), None), JobRepair::Stop(over));
        assert_eq!(repair_of(&job(state), live(30, None), None), JobRepair::Leave);
        let never = Overdue::Starting(Duration::from_mins(31));
        assert_eq!(repair_of(&job(state), live(31, None), None), JobRepair::Stop(never));
    }
}

#[test]
fn a_stop_that_nobody_told_of_ends_the_attempt() {
    let waiting = job(State::Waiting);
    assert_eq!(
        repair_of(&waiting, Task::Stopped { at: Some(ago(5)) }, None),
        JobRepair::Leave,
        "it may be under way"
    );
    assert_eq!(repair_of(&waiting, Task::Stopped { at: Some(ago(6)) }, None), JobRepair::TakeBack);
    assert_eq!(repair_of(&waiting, Task::Unknown, None), JobRepair::TakeBack);
}

#[test]
fn a_job_that_waits_too_long_is_sent_again_unless_it_stands_in_line() {
    let waiting = |minutes| Job { created_at: ago(minutes), ..job(State::Waiting) };
    assert_eq!(repair_of(&waiting(30), Task::None, None), JobRepair::Leave);
    assert_eq!(repair_of(&waiting(31), Task::None, None), JobRepair::Relaunch);
    assert_eq!(
        repair_of(&waiting(31), Task::None, Some(ago(20))),
        JobRepair::Relaunch,
        "the queue was empty since"
    );
    assert_eq!(repair_of(&waiting(31), Task::None, Some(ago(40))), JobRepair::Leave, "behind all the others");
    let own = Facts { task: Task::None, pooled: false, backlog_since: Some(ago(40)) };
    assert_eq!(job_repair(&waiting(31), &own, ago(0)), JobRepair::Relaunch, "that line is not its own");
    let retried = |minutes| Job { history: vec![ended("crashed", minutes)], ..waiting(600) };
    assert_eq!(repair_of(&retried(29), Task::None, None), JobRepair::Leave);
    assert_eq!(repair_of(&retried(31), Task::None, None), JobRepair::Relaunch);
}

#[test]
fn a_failure_whose_mail_is_overdue_is_mailed() {
    let failed = |minutes| job(State::Failed).in_state(Failed::sample("crashed", ago(minutes)));
    assert_eq!(repair_of(&failed(30), Task::None, None), JobRepair::Leave);
    assert_eq!(repair_of(&failed(31), Task::None, None), JobRepair::Notify);
    let notification = Notification::Sent { at: ago(31) };
    let told = failed(31).in_state(Failed { notification, ..Failed::sample("crashed", ago(31)) });
    assert_eq!(repair_of(&told, Task::None, None), JobRepair::Leave);
    for state in [State::Done, State::Superseded, State::SourceDeleted] {
        assert_eq!(repair_of(&job(state), Task::Unknown, None), JobRepair::Leave);
    }
}

fn ended(code: &str, minutes: i64) -> Attempt {
    Attempt {
        number: 1,
        task: "t".into(),
        verdict: Reason::new(crate::job::ReasonCode::parse(code), "words"),
        stopped_at: ago(minutes),
        paused: false,
    }
}

#[test]
fn what_the_worker_said_when_it_gave_the_job_back_is_its_verdict() {
    let stopped = AuditEntry::new(ago(5), AuditKind::Cancelled, "by ada");
    let mut cancelled = Job { audit: vec![stopped], ..job(State::Running) };
    assert_eq!(lost(&cancelled), Kind::Cancelled);
    cancelled.history = vec![ended("cancelled", 4)];
    assert_eq!(lost(&cancelled), Kind::WorkerLost, "that was the attempt before, and it was replayed");
    assert_eq!(lost(&job(State::Running)), Kind::WorkerLost);
    let said = |code| job(State::Waiting).in_state(Waiting::returned(code));
    assert_eq!(lost(&said("timed_out")), Kind::TimedOut);
    assert_eq!(lost(&said("terminated")), Kind::Terminated);
    let of_before = Job { history: vec![ended("timed_out", 9)], ..said("timed_out") };
    assert_eq!(lost(&of_before), Kind::WorkerLost, "that was said of the attempt before");
}
