//! Queues in a data folder, over restarts.

use std::path::Path;

use rusqlite::Connection;

use super::{tests::sqs, *};

/// Queues as a start makes them: `jobs`, whose messages go to `dead` when they are received a second time.
fn started(folder: &Path) -> (Sqs, String, String) {
    let sqs = sqs();
    sqs.keep_in(folder).unwrap();
    let dead = sqs.create_queue(QueueSettings::named("dead")).unwrap();
    let redrive = Some(Redrive { dead_letter_arn: dead.clone(), max_receive_count: 1 });
    let jobs = sqs.create_queue(QueueSettings { redrive, ..QueueSettings::named("jobs") }).unwrap();
    (sqs, jobs, dead)
}

fn bodies(sqs: &Sqs, arn: &str) -> Vec<String> {
    sqs.peek(arn).unwrap().into_iter().map(|message| message.body).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_there_after_a_restart_and_what_was_deleted_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (before, jobs, dead) = started(folder.path());
    let binary = Attribute { data_type: "Binary".into(), value: AttributeValue::Binary(vec![0, 255]) };
    let attributes = Attributes::from([("a".to_owned(), Attribute::text("ü")), ("b".to_owned(), binary)]);
    before.send(&jobs, "first", attributes.clone(), None).unwrap();
    before.send(&jobs, "deleted", Attributes::new(), None).unwrap();
    before.send(&jobs, "late", Attributes::new(), Some(Duration::from_secs(600))).unwrap();
    before.send(&dead, "letter", Attributes::new(), None).unwrap();
    let received = before.receive(&jobs, 2, Some(Duration::ZERO), None).await.unwrap();
    before.delete(&jobs, &received[1].receipt).unwrap();
    drop(before);

    let (after, jobs, dead) = started(folder.path());
    assert_eq!(bodies(&after, &jobs), ["first", "late"]);
    let counts = after.counts(&jobs).unwrap();
    assert_eq!((counts.visible, counts.in_flight, counts.delayed), (1, 0, 1), "its receiver has ended");
    let kept = &after.peek(&jobs).unwrap()[0];
    assert_eq!((&kept.attributes, kept.system["ApproximateReceiveCount"].as_str()), (&attributes, "1"));
    assert_eq!(kept.message_id, received[0].message_id);
    // It is received a second time, and so a dead letter, behind the other.
    assert!(after.receive(&jobs, 1, Some(Duration::ZERO), None).await.unwrap().is_empty());
    assert_eq!(bodies(&after, &dead), ["letter", "first"]);
    drop(after);

    let (last, jobs, dead) = started(folder.path());
    assert_eq!(
        (bodies(&last, &jobs), bodies(&last, &dead)),
        (vec!["late".into()], vec!["letter".into(), "first".into()])
    );
    let url = last.url("dead");
    last.call("DeleteQueue", serde_json::json!({ "QueueUrl": url })).await.unwrap();
    drop(last);
    let (anew, _, dead) = started(folder.path());
    assert!(bodies(&anew, &dead).is_empty(), "a queue that was deleted is made empty");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (sqs, jobs, _) = started(folder.path());
    let other = Connection::open(folder.path().join("sqs.sqlite")).unwrap();
    other.execute("DROP TABLE messages", []).unwrap();
    let error = sqs.send(&jobs, "x", Attributes::new(), None).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (500, "InternalError"));
    assert!(error.message.starts_with("failed to keep the queues: "), "{error}");
}

#[test]
fn a_file_of_a_newer_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sqs.sqlite");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let error = sqs().keep_in(folder.path()).unwrap_err().to_string();
    assert!(error.contains("were written by a newer version"), "{error}");
    std::fs::write(&file, "no database, but longer than the header of one: ".repeat(9)).unwrap();
    let error = sqs().keep_in(folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("failed to open the queues in "), "{error}");
}
