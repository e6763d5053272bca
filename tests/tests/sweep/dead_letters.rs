//! Dead letters about which nothing is left to do.

use domain::message::{JobMessage, ObjectMessage};
use tests::{JobAsserts, TestEnv};

const KEY: &str = "uploads/people.csv";
const OTHER: &str = "uploads/other.csv";
const BAD: &str = "x,y\n1\n";
const GOOD: &str = "x,y\n1,2\n";

/// How many messages wait in the dead-letter queues, for everybody to see.
fn waiting(env: &TestEnv) -> usize {
    let (sqs, resources) = (&env.cloud().services().sqs, &env.cloud().stack().resources);
    let visible = |queue| sqs.counts(&resources[queue].arn).expect("a queue").visible;
    visible("DeadLetterQueue") + visible("FailedJobsQueue")
}

#[test]
fn the_sweep_removes_what_was_fixed_and_leaves_what_needs_a_person() {
    TestEnv::plan(471).run(async |env| {
        env.put(KEY, BAD).await;
        env.put(OTHER, BAD).await;
        env.send("UploadsQueue", "nonsense");
        let absent = ObjectMessage::new(env.bucket(), "uploads/absent.csv", None).to_body();
        env.send("UploadsQueue", &absent);
        env.settle().await;
        assert_eq!(waiting(env), 4);
        env.swept().await;
        assert_eq!(waiting(env), 4, "nothing was fixed");
        // One object is uploaded again; of the other, an empty version, which fixes nothing.
        let fixed = env.put(KEY, GOOD).await;
        env.settle().await;
        env.job_of(&fixed).await.assert_done();
        env.put(OTHER, "").await;
        env.settle().await;
        env.swept().await;
        assert_eq!(waiting(env), 3);
    });
}

#[test]
fn a_message_of_an_attempt_that_is_past_is_removed_once_the_later_failure_has_its_own() {
    TestEnv::plan(472).run(async |env| {
        env.put(KEY, BAD).await;
        env.settle().await;
        let failed = env.job(KEY).await;
        let now = env.cloud().clock().now();
        let note = domain::audit::AuditEntry::new(now, domain::audit::AuditKind::Replayed, "by ada");
        env.ledger().replay(&failed, &note, now).await.expect("an answer");
        env.send("UploadsQueue", &JobMessage::new(failed.id.clone(), 2, 0).to_body());
        env.settle().await;
        env.job(KEY).await.assert_failed().assert_attempt(2);
        assert_eq!(waiting(env), 2);
        env.swept().await;
        assert_eq!(waiting(env), 1);
    });
}
