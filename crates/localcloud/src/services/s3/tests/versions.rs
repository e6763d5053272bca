//! Versions and delete markers.

use std::time::Duration;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::{api_error, bucket, get, put};

#[tokio::test(start_paused = true)]
async fn each_version_stays_readable_and_a_marker_hides_them() {
    let (_frontend, client) = bucket(true).await;
    let first = put(&client, "k", b"one").await;
    let second = put(&client, "k", b"two").await;
    assert_eq!((first.len(), second.len()), (32, 32));
    assert_eq!(get(&client, "k").await, b"two");
    let read = |id: &str| client.get_object().bucket("bucket").key("k").version_id(id);
    let old = read(&first).send().await.unwrap();
    assert_eq!(old.version_id(), Some(first.as_str()));
    assert_eq!(old.body.collect().await.unwrap().to_vec(), b"one");

    let gone = client.delete_object().bucket("bucket").key("k").send().await.unwrap();
    assert_eq!(gone.delete_marker(), Some(true));
    let marker = gone.version_id().unwrap();
    let hidden = client.get_object().bucket("bucket").key("k").send().await.unwrap_err();
    let response = hidden.raw_response().unwrap();
    assert_eq!(response.status().as_u16(), 404);
    assert_eq!(response.headers().get("x-amz-delete-marker"), Some("true"));
    assert_eq!(response.headers().get("x-amz-version-id"), Some(marker));
    assert_eq!(api_error(read(marker).send().await), (405, "MethodNotAllowed".into()));
    assert_eq!(read(&second).send().await.unwrap().content_length(), Some(3));

    let listed = client.list_object_versions().bucket("bucket").send().await.unwrap();
    let ids: Vec<_> = listed.versions().iter().filter_map(|version| version.version_id()).collect();
    assert_eq!(ids, [second.as_str(), first.as_str()]);
    assert_eq!(listed.delete_markers()[0].is_latest(), Some(true));

    client.delete_object().bucket("bucket").key("k").version_id(marker).send().await.unwrap();
    assert_eq!(get(&client, "k").await, b"two");
    client.delete_object().bucket("bucket").key("k").version_id(&second).send().await.unwrap();
    assert_eq!(get(&client, "k").await, b"one");
}

#[tokio::test(start_paused = true)]
async fn unknown_and_malformed_version_ids_are_told_apart() {
    let (_frontend, client) = bucket(true).await;
    put(&client, "k", b"one").await;
    let read = |id: &str| client.get_object().bucket("bucket").key("k").version_id(id).send();
    assert_eq!(api_error(read(&"x".repeat(32)).await), (404, "NoSuchVersion".into()));
    assert_eq!(api_error(read("short").await), (400, "InvalidArgument".into()));
}

#[tokio::test(start_paused = true)]
async fn listing_versions_pages_within_a_key() {
    let (_frontend, client) = bucket(true).await;
    for n in 0..5 {
        put(&client, "k", &[n]).await;
    }
    put(&client, "l", b"").await;
    let (mut key, mut version, mut seen) = (None, None, 0);
    loop {
        let page = client
            .list_object_versions()
            .bucket("bucket")
            .max_keys(2)
            .set_key_marker(key)
            .set_version_id_marker(version)
            .send()
            .await
            .unwrap();
        seen += page.versions().len();
        if page.is_truncated() != Some(true) {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
    assert_eq!(seen, 6);
}

#[tokio::test(start_paused = true)]
async fn many_are_deleted_in_one_call() {
    let (_frontend, client) = bucket(false).await;
    for key in ["a", "b", "c"] {
        put(&client, key, b"x").await;
    }
    let ids = ["a", "b", "missing"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(ids.into())).build().unwrap();
    let answer = client.delete_objects().bucket("bucket").delete(delete).send().await.unwrap();
    assert_eq!(answer.deleted().len(), 3);
    let left = client.list_objects_v2().bucket("bucket").send().await.unwrap();
    assert_eq!(left.key_count(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_copy_lives_on_its_own() {
    let (_frontend, client) = bucket(true).await;
    let body = vec![9; 100_000];
    put(&client, "from here", &body).await;
    client.copy_object().bucket("bucket").key("to").copy_source("bucket/from%20here").send().await.unwrap();
    put(&client, "from here", b"new").await;
    assert_eq!(get(&client, "to").await, body);
    let itself = client.copy_object().bucket("bucket").key("to").copy_source("bucket/to").send().await;
    assert_eq!(api_error(itself), (400, "InvalidRequest".into()));
    let missing = client.copy_object().bucket("bucket").key("to").copy_source("bucket/none").send().await;
    assert_eq!(api_error(missing).0, 404);
}

/// A version or delete marker as a listing has it: key, version id, whether it is the latest, and when it came (as
/// seconds since 1970).
type Listed = (String, String, bool, i64);

#[tokio::test(start_paused = true)]
async fn over_a_thousand_versions_are_listed_once_each_newest_first_over_pages() {
    let (frontend, client) = bucket(true).await;
    put(&client, "a/before", b"").await;
    let mut expected: Vec<Listed> = Vec::new();
    for key in 0..30 {
        let key = format!("uploads/{key:02}");
        // Newest first; of every third key that is a delete marker.
        let mut versions: Vec<Listed> = Vec::new();
        for n in 0..40 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let at = frontend.clock().now().as_second();
            let id = if n == 39 && key.ends_with(['0', '3', '6', '9']) {
                let gone = client.delete_object().bucket("bucket").key(&key).send().await.unwrap();
                gone.version_id.unwrap()
            } else {
                put(&client, &key, &[n]).await
            };
            versions.push((key.clone(), id, n == 39, at));
        }
        expected.extend(versions.into_iter().rev());
    }
    put(&client, "uploads0", b"").await;

    let (mut versions, mut markers, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut key, mut version) = (None, None);
    loop {
        let page = client.list_object_versions().bucket("bucket").prefix("uploads/");
        let page = page.set_key_marker(key).set_version_id_marker(version).send().await.unwrap();
        sizes.push(page.versions().len() + page.delete_markers().len());
        versions.extend(page.versions().iter().map(|it| -> Listed {
            let name = |text: Option<&str>| text.unwrap().to_owned();
            let at = it.last_modified().unwrap().secs();
            (name(it.key()), name(it.version_id()), it.is_latest().unwrap(), at)
        }));
        markers.extend(page.delete_markers().iter().map(|it| -> Listed {
            let name = |text: Option<&str>| text.unwrap().to_owned();
            let at = it.last_modified().unwrap().secs();
            (name(it.key()), name(it.version_id()), it.is_latest().unwrap(), at)
        }));
        if page.is_truncated() != Some(true) {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
        assert!(key.is_some() && version.is_some());
    }
    assert_eq!(sizes, [1000, 200]);
    let is_marker = |it: &&Listed| it.2 && it.0.ends_with(['0', '3', '6', '9']);
    let (expected_markers, expected_versions): (Vec<&Listed>, Vec<&Listed>) =
        expected.iter().partition(is_marker);
    assert!(versions.iter().eq(expected_versions));
    assert!(markers.iter().eq(expected_markers));
    assert_eq!(markers.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_on_behind_markers_that_are_gone_and_refuses_half_a_marker() {
    let (_frontend, client) = bucket(true).await;
    for key in ["a", "b", "c"] {
        put(&client, key, b"1").await;
        put(&client, key, b"2").await;
    }
    let list = || client.list_object_versions().bucket("bucket");
    // A key alone goes on behind all versions of it, be it there or not.
    for marker in ["b", "bb"] {
        let page = list().key_marker(marker).send().await.unwrap();
        assert_eq!(
            page.versions().iter().filter_map(|it| it.key()).collect::<Vec<_>>(),
            ["c", "c"],
            "{marker}"
        );
    }
    // A version that went meanwhile loses nobody its place.
    let first = list().max_keys(1).send().await.unwrap();
    let (key, version) = (first.next_key_marker().unwrap(), first.next_version_id_marker().unwrap());
    client.delete_object().bucket("bucket").key(key).version_id(version).send().await.unwrap();
    let rest = list().key_marker(key).version_id_marker(version).send().await.unwrap();
    assert_eq!(
        rest.versions().iter().filter_map(|it| it.key()).collect::<Vec<_>>(),
        ["a", "b", "b", "c", "c"]
    );
    let half = list().version_id_marker("x".repeat(32)).send().await;
    assert_eq!(api_error(half), (400, "InvalidArgument".into()));
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.versions().len(), none.is_truncated()), (0, Some(false)));
}
