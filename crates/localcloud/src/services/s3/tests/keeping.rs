//! A data folder across runs.

use std::{fs, io::Write as _};

use super::*;

fn open(folder: &std::path::Path) -> Result<Frontend, OpenError> {
    let empty = frontend();
    let s3 = S3::new(empty.clock(), empty.services().events.clone(), Storage::Folder(folder.to_owned()))?;
    let services = crate::services::Services { s3, ..empty.services().clone() };
    Ok(Frontend::new(services, Default::default(), empty.clock()))
}

fn settings() -> BucketSettings {
    BucketSettings { name: "bucket".into(), versioned: true, eventbridge: false }
}

#[tokio::test(start_paused = true)]
async fn objects_versions_and_deletes_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    first.services().s3.create_bucket(settings()).unwrap();
    let before = client(&first);
    let old = put(&before, "k", b"one").await;
    put(&before, "k", &[2; 200_000]).await;
    put(&before, "gone", b"x").await;
    before.delete_object().bucket("bucket").key("gone").send().await.unwrap();
    drop((first, before));
    // What an interrupted upload leaves, and a line that was being written.
    fs::write(folder.path().join("objects/ffff"), b"half").unwrap();
    let mut journal = fs::OpenOptions::new().append(true).open(folder.path().join("s3.jsonl")).unwrap();
    journal.write_all(b"{\"put\":{\"bucket\":\"buc").unwrap();

    for _ in 0..2 {
        let again = open(folder.path()).unwrap();
        again.services().s3.create_bucket(settings()).unwrap();
        let after = client(&again);
        assert_eq!(get(&after, "k").await, vec![2; 200_000]);
        let version = after.get_object().bucket("bucket").key("k").version_id(&old).send().await.unwrap();
        assert_eq!(version.body.collect().await.unwrap().to_vec(), b"one");
        assert_eq!(api_error(after.get_object().bucket("bucket").key("gone").send().await).0, 404);
        assert!(!folder.path().join("objects/ffff").exists());
        put(&after, "later", b"y").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_journal_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s3.jsonl"), b"{}\n").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("line 1 of "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let frontend = open(folder.path()).unwrap();
    frontend.services().s3.create_bucket(settings()).unwrap();
    let client = client(&frontend);
    fs::remove_dir_all(folder.path().join("objects")).unwrap();
    let refused = client.put_object().bucket("bucket").key("k").body(b"x".to_vec().into()).send().await;
    assert_eq!(api_error(refused), (500, "InternalError".into()));
    assert_eq!(client.list_objects_v2().bucket("bucket").send().await.unwrap().key_count(), Some(0));
}
