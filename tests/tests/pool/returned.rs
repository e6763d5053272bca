//! Attempts that end without the job: as in a task of its own, without the task.

use std::time::Duration;

use localcloud::{
    faults::{Call, Rule},
    wire::ApiError,
};
use tests::{JobAsserts, call};

use crate::{HELD, KEY, csv, pool, records};

const RAGGED: &str = "id,name\n1,one\n2,two,too many\n3,three\n";

#[test]
fn a_service_that_did_not_answer_is_retried_later() {
    pool(221).run(async |env| {
        // As often as the SDK asks, twice.
        env.on(call::read_object().meets(Call::Throttle).first(6));
        env.put(KEY, csv(60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(3).assert_counted(0);
        let ended: Vec<_> =
            job.history.iter().map(|it| (it.verdict.code.as_str(), it.task.as_str())).collect();
        assert_eq!(ended, [("try_again", "drain/1/1"); 2]);
        assert!(job.history[0].verdict.message.contains("failed to read s3://"), "{job:#?}");
        let waited = job.history[1].stopped_at.duration_since(job.history[0].stopped_at).as_secs();
        assert!((7..20).contains(&waited), "{waited}");
        assert_eq!(env.visible(KEY).await, records(60));
        assert_eq!(env.ecs_launches(), 1);
    });
}

#[test]
fn bad_input_fails_at_once_with_one_mail_and_one_dead_letter() {
    pool(222).run(async |env| {
        env.put("uploads/ragged.csv", RAGGED).await;
        env.put("uploads/good.csv", csv(2)).await;
        env.settle().await;
        let job = env.job("uploads/ragged.csv").await;
        job.assert_failed().assert_attempt(1).assert_counted(1);
        let [ended] = &job.history[..] else { panic!("not one attempt: {job:#?}") };
        assert_eq!((Some(&ended.verdict), ended.task.as_str()), (job.reason(), "drain/1/1"));
        assert_eq!(env.subjects(), ["[tidemill] failed: uploads/ragged.csv (ragged_row)"]);
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters.len(), 1);
        assert_eq!(dead_letters[0].reason.as_deref(), Some("ragged_row"));
        env.job("uploads/good.csv").await.assert_done();
    });
}

#[test]
fn a_failure_that_was_not_mailed_is_mailed_when_its_message_comes_again() {
    pool(223).run(async |env| {
        let broken = ApiError::client("InternalError", "out of order").with_status(500);
        env.on(call::send_failure().meets(Call::Refuse(broken)).first(3));
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        assert_eq!(env.job("uploads/ragged.csv").await.attempt, 1);
        assert_eq!(env.mails().len(), 1);
    });
}

#[test]
fn an_attempt_that_takes_too_long_counts_against_the_object_and_the_last_one_fails_the_job() {
    let pipelines = r#"
version = 1
[[pipeline]]
name = "hasty"
match = { prefix = "uploads/" }
attempts = 2
timeout = "30s"
"#;
    pool(224).pipelines(pipelines).run(async |env| {
        env.on(call::read_object().meets(HELD));
        env.put(KEY, csv(60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_attempt(2).assert_counted(2);
        assert!(job.history.iter().all(|ended| ended.verdict.code.as_str() == "timed_out"));
        assert_eq!(env.subjects(), ["[tidemill] failed: uploads/people.csv (timed_out)"]);
        assert_eq!(env.dead_letters().await.len(), 1);
    });
}

#[test]
fn a_job_fails_in_the_end_when_the_deployment_stays_wrong() {
    pool(225).run(async |env| {
        let refusal = ApiError::client("AccessDenied", "not for you").with_status(403);
        env.on(call::read_object().meets(Call::Refuse(refusal)));
        env.put(KEY, csv(60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_attempt(10).assert_counted(0);
        job.assert_reason("misconfigured");
        // It takes more than an hour: the other mails are digests.
        let (failed, others): (Vec<_>, Vec<_>) =
            env.subjects().into_iter().partition(|subject| subject.contains(" failed: "));
        assert_eq!(failed, ["[tidemill] failed: uploads/people.csv (misconfigured)"], "{others:?}");
    });
}

#[test]
fn answers_that_are_lost_change_nothing() {
    pool(226).run(async |env| {
        env.on(Rule::new("dynamodb", "UpdateItem", Call::LoseAnswer).chance(0.2));
        env.on(Rule::new("sqs", "*", Call::LoseAnswer).chance(0.1));
        env.on(call::read_object().meets(Call::Throttle).chance(0.3));
        for n in 0..40 {
            env.put(&format!("uploads/{n}.csv"), csv(3)).await;
        }
        env.put("uploads/ragged.csv", RAGGED).await;
        env.settle().await;
        for job in env.jobs().await {
            if job.object.key.contains("ragged") {
                job.assert_failed().assert_counted(1);
            } else {
                job.assert_done().assert_counted(0);
            }
        }
        assert_eq!(env.contents().rows, 120);
        assert_eq!(env.mails().len(), 1);
    });
}

#[test]
fn the_sweep_sends_the_message_of_a_retry_that_lost_it() {
    pool(227).run(async |env| {
        env.on(call::read_object().meets(Call::Throttle).first(3));
        let broken = ApiError::client("InternalError", "out of order").with_status(500);
        env.on(call::send_attempt(2).meets(Call::Refuse(broken)).first(3));
        env.put(KEY, csv(60)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(0);
        let waited = job.settled_at().unwrap().duration_since(job.history[0].stopped_at);
        assert!(waited < Duration::from_secs(90).try_into().unwrap(), "{waited}");
    });
}
