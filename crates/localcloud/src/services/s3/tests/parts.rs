//! Uploads in parts.

use aws_sdk_s3::{
    Client,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};

use super::{api_error, bucket, get};

const MIB: usize = 1024 * 1024;

async fn begin(client: &Client, algorithm: Option<ChecksumAlgorithm>) -> String {
    let begun = client.create_multipart_upload().bucket("bucket").key("k").set_checksum_algorithm(algorithm);
    begun.send().await.unwrap().upload_id.unwrap()
}

async fn part(client: &Client, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    part_with(client, id, None, number, body).await
}

async fn part_with(
    client: &Client,
    id: &str,
    algorithm: Option<ChecksumAlgorithm>,
    number: i32,
    body: Vec<u8>,
) -> CompletedPart {
    let put = client.upload_part().bucket("bucket").key("k").upload_id(id).part_number(number);
    let put = put.set_checksum_algorithm(algorithm);
    let answer = put.body(body.into()).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build()
}

fn complete(
    client: &Client,
    id: &str,
    parts: &[CompletedPart],
) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
    let list = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    client.complete_multipart_upload().bucket("bucket").key("k").upload_id(id).multipart_upload(list)
}

#[tokio::test(start_paused = true)]
async fn parts_become_one_object() {
    let (frontend, client) = bucket(true).await;
    let id = begin(&client, None).await;
    let first = part(&client, &id, 2, vec![1; 5 * MIB]).await;
    let second = part(&client, &id, 5, vec![2; 10]).await;
    let listed =
        client.list_parts().bucket("bucket").key("k").upload_id(&id).max_parts(1).send().await.unwrap();
    assert_eq!((listed.parts().len(), listed.is_truncated()), (1, Some(true)));
    let done = complete(&client, &id, &[first, second]).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    assert_eq!(done.version_id().map(str::len), Some(32));
    let body = get(&client, "k").await;
    assert_eq!((body.len(), body[5 * MIB - 1], body[5 * MIB]), (5 * MIB + 10, 1, 2));
    let again = client.abort_multipart_upload().bucket("bucket").key("k").upload_id(&id).send().await;
    assert_eq!(api_error(again), (404, "NoSuchUpload".into()));
    assert_eq!(frontend.services().s3.store.files().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn checksums_of_parts_are_checked_by_the_reader() {
    let (_frontend, client) = bucket(false).await;
    for algorithm in [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Sha256] {
        let id = begin(&client, Some(algorithm.clone())).await;
        let only = part_with(&client, &id, Some(algorithm), 1, vec![3; 100]).await;
        complete(&client, &id, &[only]).send().await.unwrap();
        assert_eq!(get(&client, "k").await, vec![3; 100]);
    }
}

#[tokio::test(start_paused = true)]
async fn bad_lists_of_parts_are_refused() {
    let (_frontend, client) = bucket(false).await;
    let id = begin(&client, None).await;
    let first = part(&client, &id, 1, vec![1; 10]).await;
    let second = part(&client, &id, 2, vec![1; 10]).await;
    let wrong = CompletedPart::builder().part_number(1).e_tag("\"0\"").build();
    for (parts, code) in [
        (vec![second.clone(), first.clone()], "InvalidPartOrder"),
        (vec![first, second], "EntityTooSmall"),
        (vec![wrong], "InvalidPart"),
    ] {
        assert_eq!(api_error(complete(&client, &id, &parts).send().await), (400, code.into()));
    }
    client.abort_multipart_upload().bucket("bucket").key("k").upload_id(&id).send().await.unwrap();
    let put = client.upload_part().bucket("bucket").key("k").upload_id(&id).part_number(1).send().await;
    assert_eq!(api_error(put), (404, "NoSuchUpload".into()));
}

#[tokio::test(start_paused = true)]
async fn checksums_of_parts_are_of_the_kind_that_the_upload_was_begun_with() {
    let (_frontend, client) = bucket(false).await;
    let put = |id: &str| client.upload_part().bucket("bucket").key("k").upload_id(id).part_number(1);
    let named = |etag: Option<String>, crc32: Option<String>| {
        [CompletedPart::builder().part_number(1).set_e_tag(etag).set_checksum_crc32(crc32).build()]
    };
    // Without being asked, the SDK sends a CRC32.
    let id = begin(&client, Some(ChecksumAlgorithm::Sha256)).await;
    let refused = put(&id).body(vec![3; 100].into()).send().await;
    assert_eq!(api_error(refused), (400, "InvalidRequest".into()));
    let id = begin(&client, None).await;
    let answer = put(&id).body(vec![3; 100].into()).send().await.unwrap();
    let refused = complete(&client, &id, &named(answer.e_tag, answer.checksum_crc32)).send().await;
    assert_eq!(api_error(refused), (400, "InvalidPart".into()));
    let id = begin(&client, Some(ChecksumAlgorithm::Crc32)).await;
    let answer = put(&id).body(vec![3; 100].into()).send().await.unwrap();
    complete(&client, &id, &named(answer.e_tag, answer.checksum_crc32)).send().await.unwrap();
}
