//! Versions and delete markers.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::{bucket, get, put, refusal};

#[tokio::test(start_paused = true)]
async fn each_version_stays_readable_and_a_marker_hides_them() {
    let (_gate, client) = bucket(true).await;
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
    assert_eq!(refusal(read(marker).send().await), (405, "MethodNotAllowed".into()));
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
    let (_gate, client) = bucket(true).await;
    put(&client, "k", b"one").await;
    let read = |id: &str| client.get_object().bucket("bucket").key("k").version_id(id).send();
    assert_eq!(refusal(read(&"x".repeat(32)).await), (404, "NoSuchVersion".into()));
    assert_eq!(refusal(read("short").await), (400, "InvalidArgument".into()));
}

#[tokio::test(start_paused = true)]
async fn listing_versions_pages_within_a_key() {
    let (_gate, client) = bucket(true).await;
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
    let (_gate, client) = bucket(false).await;
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
    let (_gate, client) = bucket(true).await;
    let body = vec![9; 100_000];
    put(&client, "from here", &body).await;
    client.copy_object().bucket("bucket").key("to").copy_source("bucket/from%20here").send().await.unwrap();
    put(&client, "from here", b"new").await;
    assert_eq!(get(&client, "to").await, body);
    let itself = client.copy_object().bucket("bucket").key("to").copy_source("bucket/to").send().await;
    assert_eq!(refusal(itself), (400, "InvalidRequest".into()));
    let missing = client.copy_object().bucket("bucket").key("to").copy_source("bucket/none").send().await;
    assert_eq!(refusal(missing).0, 404);
}
