//! What a person does to jobs, while everybody else goes on: they run again, or are stopped.

use std::time::Duration;

use aws::ledger::Changed;
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Attempt, Job, JobState, Reason, State, Waiting, open_shard},
    message::{FailureMessage, JobMessage},
    replay::{NotReplayed, refusal},
};
use localcloud::faults::Call;
use tests::{JobAsserts, TestEnv, call};

const KEY: &str = "uploads/people.csv";
const BAD: &str = "x,y\n1\n";

/// Has a job run again, as the ledger says.
async fn replay(env: &TestEnv, job: &Job) -> Changed {
    let now = env.cloud().clock().now();
    let note = AuditEntry::new(now, AuditKind::Replayed, "by ada");
    env.ledger().replay(job, &note, now).await.expect("an answer")
}

fn replayed(changed: Changed) -> Job {
    match changed {
        Changed::Applied(job) => *job,
        Changed::Rejected(found) => panic!("refused: {found:#?}"),
    }
}

/// Why it is refused.
fn refused(env: &TestEnv, changed: Changed) -> Option<NotReplayed> {
    let Changed::Rejected(Some(found)) = changed else { panic!("not refused: {changed:?}") };
    refusal(&found, env.cloud().clock().now())
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

#[test]
fn a_replayed_job_begins_anew_and_people_hear_of_its_failure() {
    TestEnv::plan(901).run(async |env| {
        env.put(KEY, BAD).await;
        env.settle().await;
        let failed = env.job(KEY).await;
        let waiting = replayed(replay(env, &failed).await);
        waiting.assert_waiting().assert_attempt(2).assert_counted(0);
        assert_eq!((waiting.replayed_from, waiting.history.len()), (1, 1));
        assert_eq!(waiting.state, JobState::Waiting(Waiting::default()), "as one that was just recorded");
        let (open, _) = env.ledger().by_status(&open_shard(waiting.id.shard()), None).await.unwrap();
        assert_eq!(open, std::slice::from_ref(&waiting.id));
        assert_eq!(waiting.audit.last().map(|note| note.kind), Some(AuditKind::Replayed));
        // A writer that read it earlier is refused, and changes nothing.
        assert_eq!(replayed(replay(env, &failed).await), waiting);

        env.send("UploadsQueue", &JobMessage::new(failed.id.clone(), 2, 0).to_body());
        env.settle().await;
        let again = env.job(KEY).await;
        again.assert_failed().assert_attempt(2).assert_counted(1);
        assert_eq!(env.subjects().len(), 2, "one mail of each failure");
    });
}

#[test]
fn the_sweep_sends_the_message_of_a_replay_that_died_before_it() {
    TestEnv::plan(902).run(async |env| {
        env.put(KEY, BAD).await;
        env.settle().await;
        replayed(replay(env, &env.job(KEY).await).await);
        minutes(31).await;
        env.swept().await;
        env.settle().await;
        let again = env.job(KEY).await;
        again.assert_failed().assert_attempt(2);
    });
}

#[test]
fn no_job_is_replayed_while_its_rows_are_deleted() {
    TestEnv::plan(903).run(async |env| {
        env.put(KEY, BAD).await;
        env.settle().await;
        let failed = env.job(KEY).await;
        let until = env.cloud().clock().now() + Duration::from_hours(1);
        let reserved = env.ledger().collecting(&failed.id, State::Failed, until).await.unwrap();
        assert!(matches!(reserved, Changed::Applied(_)));
        let why = refused(env, replay(env, &failed).await);
        assert!(matches!(why, Some(NotReplayed::Collecting { .. })), "{why:?}");
        minutes(61).await;
        replayed(replay(env, &failed).await).assert_waiting();
    });
}

#[test]
fn no_job_is_replayed_while_its_failure_is_being_mailed() {
    TestEnv::plan(904).run(async |env| {
        env.on(call::send_mail().meets(Call::Delay(Duration::from_secs(10))).nth(1));
        env.put(KEY, BAD).await;
        env.until("a mail", || env.calls("sns", "Publish") == 1).await;
        let failed = env.job(KEY).await;
        let why = refused(env, replay(env, &failed).await);
        assert!(matches!(why, Some(NotReplayed::Notifying { .. })), "{why:?}");
        env.settle().await;
        replayed(replay(env, &env.job(KEY).await).await).assert_waiting();
    });
}

#[test]
fn a_job_that_is_replayed_before_its_mail_is_not_mailed_for_the_failure_before() {
    TestEnv::plan(908).run(async |env| {
        env.put(KEY, BAD).await;
        env.until("a launch", || env.ecs_launches() == 1).await;
        let (now, reason) =
            (env.cloud().clock().now(), Reason::new(domain::verdict::Kind::Cancelled, "stopped by ada"));
        let note = AuditEntry::new(now, AuditKind::Cancelled, "by ada");
        let cancelled = env.ledger().cancel(&env.job(KEY).await, &reason, None, &note, now).await;
        // λ stops has read it as failed, and somebody replays it before λ stops reserves the mail.
        let failed = replayed(cancelled.unwrap());
        let waiting = replayed(replay(env, &failed).await);
        let until = now + Duration::from_mins(1);
        let reserved = env.ledger().lease_notification(&failed.id, failed.attempt, now, until).await.unwrap();
        assert!(matches!(reserved, Changed::Rejected(_)), "{reserved:?}");
        let noted = env.ledger().notified(&failed.id, failed.attempt, None, now).await.unwrap();
        assert!(matches!(noted, Changed::Rejected(_)), "{noted:?}");
        assert_eq!(env.job(KEY).await, waiting);

        env.send("UploadsQueue", &JobMessage::new(failed.id.clone(), 2, 0).to_body());
        env.settle().await;
        env.job(KEY).await.assert_failed().assert_attempt(2);
        assert_eq!(env.subjects().len(), 1, "its failure is mailed");
    });
}

#[test]
fn only_failed_jobs_are_replayed() {
    TestEnv::plan(905).run(async |env| {
        env.put(KEY, "x\n1\n").await;
        env.settle().await;
        let done = env.job(KEY).await;
        let why = refused(env, replay(env, &done).await);
        assert_eq!(why, Some(NotReplayed::NotFailed(State::Done)));
        assert_eq!(env.job(KEY).await, done);
    });
}

/// Stops a job where it is, as its read says.
async fn cancel(env: &TestEnv, job: &Job) -> Changed {
    let now = env.cloud().clock().now();
    let reason = Reason::new(domain::verdict::Kind::Cancelled, "stopped by ada");
    let ended = (job.state() == State::Running).then(|| Attempt {
        number: job.attempt,
        task: job.pooled_worker().unwrap_or_default().to_owned(),
        verdict: reason.clone(),
        stopped_at: now,
        paused: false,
    });
    let note = AuditEntry::new(now, AuditKind::Cancelled, "by ada");
    let changed = env.ledger().cancel(job, &reason, ended.as_ref(), &note, now).await.expect("an answer");
    env.send("StopsQueue", &FailureMessage::new(job.id.clone()).to_body());
    changed
}

#[test]
fn a_waiting_job_is_stopped_before_anybody_works_on_it() {
    TestEnv::plan(906).run(async |env| {
        env.put(KEY, "x\n1\n").await;
        env.until("a launch", || env.ecs_launches() == 1).await;
        let waiting = env.job(KEY).await;
        waiting.assert_waiting();
        let failed = replayed(cancel(env, &waiting).await);
        failed.assert_failed().assert_ended_with(&[]);
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_reason("cancelled");
        assert_eq!(env.calls("s3", "GetObject"), 0, "nobody read it");
        assert_eq!(env.subjects().len(), 1);
    });
}

#[test]
fn a_running_job_is_taken_from_its_worker_which_works_on() {
    TestEnv::plan(907).run(async |env| {
        env.on(call::read_object().meets(Call::Delay(Duration::from_secs(300))).nth(1));
        env.put(KEY, "x\n1\n").await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        let running = env.job(KEY).await;
        running.assert_running();
        let failed = replayed(cancel(env, &running).await);
        assert!(failed.history[0].task.starts_with("drain/"), "{failed:#?}");
        // Read before it was stopped, it cannot be stopped once more.
        assert_eq!(replayed(cancel(env, &running).await), failed);
        env.put("uploads/other.csv", "x\n1\n").await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_attempt(1).assert_counted(0);
        assert!(env.manifest(KEY).await.is_none());
        env.job("uploads/other.csv").await.assert_done();
        assert_eq!(env.subjects().len(), 1, "one mail");
    });
}
