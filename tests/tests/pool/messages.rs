//! The jobs queue is a public entrance.

use domain::{
    job::JobId,
    message::{FailureMessage, JobMessage, ObjectMessage},
};
use serde_json::{Value, json};
use tests::JobAsserts;

use crate::{csv, pool, records};

#[test]
fn a_message_that_is_no_job_is_dead_lettered_on_its_first_receive() {
    pool(231).run(async |env| {
        let id = JobId::parse("00112233445566778899aabbccddeeff").unwrap();
        let sent = [
            ("malformed", "this is not JSON".to_owned()),
            ("malformed", r#"{"tidemill":9,"job":"x"}"#.to_owned()),
            ("foreign", r#"{"source":"aws.ec2","detail-type":"Anything","detail":{}}"#.to_owned()),
            ("foreign", FailureMessage::new(id.clone()).to_body()),
            ("unknown_job", JobMessage::new(id, 1, 0).to_body()),
        ];
        for (_, body) in &sent {
            env.send("JobsQueue", body);
        }
        env.settle().await;
        let dead_letters = env.dead_letters().await;
        for (reason, body) in &sent {
            let dead_letter = dead_letters.iter().find(|dead_letter| dead_letter.body == *body).unwrap();
            assert_eq!(dead_letter.reason.as_deref(), Some(*reason), "{dead_letter:?}");
        }
        assert_eq!(dead_letters.len(), sent.len());
        assert_eq!(env.calls("sqs", "DeleteMessageBatch"), 1);
        assert_eq!(env.ecs_launches(), 1);
    });
}

#[test]
fn objects_and_both_kinds_of_notification_become_jobs() {
    pool(232).run(async |env| {
        env.put_without_event("uploads/asked for.csv", csv(1)).await;
        let event = env.put_without_event("uploads/event.csv", csv(2)).await;
        let classic = classic(&env.put_without_event("uploads/classic+one.csv", csv(3)).await);
        let asked = ObjectMessage::new(env.bucket(), "uploads/asked for.csv", None).to_body();
        for body in [asked, event.to_string(), classic.to_string()] {
            env.send("JobsQueue", &body);
        }
        env.settle().await;
        for (key, rows) in
            [("uploads/asked for.csv", 1), ("uploads/event.csv", 2), ("uploads/classic+one.csv", 3)]
        {
            env.job(key).await.assert_done();
            assert_eq!(env.visible(key).await, records(rows));
        }
        assert_eq!(env.dead_letters().await, []);
    });
}

/// The classic notification that tells the same as this event.
fn classic(event: &Value) -> Value {
    let object = &event["detail"]["object"];
    let key = object["key"].as_str().unwrap().replace('+', "%2B");
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": event["detail"]["bucket"],
            "object": {
                "key": key,
                "size": object["size"],
                "eTag": object["etag"],
                "versionId": object["version-id"],
                "sequencer": object["sequencer"],
            },
        },
    }] })
}

#[test]
fn a_message_of_a_job_that_is_over_is_deleted() {
    pool(233).run(async |env| {
        env.put("uploads/a.csv", csv(2)).await;
        env.settle().await;
        let job = env.job("uploads/a.csv").await;
        for attempt in [1, 1, 7] {
            env.send("JobsQueue", &JobMessage::new(job.id.clone(), attempt, 0).to_body());
        }
        env.settle().await;
        assert_eq!(env.job("uploads/a.csv").await, job);
        assert_eq!(env.dead_letters().await, []);
    });
}
