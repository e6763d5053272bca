//! The configuration is wrong: jobs wait, use up nothing, and continue when it is fixed.

use std::time::Duration;

use domain::audit::AuditKind;
use localcloud::{faults::Call, wire::ApiError};
use tests::{JobAsserts, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

async fn whole(env: &TestEnv, keys: &[&str]) {
    for key in keys {
        let job = env.job(key).await;
        job.assert_done().assert_counted(0);
        assert_eq!(env.visible(key).await, records(1, 5));
    }
    assert_eq!(env.dead_letters().await, []);
}

#[test]
fn a_forbidden_launch_is_probed_until_it_is_allowed() {
    TestEnv::plan(47).dedicated_tasks().run(async |env| {
        let denied =
            ApiError::client("AccessDeniedException", "User is not authorized to perform: ecs:RunTask");
        env.on(call::launch_task().meets(Call::Refuse(denied)));
        let keys = ["uploads/a.csv", "uploads/b.csv", "uploads/c.csv"];
        for key in keys {
            env.put(key, csv(1, 5)).await;
        }
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        // At once, after 1, 2, 4 and 8 minutes, and then every quarter of an hour, whoever it is that asks.
        assert!((6..=9).contains(&env.calls("ecs", "RunTask")), "{}", env.calls("ecs", "RunTask"));
        for key in keys {
            let job = env.job(key).await;
            job.assert_waiting().assert_attempt(1).assert_counted(0);
            let paused = job.audit.iter().filter(|note| note.kind == AuditKind::Paused).count();
            assert_eq!(paused, 1, "once, however often it comes back: {:#?}", job.audit);
            assert!(job.audit[0].words.contains("not authorized to perform: ecs:RunTask"));
        }
        env.cloud().faults().clear();
        env.settle().await;
        whole(env, &keys).await;
    });
}

#[test]
fn an_image_that_cannot_be_pulled_pauses_all_jobs_and_uses_up_no_attempt() {
    TestEnv::plan(48).dedicated_tasks().with_transcript().run(async |env| {
        let missing =
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): worker:1: not found";
        env.ecs().fail_to_start(missing, 12);
        let keys = [KEY, "uploads/b.csv", "uploads/c.csv", "uploads/d.csv"];
        for key in keys {
            env.put(key, csv(1, 5)).await;
        }
        env.settle().await;
        whole(env, &keys).await;
        // More often than a job may fail without charge, had they all gone on; but of them all, one at a time tried.
        assert_eq!(env.calls("ecs", "RunTask"), 12 + 4);
        env.golden("image-missing").await;
    });
}

#[test]
fn an_invalid_setting_of_the_worker_does_not_count_against_the_object() {
    TestEnv::plan(49).dedicated_tasks().run(async |env| {
        env.next_tasks([tests::WorkerFault::Dies(Duration::ZERO, 64); 5]);
        let keys = [KEY, "uploads/b.csv", "uploads/c.csv"];
        for key in keys {
            env.put(key, csv(1, 5)).await;
        }
        env.settle().await;
        whole(env, &keys).await;
    });
}

#[test]
fn one_mail_reports_paused_launches_and_one_reports_that_they_resumed() {
    TestEnv::plan(50).scheduled().run(async |env| {
        let denied = ApiError::client("AccessDeniedException", "is not authorized to perform: iam:PassRole");
        env.on(call::launch_task().meets(Call::Refuse(denied)));
        for n in 0..20 {
            env.put(&format!("uploads/{n}.csv"), csv(1, 5)).await;
        }
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(env.subjects(), ["[tidemill] no task can be launched (AccessDeniedException)"]);
        let mail = &env.mails()[0].body;
        assert!(mail.contains("iam:PassRole") && mail.contains("about 20 messages"), "{mail}");
        env.cloud().faults().clear();
        env.settle().await;
        for job in &env.jobs().await {
            job.assert_done().assert_counted(0);
        }
        // Whatever the hour's digest adds.
        assert_eq!(env.subjects()[1], "[tidemill] tasks are launched again");
    });
}
