//! S3 by way of the real SDK, in process, on virtual time.

mod keeping;
mod notifications;
mod parts;
mod versions;

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{BucketVersioningStatus, ChecksumAlgorithm, EncodingType, VersioningConfiguration},
};

use super::*;
use crate::{
    connector::sdk_config,
    faults::{Call, Rule},
    frontend::{Frontend, tests::frontend},
    wire::OWNER_KEY,
};

pub(super) fn client(frontend: &Frontend) -> Client {
    client_as(frontend, OWNER_KEY)
}

fn client_as(frontend: &Frontend, key: &str) -> Client {
    let config = sdk_config(frontend, frontend.clock(), key);
    Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
}

/// A frontend with one bucket, `bucket`.
pub(super) async fn bucket(versioned: bool) -> (Frontend, Client) {
    let frontend = frontend();
    let settings = BucketSettings { name: "bucket".into(), versioned, eventbridge: true };
    frontend.services().s3.create_bucket(settings).unwrap();
    let client = client(&frontend);
    (frontend, client)
}

/// The status and code that a call was refused with.
pub(super) fn api_error<T: std::fmt::Debug, E>(
    result: Result<T, SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>>,
) -> (u16, String)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let error = result.expect_err("the call was not refused");
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

pub(super) async fn put(client: &Client, key: &str, body: &[u8]) -> String {
    let output =
        client.put_object().bucket("bucket").key(key).body(body.to_vec().into()).send().await.unwrap();
    output.version_id().unwrap_or_default().to_owned()
}

pub(super) async fn get(client: &Client, key: &str) -> Vec<u8> {
    let output = client.get_object().bucket("bucket").key(key).send().await.unwrap();
    output.body.collect().await.unwrap().to_vec()
}

#[tokio::test(start_paused = true)]
async fn an_object_comes_back_with_all_that_was_said_of_it() {
    let (_frontend, client) = bucket(false).await;
    let written = client
        .put_object()
        .bucket("bucket")
        .key("a/b.csv")
        .content_type("text/csv")
        .content_encoding("gzip")
        .metadata("origin", "tide")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .body(b"hello".to_vec().into())
        .send()
        .await
        .unwrap();
    assert_eq!(written.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(written.version_id(), None);
    let got = client.get_object().bucket("bucket").key("a/b.csv").send().await.unwrap();
    assert_eq!((got.content_type(), got.content_encoding()), (Some("text/csv"), Some("gzip")));
    assert_eq!(got.metadata().unwrap()["origin"], "tide");
    assert_eq!(got.checksum_sha256(), written.checksum_sha256());
    assert!(got.checksum_sha256().is_some());
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");
    let head = client.head_object().bucket("bucket").key("a/b.csv").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(api_error(client.head_object().bucket("bucket").key("none").send().await).0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_large_object_goes_through_a_file_and_ranges_are_exact() {
    let (frontend, client) = bucket(false).await;
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    put(&client, "big", &body).await;
    assert_eq!(frontend.services().s3.store.files().len(), 1);
    assert!(get(&client, "big").await == body);
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=131071-131073", 131_071..131_074),
        ("bytes=999990-", 999_990..1_000_000),
        ("bytes=-5", 999_995..1_000_000),
        ("bytes=999999-2000000", 999_999..1_000_000),
    ] {
        let got = client.get_object().bucket("bucket").key("big").range(range).send().await.unwrap();
        let content_range = format!("bytes {}-{}/1000000", expected.start, expected.end - 1);
        assert_eq!(got.content_range(), Some(content_range.as_str()));
        assert_eq!(got.body.collect().await.unwrap().to_vec(), body[expected], "{range}");
    }
    let beyond = client.get_object().bucket("bucket").key("big").range("bytes=1000000-").send().await;
    assert_eq!(api_error(beyond), (416, "InvalidRange".into()));
    client.delete_object().bucket("bucket").key("big").send().await.unwrap();
    assert!(frontend.services().s3.store.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn conditions_are_kept() {
    let (_frontend, client) = bucket(false).await;
    put(&client, "k", b"one").await;
    let write = || client.put_object().bucket("bucket").key("k").body(b"two".to_vec().into());
    assert_eq!(api_error(write().if_none_match("*").send().await), (412, "PreconditionFailed".into()));
    assert_eq!(api_error(write().if_match("\"other\"").send().await), (412, "PreconditionFailed".into()));
    let missing = client.put_object().bucket("bucket").key("none").if_match("\"x\"").send().await;
    assert_eq!(api_error(missing), (404, "NoSuchKey".into()));
    let etag = client.head_object().bucket("bucket").key("k").send().await.unwrap().e_tag.unwrap();
    let read = || client.get_object().bucket("bucket").key("k");
    assert_eq!(api_error(read().if_match("\"other\"").send().await), (412, "PreconditionFailed".into()));
    assert_eq!(api_error(read().if_none_match(&etag).send().await).0, 304);
    write().if_match(&etag).send().await.unwrap();
    assert_eq!(api_error(read().if_match(&etag).send().await).0, 412);
    assert_eq!(get(&client, "k").await, b"two");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_match_its_digest_is_not_stored() {
    let (_frontend, client) = bucket(false).await;
    let write = || client.put_object().bucket("bucket").key("k").body(b"hello".to_vec().into());
    let wrong = write().content_md5("XUFAKrxLKna5cZ2REBfFkw==").send().await;
    assert_eq!(api_error(wrong), (400, "BadDigest".into()));
    assert_eq!(api_error(write().content_md5("no").send().await), (400, "InvalidDigest".into()));
    assert_eq!(api_error(write().checksum_crc32("AAAAAA==").send().await), (400, "BadDigest".into()));
    assert_eq!(
        api_error(client.get_object().bucket("bucket").key("k").send().await),
        (404, "NoSuchKey".into())
    );
}

#[tokio::test(start_paused = true)]
async fn odd_keys_come_back_exactly() {
    let (_frontend, client) = bucket(false).await;
    let keys = [
        "with space",
        "plus+plus",
        "per%20cent",
        "quote'\"<&>",
        "line\nfeed",
        "ümläut/日本語",
        "a//b",
        "/leading",
        "q?x=1#y",
        "trailing/",
        "tab\there",
        "~tilde*star(1)!",
    ];
    for key in keys {
        put(&client, key, key.as_bytes()).await;
        assert_eq!(get(&client, key).await, key.as_bytes(), "{key:?}");
    }
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    let listed = client.list_objects_v2().bucket("bucket").send().await.unwrap();
    let plain: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(plain, expected);
    let listed =
        client.list_objects_v2().bucket("bucket").encoding_type(EncodingType::Url).send().await.unwrap();
    // As in a form: a plus sign is a space.
    let decode = |key: &str| {
        let spaced = key.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8().unwrap().into_owned()
    };
    let decoded: Vec<String> =
        listed.contents().iter().filter_map(|object| object.key()).map(decode).collect();
    assert_eq!(decoded, expected);
    assert!(listed.contents().iter().all(|object| object.key().unwrap().is_ascii()));
    assert!(listed.contents().iter().all(|object| !object.key().unwrap().contains("%20")));
    let long = "k".repeat(1025);
    let refused = client.put_object().bucket("bucket").key(long).send().await;
    assert_eq!(api_error(refused), (400, "KeyTooLongError".into()));
}

#[tokio::test(start_paused = true)]
async fn listings_page_and_group() {
    let (_frontend, client) = bucket(false).await;
    for key in ["a/1", "a/2", "b", "c/1", "c/2/x", "d"] {
        put(&client, key, b"").await;
    }
    let list = || client.list_objects_v2().bucket("bucket");
    let mut seen = Vec::new();
    let mut token = None;
    loop {
        let page = list().delimiter("/").max_keys(1).set_continuation_token(token).send().await.unwrap();
        assert!(page.key_count().unwrap() <= 1);
        seen.extend(page.common_prefixes().iter().map(|group| group.prefix().unwrap().to_owned()));
        seen.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a/", "b", "c/", "d"]);
    let page = list().prefix("c/").delimiter("/").send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("c/1"));
    assert_eq!(page.common_prefixes()[0].prefix(), Some("c/2/"));
    let page = list().start_after("b").send().await.unwrap();
    assert_eq!(page.key_count(), Some(3));
    let refused = list().continuation_token("nonsense").send().await;
    assert_eq!(api_error(refused), (400, "InvalidArgument".into()));
}

#[tokio::test(start_paused = true)]
async fn a_listing_continues_over_a_thousand_keys_though_some_go_meanwhile() {
    let (_frontend, client) = bucket(false).await;
    for n in 0..1_203 {
        put(&client, &format!("k{n:04}"), b"").await;
    }
    let list = || client.list_objects_v2().bucket("bucket");
    let first = list().send().await.unwrap();
    assert_eq!((first.key_count(), first.is_truncated()), (Some(1_000), Some(true)));
    // The key at which the page ended, and the one that would have begun the next.
    for key in ["k0999", "k1000"] {
        client.delete_object().bucket("bucket").key(key).send().await.unwrap();
    }
    let token = first.next_continuation_token().unwrap();
    // Where it goes on, the token says, whatever it began after.
    let second = list().continuation_token(token).start_after("k1100").send().await.unwrap();
    assert_eq!((second.key_count(), second.is_truncated()), (Some(202), Some(false)));
    assert_eq!(second.contents()[0].key(), Some("k1001"));
    assert_eq!(second.next_continuation_token(), None);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_or_secret_is_refused() {
    let (frontend, _) = bucket(false).await;
    let stranger = client_as(&frontend, "AKIANOBODY");
    assert_eq!(api_error(stranger.list_buckets().send().await), (403, "InvalidAccessKeyId".into()));
    let missing = client(&frontend).list_objects_v2().bucket("none").send().await;
    assert_eq!(api_error(missing), (404, "NoSuchBucket".into()));
}

#[tokio::test(start_paused = true)]
async fn slow_down_is_retried_and_a_cut_body_is_an_error() {
    let (frontend, client) = bucket(false).await;
    frontend.faults().on(Rule::new("s3", "PutObject", Call::Throttle).first(1));
    put(&client, "k", &[1; 1000]).await;
    frontend.faults().on(Rule::new("s3", "GetObject", Call::CutBody { after: 10 }).first(1));
    let got = client.get_object().bucket("bucket").key("k").send().await.unwrap();
    assert!(got.body.collect().await.is_err());
    assert_eq!(get(&client, "k").await.len(), 1000);
    assert_eq!(frontend.faults().fired(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_an_error_of_the_sdk_after_some_seconds() {
    let (frontend, client) = bucket(false).await;
    put(&client, "k", &[1; 1000]).await;
    frontend.faults().on(Rule::new("s3", "GetObject", Call::StallBody { after: 10 }).first(1));
    let mut got = client.get_object().bucket("bucket").key("k").send().await.unwrap();
    assert_eq!(got.body.next().await.unwrap().unwrap().len(), 10);
    let stalled = tokio::time::timeout(Duration::from_secs(60), got.body.next()).await;
    assert!(stalled.unwrap().unwrap().is_err());
    assert_eq!(get(&client, "k").await.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn sequencers_grow_when_padded_and_differ_in_length() {
    let buckets = store::Store::new(BlobStore::temporary(), None);
    let at = "2026-11-21T08:00:00Z".parse().unwrap();
    let drawn: Vec<String> = (0..200).map(|_| buckets.lock().draw_sequencer(at)).collect();
    let padded: Vec<String> = drawn.iter().map(|text| format!("{text:0<18}")).collect();
    assert!(padded.is_sorted_by(|a, b| a < b));
    assert!(drawn.iter().any(|text| text.len() == 16) && drawn.iter().any(|text| text.len() == 18));
}

#[tokio::test(start_paused = true)]
async fn versioning_is_set_and_read() {
    let frontend = frontend();
    let client = client(&frontend);
    client.create_bucket().bucket("made").send().await.unwrap();
    client.create_bucket().bucket("made").send().await.unwrap();
    assert_eq!(client.get_bucket_versioning().bucket("made").send().await.unwrap().status(), None);
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket("made").versioning_configuration(enabled).send().await.unwrap();
    let versioning = client.get_bucket_versioning().bucket("made").send().await.unwrap();
    assert_eq!(versioning.status(), Some(&BucketVersioningStatus::Enabled));
    assert_eq!(client.list_buckets().send().await.unwrap().buckets()[0].name(), Some("made"));
    client.get_bucket_location().bucket("made").send().await.unwrap();
    client.head_bucket().bucket("made").send().await.unwrap();
    assert_eq!(
        api_error(client.create_bucket().bucket("Bad_Name").send().await),
        (400, "InvalidBucketName".into())
    );
}
