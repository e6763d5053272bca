use super::*;
use crate::fargate::Size;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/events/", $name, ".json"))
    };
}

fn created(body: &str) -> S3Created {
    match only(body) {
        S3Change::Created(created) => created,
        other => panic!("{other:?}"),
    }
}

fn only(body: &str) -> S3Change {
    match classify(body) {
        Classified::S3(S3Changes { mut changes, malformed })
            if changes.len() == 1 && malformed.is_empty() =>
        {
            changes.remove(0)
        }
        other => panic!("{other:?}"),
    }
}

fn deleted(body: &str) -> S3Deleted {
    match only(body) {
        S3Change::Deleted(deleted) => deleted,
        other => panic!("{other:?}"),
    }
}

fn change(body: &str) -> TaskStateChange {
    match classify(body) {
        Classified::TaskStateChange(change) => *change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_created_has_all_it_says() {
    let put = created(fixture!("s3-put-object"));
    assert_eq!(put.bucket, "tidemill-uploads");
    assert_eq!(put.key, "uploads/2026/air ports+a.csv", "the key is raw: a plus is a plus");
    assert_eq!(put.size_bytes, Some(210_365));
    assert_eq!(put.etag.as_deref(), Some("b57f9512698f4b09e608f4f2a65852e5"));
    assert_eq!(put.version_id.as_deref(), Some("WMhmL1TqLoQ5n4bX8Zr2Yc7uVtA3dE6f"));
    assert_eq!(put.reason.as_deref(), Some("PutObject"));
    let object = put.object();
    assert_eq!((object.key, object.version_id, object.size_bytes), (put.key, put.version_id, put.size_bytes));
    assert!(object.sequencer.padded().starts_with("0065F2C2DD4E1A7B90"));
}

#[test]
fn every_way_of_creating_is_an_object_created() {
    let multipart = created(fixture!("s3-complete-multipart-upload"));
    assert!(multipart.etag.unwrap().ends_with("-224"));
    assert_eq!(created(fixture!("s3-copy-object")).reason.as_deref(), Some("CopyObject"));
    assert_eq!(created(fixture!("s3-without-version")).version_id, None);
}

#[test]
fn bucket_and_key_are_enough() {
    let bare = created(fixture!("s3-only-bucket-and-key"));
    assert_eq!((bare.bucket.as_str(), bare.key.as_str()), ("tidemill-uploads", "uploads/a.csv"));
    assert_eq!((bare.size_bytes, bare.etag, bare.version_id, bare.sequencer), (None, None, None, None));
}

#[test]
fn strange_optional_fields_count_as_absent() {
    let strange = created(fixture!("s3-strange-fields"));
    assert_eq!((strange.size_bytes, strange.etag.as_deref()), (Some(17), Some("abc")));
    assert_eq!((strange.sequencer, strange.reason), (None, None));
    assert_eq!(
        strange.version_id, None,
        "\"null\" is the version of every put while versioning is suspended"
    );
}

#[test]
fn a_deletion_says_what_went() {
    let marker = deleted(fixture!("s3-object-deleted"));
    assert_eq!((marker.bucket.as_str(), marker.key.as_str()), ("tidemill-uploads", "uploads/plain.csv"));
    assert_eq!(marker.version, DeletedVersion::Hidden(Some("1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF".into())));
    assert!(marker.sequencer.padded().starts_with("0065F2C2E0000000AA"));
    assert_eq!(marker.reason.as_deref(), Some("DeleteObject"));
    let expired = deleted(fixture!("s3-lifecycle-expiration"));
    assert_eq!(expired.version, DeletedVersion::Version("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e".into()));
    assert_eq!(expired.reason.as_deref(), Some("Lifecycle Expiration"));
    for null in [r#""version-id": "null","#, ""] {
        let body = fixture!("s3-lifecycle-expiration")
            .replace(r#""version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","#, null);
        assert_eq!(deleted(&body).version, DeletedVersion::Unversioned);
    }
}

#[test]
fn records_of_a_classic_notification_stand_alone() {
    let record = |name: &str, object: &str| {
        format!(
            r#"{{"eventSource":"aws:s3","eventName":"{name}","s3":{{"bucket":{{"name":"b"}},"object":{object}}}}}"#
        )
    };
    let records = [
        record("ObjectCreated:Put", r#"{"key":"uploads/a%2Bb+c.csv","versionId":"v1","sequencer":"01"}"#),
        record("ObjectCreated:Put", r#"{"size":1}"#),
        record("ObjectTagging:Put", r#"{"key":"uploads/tagged.csv"}"#),
        record(
            "ObjectRemoved:DeleteMarkerCreated",
            r#"{"key":"uploads/m","versionId":"v2","sequencer":"02"}"#,
        ),
        record("ObjectRemoved:Delete", r#"{"key":"uploads/d","sequencer":"03"}"#),
        record("LifecycleExpiration:Delete", r#"{"key":"uploads/e","versionId":"v3","sequencer":"04"}"#),
        record("ObjectRemoved:Delete", r#"{"key":"uploads/unordered"}"#),
        r#"{"eventSource":"aws:ses"}"#.to_owned(),
    ];
    let body = format!(r#"{{"Records":[{}]}}"#, records.join(","));
    let Classified::S3(S3Changes { changes, malformed }) = classify(&body) else { panic!("{body}") };
    let read: Vec<_> = changes
        .iter()
        .map(|change| match change {
            S3Change::Created(created) => (created.key.as_str(), None),
            S3Change::Deleted(deleted) => {
                (deleted.key.as_str(), Some((&deleted.version, deleted.reason.as_deref())))
            }
        })
        .collect();
    let hidden = DeletedVersion::Hidden(Some("v2".into()));
    let version = DeletedVersion::Version("v3".into());
    assert_eq!(
        read,
        [
            ("uploads/a+b c.csv", None),
            ("uploads/m", Some((&hidden, Some("DeleteObject")))),
            ("uploads/d", Some((&DeletedVersion::Unversioned, Some("DeleteObject")))),
            ("uploads/e", Some((&version, Some("Lifecycle Expiration")))),
        ]
    );
    assert_eq!(malformed.len(), 3, "{malformed:?}");
    assert!(malformed[0].starts_with("record 2 of 8: ") && malformed[0].contains("without object.key"));
    assert!(malformed[1].starts_with("record 7 of 8: ") && malformed[1].contains("without object.sequencer"));
    assert!(malformed[2].starts_with("record 8 of 8: ") && malformed[2].contains("no record of S3"));
}

#[test]
fn a_stop_has_what_a_verdict_needs() {
    let stopped = change(fixture!("ecs-stopped-success"));
    assert!(stopped.is_stopped());
    assert_eq!(stopped.containers[0].exit_code, Some(0));
    assert_eq!(stopped.variable("TIDEMILL_JOB"), stopped.started_by);
    assert_eq!(stopped.variable("TIDEMILL_ATTEMPT").as_deref(), Some("1"));
    assert_eq!(stopped.variable("HOME"), None);
    assert!(stopped.names("8f14e45fceea167a5a36dedd4bea2543") && !stopped.names("another"));
    assert_eq!((stopped.version, stopped.size()), (Some(6), Some(Size::SMALLEST)));
    assert_eq!(stopped.paid_for().unwrap().as_secs(), 75);
    assert!(!stopped.is_spot());
}

#[test]
fn running_and_warned_tasks_have_not_stopped() {
    assert!(!change(fixture!("ecs-running")).is_stopped());
    let warned = change(fixture!("ecs-spot-warning"));
    assert!(!warned.is_stopped() && warned.is_spot());
    assert_eq!(warned.desired_status.as_deref(), Some("STOPPED"), "which is why lastStatus decides");
    assert!(change(fixture!("ecs-spot-interrupted")).is_stopped());
}

#[test]
fn a_task_that_never_started_has_no_containers_and_costs_nothing() {
    for body in [fixture!("ecs-failed-to-start"), fixture!("ecs-init-error")] {
        let failed = change(body);
        assert!(failed.is_stopped() && failed.containers.is_empty());
        assert_eq!(failed.paid_for(), None);
    }
    assert_eq!(change(fixture!("ecs-image-pull-failure")).containers[0].exit_code, None);
    assert_eq!(change(fixture!("ecs-user-initiated")).stop_code.as_deref(), Some("UserInitiated"));
}

#[test]
fn a_task_change_is_read_as_far_as_it_goes() {
    let bare = change(fixture!("ecs-only-task-arn"));
    assert!(!bare.is_stopped() && bare.containers.is_empty());
    let strange = change(fixture!("ecs-strange-fields"));
    assert!(strange.is_stopped());
    assert_eq!((strange.version, strange.stopped_at, strange.started_by.as_ref()), (None, None, None));
    let codes: Vec<_> = strange.containers.iter().map(|container| container.exit_code).collect();
    assert_eq!(codes, [None, Some(1)], "what is no container is left out, what is no number is absent");
}

#[test]
fn other_events_are_foreign() {
    let table = [
        (fixture!("foreign-ecs-service-action"), "aws.ecs", "ECS Service Action"),
        (fixture!("foreign-ebs-volume"), "aws.ec2", "EBS Volume Notification"),
    ];
    for (body, source, detail_type) in table {
        let expected = Classified::Foreign { source: source.into(), detail_type: detail_type.into() };
        assert_eq!(classify(body), expected);
    }
    assert_eq!(classify(fixture!("s3-test-event")), Classified::S3Test { bucket: "tidemill-uploads".into() });
}

#[test]
fn what_is_no_event_is_malformed_and_says_why() {
    let long_key = fixture!("s3-only-bucket-and-key").replace("uploads/a.csv", &"k".repeat(1_025));
    let deep = "[".repeat(100_000);
    let table = [
        (fixture!("malformed-no-json"), "not JSON"),
        (fixture!("malformed-no-envelope"), "no EventBridge event"),
        (fixture!("malformed-s3-without-key"), "without object.key"),
        (fixture!("malformed-ecs-without-task-arn"), "without taskArn"),
        (long_key.as_str(), "1025 bytes"),
        (deep.as_str(), "not JSON"),
        ("", "not JSON"),
        ("[]", "no EventBridge event"),
        ("null", "no EventBridge event"),
        ("7", "no EventBridge event"),
        (r#"{"source":"aws.s3","detail-type":"Object Created"}"#, "without bucket.name"),
        (
            r#"{"source":"aws.s3","detail-type":"Object Deleted","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}"#,
            "without object.sequencer",
        ),
        (r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":[]}"#, "without taskArn"),
    ];
    for (body, words) in table {
        match classify(body) {
            Classified::Malformed { reason } => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
