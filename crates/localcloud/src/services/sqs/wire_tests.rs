//! What clients see of queues on the wire.

use std::time::Duration;

use serde_json::{Value, json};

use super::{tests::sqs, *};

async fn ok(sqs: &Sqs, operation: &str, input: Value) -> Value {
    sqs.call(operation, input).await.unwrap()
}

async fn code(sqs: &Sqs, operation: &str, input: Value) -> String {
    sqs.call(operation, input).await.unwrap_err().code
}

async fn create(sqs: &Sqs, name: &str) -> String {
    ok(sqs, "CreateQueue", json!({ "QueueName": name })).await["QueueUrl"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_digests_are_the_ones_clients_compute() {
    let sqs = sqs();
    let url = create(&sqs, "q").await;
    let sent = ok(
        &sqs,
        "SendMessage",
        json!({
            "QueueUrl": url, "MessageBody": "hello world",
            "MessageAttributes": {
                "text": { "DataType": "String", "StringValue": "v" },
                "blob": { "DataType": "Binary", "BinaryValue": "AQI=" },
            },
        }),
    )
    .await;
    assert_eq!(sent["MD5OfMessageBody"], "5eb63bbbe01eeed093cb22bb8f5acdc3");
    // By hand: each of name, type and value behind its length, in name order.
    let bytes =
        b"\0\0\0\x04blob\0\0\0\x06Binary\x02\0\0\0\x02\x01\x02\0\0\0\x04text\0\0\0\x06String\x01\0\0\0\x01v";
    assert_eq!(sent["MD5OfMessageAttributes"], hex::encode(<md5::Md5 as md5::Digest>::digest(bytes)));
    let received = ok(
        &sqs,
        "ReceiveMessage",
        json!({ "QueueUrl": url, "MessageAttributeNames": ["All"], "AttributeNames": ["SentTimestamp"] }),
    )
    .await;
    let message = &received["Messages"][0];
    assert_eq!(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(message["MessageAttributes"]["blob"]["BinaryValue"], "AQI=");
    assert_eq!(message["MessageAttributes"]["text"]["StringValue"], "v");
    assert_eq!(message["Attributes"], json!({ "SentTimestamp": "1700000000000" }));
}

#[tokio::test(start_paused = true)]
async fn attributes_are_chosen_by_name_and_prefix() {
    let sqs = sqs();
    let url = create(&sqs, "q").await;
    let text = json!({ "DataType": "String", "StringValue": "v" });
    let input = json!({ "QueueUrl": url, "MessageBody": "b",
        "MessageAttributes": { "job.id": text, "job.kind": text, "other": text } });
    for (names, expected) in [
        (json!(["job.*"]), vec!["job.id", "job.kind"]),
        (json!(["other"]), vec!["other"]),
        (json!([".*"]), vec!["job.id", "job.kind", "other"]),
        (json!([]), vec![]),
    ] {
        ok(&sqs, "SendMessage", input.clone()).await;
        let got =
            ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": url, "MessageAttributeNames": names })).await;
        let got = got["Messages"][0]["MessageAttributes"].as_object().cloned().unwrap_or_default();
        assert_eq!(got.keys().collect::<Vec<_>>(), expected);
    }
    assert_eq!(ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": url })).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_queue_url_is_good_with_any_host() {
    let sqs = sqs();
    sqs.set_endpoint("http://127.0.0.1:4566/");
    let url = create(&sqs, "q").await;
    assert_eq!(url, "http://127.0.0.1:4566/123456789012/q");
    for host in ["http://localhost:9", "https://sqs.us-east-1.amazonaws.com", "http://cloud.local/base"] {
        let url = format!("{host}/123456789012/q");
        ok(&sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "b" })).await;
    }
    let unknown = "http://cloud.local/123456789012/nothing";
    assert_eq!(code(&sqs, "PurgeQueue", json!({ "QueueUrl": unknown })).await, "QueueDoesNotExist");
    assert_eq!(code(&sqs, "PurgeQueue", json!({ "QueueUrl": "q" })).await, "InvalidAddress");
    assert_eq!(code(&sqs, "GetQueueUrl", json!({ "QueueName": "nothing" })).await, "QueueDoesNotExist");
    assert_eq!(query_error("QueueDoesNotExist"), "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(code(&sqs, "PurgeQueue", json!({})).await, "MissingParameter");
    assert_eq!(code(&sqs, "AddPermission", json!({})).await, "UnknownOperationException");
}

#[tokio::test(start_paused = true)]
async fn batch_entries_fail_alone_and_bad_ids_fail_together() {
    let sqs = sqs();
    let url = create(&sqs, "q").await;
    let batch = |entries: Value| json!({ "QueueUrl": url, "Entries": entries });
    let answer = ok(
        &sqs,
        "SendMessageBatch",
        batch(json!([
            { "Id": "good", "MessageBody": "b" },
            { "Id": "bad", "MessageBody": "\u{1}" },
            { "Id": "late", "MessageBody": "b", "DelaySeconds": 1_000 },
        ])),
    )
    .await;
    assert_eq!(answer["Successful"][0]["Id"], "good");
    assert_eq!(answer["Failed"][0]["Code"], "InvalidMessageContents");
    assert_eq!(answer["Failed"][1]["Id"], "late");
    let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
    let eleven: Vec<Value> = (0..11).map(|n| entry(&n.to_string(), "b")).collect();
    let long = "x".repeat(600_000);
    for (entries, expected) in [
        (json!([]), "EmptyBatchRequest"),
        (json!(eleven), "TooManyEntriesInBatchRequest"),
        (json!([entry("a", "b"), entry("a", "b")]), "BatchEntryIdsNotDistinct"),
        (json!([entry("a b", "b")]), "InvalidBatchEntryId"),
        (json!([entry("a", &long), entry("b", &long)]), "BatchRequestTooLong"),
    ] {
        assert_eq!(code(&sqs, "SendMessageBatch", batch(entries)).await, expected);
    }
    let got = ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 })).await;
    let receipt = got["Messages"][0]["ReceiptHandle"].clone();
    let entries = json!([
        { "Id": "1", "ReceiptHandle": receipt, "VisibilityTimeout": 0 },
        { "Id": "2", "ReceiptHandle": "?" },
    ]);
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let answer = ok(&sqs, operation, batch(entries.clone())).await;
        assert_eq!(answer["Successful"], json!([{ "Id": "1" }]));
        assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    }
}

#[tokio::test(start_paused = true)]
async fn attributes_are_shown_and_set() {
    let sqs = sqs();
    let dead = create(&sqs, "dead").await;
    let policy = json!({ "deadLetterTargetArn": Sqs::arn("dead"), "maxReceiveCount": "3" }).to_string();
    let url = ok(
        &sqs,
        "CreateQueue",
        json!({ "QueueName": "q", "Attributes": { "VisibilityTimeout": "60", "RedrivePolicy": policy } }),
    )
    .await["QueueUrl"]
        .clone();
    ok(&sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "b" })).await;
    ok(&sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "b", "DelaySeconds": 9 })).await;
    ok(&sqs, "ReceiveMessage", json!({ "QueueUrl": url })).await;
    let all = ok(&sqs, "GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await;
    assert_eq!(
        all["Attributes"],
        json!({
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesNotVisible": "1",
            "ApproximateNumberOfMessagesDelayed": "1",
            "CreatedTimestamp": "1700000000",
            "LastModifiedTimestamp": "1700000000",
            "QueueArn": "arn:aws:sqs:us-east-1:123456789012:q",
            "VisibilityTimeout": "60",
            "DelaySeconds": "0",
            "MessageRetentionPeriod": "345600",
            "ReceiveMessageWaitTimeSeconds": "0",
            "MaximumMessageSize": "1048576",
            "SqsManagedSseEnabled": "true",
            "RedrivePolicy":
                "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:123456789012:dead\",\"maxReceiveCount\":3}",
        })
    );
    let set = |attributes: Value| json!({ "QueueUrl": url, "Attributes": attributes });
    ok(&sqs, "SetQueueAttributes", set(json!({ "DelaySeconds": "5", "RedrivePolicy": "" }))).await;
    let ask = |name: &str| json!({ "QueueUrl": url, "AttributeNames": [name] });
    assert_eq!(
        ok(&sqs, "GetQueueAttributes", ask("DelaySeconds")).await,
        json!({ "Attributes": { "DelaySeconds": "5" } })
    );
    assert_eq!(ok(&sqs, "GetQueueAttributes", ask("RedrivePolicy")).await, json!({}));
    assert_eq!(code(&sqs, "GetQueueAttributes", ask("Nonsense")).await, "InvalidAttributeName");
    assert_eq!(
        code(&sqs, "SetQueueAttributes", set(json!({ "Nonsense": "1" }))).await,
        "InvalidAttributeName"
    );
    for bad in [json!({ "DelaySeconds": "-1" }), json!({ "DelaySeconds": "901" }), json!({ "Policy": "{" })] {
        assert_eq!(code(&sqs, "SetQueueAttributes", set(bad)).await, "InvalidAttributeValue");
    }
    assert_eq!(
        ok(&sqs, "ListQueues", json!({ "QueueNamePrefix": "d" })).await,
        json!({ "QueueUrls": [dead] })
    );
    let other = json!({ "QueueName": "q", "Attributes": { "VisibilityTimeout": "61" } });
    assert_eq!(code(&sqs, "CreateQueue", other).await, "QueueNameExists");
    assert_eq!(create(&sqs, "q").await, url);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_go_back_to_their_source_as_new_messages() {
    let sqs = sqs();
    let dead = create(&sqs, "dead").await;
    let source = json!({ "SourceArn": Sqs::arn("dead") });
    assert_eq!(code(&sqs, "StartMessageMoveTask", source.clone()).await, "InvalidParameterValue");
    let redrive = Some(Redrive { dead_letter_arn: Sqs::arn("dead"), max_receive_count: 1 });
    let arn = sqs.create_queue(QueueSettings { redrive, ..QueueSettings::named("q") }).unwrap();
    let id = sqs.send(&arn, "poison", Attributes::new(), None).unwrap();
    for _ in 0..2 {
        sqs.receive(&arn, 1, None, Some(Duration::ZERO)).await.unwrap();
    }
    assert_eq!(sqs.counts(&Sqs::arn("dead")).unwrap().visible, 1);
    ok(&sqs, "StartMessageMoveTask", source.clone()).await;
    assert_eq!(sqs.counts(&Sqs::arn("dead")).unwrap().visible, 0);
    let back = sqs.receive(&arn, 1, None, None).await.unwrap().remove(0);
    assert_ne!(back.message_id, id);
    assert_eq!(back.system["ApproximateReceiveCount"], "1");
    assert_eq!(back.system.get("DeadLetterQueueSourceArn"), None);
    // Sent there directly, a message has nowhere to go back to.
    ok(&sqs, "SendMessage", json!({ "QueueUrl": dead, "MessageBody": "b" })).await;
    ok(&sqs, "StartMessageMoveTask", source.clone()).await;
    let tasks =
        ok(&sqs, "ListMessageMoveTasks", json!({ "SourceArn": Sqs::arn("dead"), "MaxResults": 2 })).await;
    assert_eq!(tasks["Results"][0]["FailureReason"], "CouldNotDetermineMessageSource");
    assert_eq!(tasks["Results"][1]["Status"], "COMPLETED");
    assert_eq!(tasks["Results"][1]["ApproximateNumberOfMessagesMoved"], 1);
    let urls = ok(&sqs, "ListDeadLetterSourceQueues", json!({ "QueueUrl": dead })).await;
    assert_eq!(urls["queueUrls"], json!([sqs.url("q")]));
}

#[tokio::test(start_paused = true)]
async fn numbers_out_of_range_are_refused() {
    let sqs = sqs();
    let url = create(&sqs, "q").await;
    for (operation, name, bad) in [
        ("ReceiveMessage", "MaxNumberOfMessages", [0, 11, -1]),
        ("ReceiveMessage", "WaitTimeSeconds", [-1, 21, i64::MAX]),
        ("ReceiveMessage", "VisibilityTimeout", [-1, 43_201, i64::MAX]),
        ("SendMessage", "DelaySeconds", [-1, 901, i64::MAX]),
    ] {
        for number in bad {
            let input = json!({ "QueueUrl": url, "MessageBody": "b", name: number });
            assert_eq!(code(&sqs, operation, input).await, "InvalidParameterValue", "{name} {number}");
        }
    }
    let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": "ten" });
    assert_eq!(code(&sqs, "ReceiveMessage", input).await, "SerializationException");
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_purged_once_a_minute() {
    let sqs = sqs();
    let url = create(&sqs, "q").await;
    ok(&sqs, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "b" })).await;
    ok(&sqs, "PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(sqs.counts(&Sqs::arn("q")).unwrap(), Counts::default());
    assert_eq!(code(&sqs, "PurgeQueue", json!({ "QueueUrl": url })).await, "PurgeQueueInProgress");
    tokio::time::sleep(Duration::from_secs(60)).await;
    ok(&sqs, "PurgeQueue", json!({ "QueueUrl": url })).await;
}
