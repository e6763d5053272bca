//! Messages alone and in batches, good, poisonous and foreign.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{job::JobId, message::JobMessage};
use localcloud::{faults::Call, wire::ApiError};
use serde_json::json;
use tests::{JobAsserts, TestEnv, call};

use crate::{csv, records};

#[test]
fn of_a_batch_only_the_failed_message_comes_again() {
    TestEnv::plan(51).dedicated_tasks().run(async |env| {
        let mut events = Vec::new();
        for n in 0..10 {
            events.push(env.put_without_event(&format!("uploads/{n}.csv"), csv(n, 2)).await);
        }
        let refusal = ApiError::client("AccessDeniedException", "not this one, not now");
        env.on(call::record_job("uploads/4.csv").meets(Call::Refuse(refusal)).first(2));
        let remembered = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&remembered);
        env.on(call::remember_columns().runs(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        for event in &events {
            env.send("UploadsQueue", &event.to_string());
        }
        env.settle().await;
        let others = 10 + remembered.load(Ordering::Relaxed);
        assert_eq!(
            env.calls("dynamodb", "PutItem"),
            12 + others,
            "ten, the two repeats of one, and ten slots"
        );
        for n in 0..10 {
            let key = format!("uploads/{n}.csv");
            let job = env.job(&key).await;
            job.assert_done().assert_attempt(1);
            let late = job.created_at.duration_since(env.job("uploads/0.csv").await.created_at);
            assert_eq!(late.as_secs(), if n == 4 { 360 } else { 0 }, "two visibility timeouts");
            assert_eq!(env.visible(&key).await, records(n, 2));
        }
        assert_eq!(env.dead_letters().await, []);
    });
}

#[test]
fn an_unreadable_message_is_dead_lettered_on_its_first_receive() {
    TestEnv::plan(52).dedicated_tasks().run(async |env| {
        let poison = [
            "this is not JSON",
            "[1, 2",
            r#"{"hello":"env"}"#,
            "42",
            r#"{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"b"}}}"#,
            r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{}}"#,
            "bad \u{7f} but sendable",
        ];
        for queue in ["UploadsQueue", "StopsQueue"] {
            for body in poison {
                env.send(queue, body);
            }
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters.len(), 2 * poison.len(), "{dead_letters:#?}");
        for body in &poison[..6] {
            let same = dead_letters.iter().filter(|dead_letter| dead_letter.body == *body);
            assert_eq!(same.count(), 2, "{body}");
        }
        assert!(dead_letters.iter().all(|dead_letter| dead_letter.reason.as_deref() == Some("malformed")));
        assert!(
            dead_letters
                .iter()
                .all(|dead_letter| dead_letter.detail.as_ref().is_some_and(|text| text.len() > 10))
        );
        env.settle().await;
        assert_eq!(env.jobs().await, []);
    });
}

#[test]
fn a_relaunch_of_a_job_that_is_not_there_is_dead_lettered() {
    TestEnv::plan(53).dedicated_tasks().run(async |env| {
        let id = JobId::parse("00112233445566778899aabbccddeeff").unwrap();
        env.send("UploadsQueue", &JobMessage::new(id, 1, 0).to_body());
        env.settle().await;
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters[0].reason.as_deref(), Some("unknown_job"));
        assert_eq!(env.ecs_launches(), 0);
    });
}

#[test]
fn foreign_events_are_passed_over() {
    TestEnv::plan(54).dedicated_tasks().run(async |env| {
        let foreign = [
            json!({ "source": "aws.ec2", "detail-type": "EBS Volume Notification", "detail": {} }),
            json!({ "source": "aws.s3", "detail-type": "Object Deleted", "detail": { "bucket": { "name": "b" }, "object": { "key": "uploads/a.csv", "sequencer": "01" } } }),
            json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": { "bucket": { "name": "b" }, "object": { "key": "elsewhere/a.csv" } } }),
            json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": { "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/other/1", "lastStatus": "STOPPED", "startedBy": "ecs-svc/1" } }),
        ];
        for queue in ["UploadsQueue", "StopsQueue"] {
            for event in &foreign {
                env.send(queue, &event.to_string());
            }
        }
        env.settle().await;
        assert_eq!(env.jobs().await, []);
        assert_eq!(env.dead_letters().await, []);
        assert_eq!(env.ecs_launches(), 0);
        assert_eq!(env.calls("dynamodb", "PutItem"), 0);
    });
}

#[test]
fn of_a_classic_notification_each_record_stands_alone() {
    TestEnv::plan(55).dedicated_tasks().run(async |env| {
        let classic = |event: &serde_json::Value, key: &str| {
            let object = &event["detail"]["object"];
            json!({
                "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": { "bucket": event["detail"]["bucket"], "object": {
                    "key": key, "size": object["size"], "eTag": object["etag"],
                    "versionId": object["version-id"], "sequencer": object["sequencer"],
                } },
            })
        };
        let first =
            classic(&env.put_without_event("uploads/a+b c.csv", csv(1, 2)).await, "uploads/a%2Bb+c.csv");
        let second = classic(&env.put_without_event("uploads/d.csv", csv(3, 2)).await, "uploads/d.csv");
        let nameless = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {} });
        let body = json!({ "Records": [first, nameless, second] }).to_string();
        env.send("UploadsQueue", &body);
        env.settle().await;
        assert_eq!(env.visible("uploads/a+b c.csv").await, records(1, 2));
        assert_eq!(env.visible("uploads/d.csv").await, records(3, 2));
        let dead_letters = env.dead_letters().await;
        assert_eq!(dead_letters.len(), 1, "{dead_letters:#?}");
        assert_eq!(
            (dead_letters[0].body.as_str(), dead_letters[0].reason.as_deref()),
            (body.as_str(), Some("malformed"))
        );
        let detail = dead_letters[0].detail.as_deref().unwrap();
        assert_eq!(detail, "record 2 of 3: a classic S3 notification without bucket.name");
    });
}

#[test]
fn what_sns_has_wrapped_is_processed_and_s3s_announcement_is_dropped() {
    TestEnv::plan(56).pipelines(include_str!("../../../pipelines/pipelines.toml")).run(async |env| {
        let wrapped = |body: &str| {
            let topic = "arn:aws:sns:us-east-1:123456789012:uploads";
            json!({ "Type": "Notification", "MessageId": "1", "TopicArn": topic, "Message": body })
                .to_string()
        };
        let announced = include_str!("../../fixtures/events/s3-test-event.json");
        for (n, queue) in ["UploadsQueue", "JobsQueue"].into_iter().enumerate() {
            let event = env.put_without_event(&format!("uploads/{n}.csv"), csv(n, 2)).await;
            env.send(queue, announced);
            env.send(queue, &wrapped(announced));
            env.send(queue, &wrapped(&event.to_string()));
        }
        env.settle().await;
        for n in 0..2 {
            assert_eq!(env.visible(&format!("uploads/{n}.csv")).await, records(n, 2));
        }
        assert_eq!(env.dead_letters().await, []);
    });
}
