//! Tasks that stop: asked to, by Spot, by the memory's end, by crashes.

use std::time::Duration;

use domain::verdict;
use localcloud::{ecs::KillCause, faults::Call};
use tests::{Contents, JobAsserts, TestEnv, WorkerFault, call};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";
const HELD: Call = Call::Delay(Duration::from_secs(1_200));

#[test]
fn a_task_that_is_overdue_hands_its_job_back_and_the_retry_finishes() {
    TestEnv::plan(31).dedicated_tasks().run(async |env| {
        env.on(call::publish().meets(Call::Delay(Duration::from_secs(2))).nth(1));
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        env.stop(&format!("{}: it takes too long", verdict::OVERDUE)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(1);
        job.assert_ended_with(&["timed_out"]);
        assert_eq!(env.ecs().tasks()[0].exit_codes, [Some(143)], "it left by itself");
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn a_task_that_a_person_stops_is_not_started_again() {
    TestEnv::plan(32).dedicated_tasks().run(async |env| {
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        env.stop("not today").await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_reason("cancelled");
        assert_eq!(env.ecs_launches(), 1);
        assert_eq!(env.subjects(), ["[tidemill] failed: uploads/people.csv (cancelled)"]);
    });
}

#[test]
fn a_spot_warning_is_not_a_stop() {
    TestEnv::plan(33).dedicated_tasks().run(async |env| {
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        assert!(env.ecs().spot_warning(&env.running()));
        env.until("the warning", || env.events("ECS Task State Change").iter().any(is_warning)).await;
        // The rule does not match a warning; should one come all the same, it changes nothing.
        let warning = env.events("ECS Task State Change").into_iter().find(is_warning).unwrap();
        for _ in 0..3 {
            env.send("StopsQueue", &warning.to_string());
        }
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(0);
        job.assert_ended_with(&["spot_reclaimed"]);
        assert_eq!(env.ecs_launches(), 2);
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}

fn is_warning(event: &serde_json::Value) -> bool {
    event["detail"]["lastStatus"] == "RUNNING" && event["detail"]["stopCode"] == "TerminationNotice"
}

#[test]
fn out_of_memory_grows_the_task() {
    TestEnv::plan(34).dedicated_tasks().run(async |env| {
        env.on(call::read_object().meets(HELD).first(2));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("s3", "GetObject", 1, KillCause::OutOfMemory).await;
        env.kill_at("s3", "GetObject", 2, KillCause::OutOfMemory).await;
        env.settle().await;
        let memory: Vec<_> = env.ecs().tasks().iter().map(|task| task.memory).collect();
        assert_eq!(memory, [512, 1_024, 2_048]);
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(3).assert_counted(2);
        assert_eq!(env.visible(KEY).await, records(1, 60));
    });
}

#[test]
fn three_crashes_fail_the_job_with_one_mail_and_one_dead_letter() {
    TestEnv::plan(35).dedicated_tasks().run(async |env| {
        // Each crash comes after all rows are written.
        env.on(call::publish().meets(HELD));
        env.next_tasks([WorkerFault::Dies(Duration::from_secs(7), 139); 3]);
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_attempt(3).assert_counted(3);
        job.assert_reason("crashed");
        assert_eq!(env.contents(), Contents { rows: 60, natural: 0, manifests: 0 });
        assert_eq!(env.visible(KEY).await, [""; 0]);
        assert_eq!(env.subjects(), ["[tidemill] failed: uploads/people.csv (crashed)"]);
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters.len(), 1);
        assert_eq!(dead_letters[0].reason.as_deref(), Some("crashed"));
        assert!(dead_letters[0].body.contains(job.id.as_str()));
    });
}

#[test]
fn five_copies_of_a_stop_event_are_one_retry_and_one_mail() {
    TestEnv::plan(36).dedicated_tasks().run(async |env| {
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.kill_at("s3", "GetObject", 1, KillCause::Infrastructure).await;
        env.settle().await;
        let stops = env.events("ECS Task State Change");
        for stop in stops.iter().filter(|event| event["detail"]["lastStatus"] == "STOPPED") {
            for _ in 0..4 {
                env.send("StopsQueue", &stop.to_string());
            }
        }
        env.settle().await;
        assert_eq!(env.job(KEY).await.attempt, 2);
        assert_eq!(env.ecs_launches(), 2);
        assert_eq!(env.mails().len(), 0);
    });
}

#[test]
fn tasks_that_cannot_start_are_tried_again_without_blaming_the_object() {
    let reasons = [
        ("CannotPullContainerError: pull image manifest has been retried 5 time(s)", "image_pull"),
        ("ResourceInitializationError: unable to pull secrets or registry auth", "init"),
    ];
    for (reason, code) in reasons {
        TestEnv::plan(37).dedicated_tasks().run(async |env| {
            env.ecs().fail_to_start(reason, 2);
            env.put(KEY, csv(1, 60)).await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_done().assert_attempt(3).assert_counted(0);
            assert!(job.history[..2].iter().all(|ended| ended.verdict.code.as_str() == code), "{job:#?}");
        });
    }
}

#[test]
fn a_retry_or_failure_is_carried_out_when_the_answer_to_its_write_is_lost() {
    TestEnv::plan(38).dedicated_tasks().run(async |env| {
        env.on(call::end_attempt().meets(Call::LoseAnswer).nth(1));
        env.ecs().fail_to_start("CannotPullContainerError: i/o timeout", 1);
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        env.job(KEY).await.assert_done();
    });
    TestEnv::plan(39).dedicated_tasks().run(async |env| {
        env.on(call::fail_job().meets(Call::LoseAnswer).nth(1));
        env.on(call::read_object().meets(HELD).nth(1));
        env.put(KEY, csv(1, 60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        env.stop("not today").await;
        env.settle().await;
        env.job(KEY).await.assert_failed();
        assert_eq!(env.mails().len(), 1);
    });
}

#[test]
fn a_failure_whose_worker_dies_before_it_exits_is_mailed_with_its_stop() {
    for cause in [KillCause::OutOfMemory, KillCause::Infrastructure] {
        TestEnv::plan(41).dedicated_tasks().run(async |env| {
            env.on(call::fail_job().meets(Call::HangAnswer).nth(1));
            env.put(KEY, "a,b\n1,2,3\n").await;
            env.until("the failure", || env.cloud().faults().fired() == 1).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            env.job(KEY).await.assert_failed();
            assert!(env.ecs().kill(&env.running(), cause));
            env.settle().await;
            assert_eq!(env.mails().len(), 1, "{cause:?}");
            assert_eq!(env.job(KEY).await.history.last().unwrap().verdict.code.as_str(), "bad_input");
        });
    }
}
