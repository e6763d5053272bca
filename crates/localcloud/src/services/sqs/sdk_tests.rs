//! Queues by way of the frontend and the real SDK, in process, on virtual time.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
        MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
        QueueAttributeName, SendMessageBatchRequestEntry,
    },
};
use tokio::time::{Instant, sleep};

use super::QueueSettings;
use crate::{
    connector::sdk_config,
    frontend::{Frontend, tests::frontend},
    wire::OWNER_KEY,
};

fn setup() -> (Frontend, Client, String) {
    let frontend = frontend();
    frontend.services().sqs.create_queue(QueueSettings::named("jobs")).unwrap();
    let client = Client::new(&sdk_config(&frontend, frontend.clock(), OWNER_KEY));
    let url = frontend.services().sqs.url("jobs");
    (frontend, client, url)
}

/// Visible, in flight and delayed, as a client sees them.
async fn counts(client: &Client, url: &str) -> [usize; 3] {
    use QueueAttributeName::*;

    let names = [
        ApproximateNumberOfMessages,
        ApproximateNumberOfMessagesNotVisible,
        ApproximateNumberOfMessagesDelayed,
    ];
    let ask = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer = ask.send().await.unwrap().attributes.unwrap();
    names.map(|name| answer[&name].parse().unwrap())
}

async fn receive(client: &Client, url: &str, wait_s: i32) -> Vec<Message> {
    let receive = client.receive_message().queue_url(url).max_number_of_messages(10);
    receive.wait_time_seconds(wait_s).send().await.unwrap().messages.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn batches_are_sent_received_kept_and_deleted() {
    let (_frontend, client, url) = setup();
    let entry = |id: usize| {
        let trace = MessageSystemAttributeValue::builder().data_type("String").string_value("Root=1-2-3");
        let header = MessageSystemAttributeNameForSends::AwsTraceHeader;
        let entry =
            SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(format!("job {id}"));
        let entry = entry.message_system_attributes(header, trace.build().unwrap());
        entry.delay_seconds(if id == 9 { 60 } else { 0 }).build().unwrap()
    };
    let send = client.send_message_batch().queue_url(&url).set_entries(Some((0..10).map(entry).collect()));
    let sent = send.send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (10, 0));
    assert_eq!(counts(&client, &url).await, [9, 0, 1]);

    let names = [
        MessageSystemAttributeName::SentTimestamp,
        MessageSystemAttributeName::ApproximateReceiveCount,
        MessageSystemAttributeName::AwsTraceHeader,
    ];
    let receive = client.receive_message().queue_url(&url).max_number_of_messages(10);
    let receive = receive.set_message_system_attribute_names(Some(names.to_vec()));
    let messages = receive.send().await.unwrap().messages.unwrap();
    assert_eq!(messages.len(), 9);
    for message in &messages {
        let system = names.clone().map(|name| message.attributes.as_ref().unwrap()[&name].as_str());
        assert_eq!(system, ["1795248000000", "1", "Root=1-2-3"]);
    }

    let keep = |(id, message): (usize, &Message)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string());
        let entry = entry.receipt_handle(message.receipt_handle().unwrap());
        entry.visibility_timeout(if id == 0 { 0 } else { 300 }).build().unwrap()
    };
    let keep = messages.iter().enumerate().map(keep).collect();
    let kept = client.change_message_visibility_batch().queue_url(&url).set_entries(Some(keep));
    assert_eq!(kept.send().await.unwrap().successful().len(), 9);
    assert_eq!(counts(&client, &url).await, [1, 8, 1]);
    sleep(Duration::from_secs(299)).await;
    assert_eq!(counts(&client, &url).await, [2, 8, 0]);

    let gone = |(id, message): (usize, &Message)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
        // One receipt is not of this queue: it alone fails.
        let receipt = if id == 1 { "nonsense" } else { message.receipt_handle().unwrap() };
        entry.receipt_handle(receipt).build().unwrap()
    };
    let gone = messages.iter().enumerate().map(gone).collect();
    let answer = client.delete_message_batch().queue_url(&url).set_entries(Some(gone)).send().await.unwrap();
    assert_eq!((answer.successful().len(), answer.failed()[0].id()), (8, "1"));
    assert_eq!(counts(&client, &url).await, [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_the_moment_a_message_arrives() {
    let (_frontend, client, url) = setup();
    let begun = Instant::now();
    assert!(receive(&client, &url, 20).await.is_empty());
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
    let (sender, to) = (client.clone(), url.clone());
    tokio::spawn(async move {
        sleep(Duration::from_millis(7_300)).await;
        sender.send_message().queue_url(to).message_body("job").send().await.unwrap();
    });
    assert_eq!(receive(&client, &url, 20).await.len(), 1);
    assert_eq!(begun.elapsed(), Duration::from_millis(27_300));
}

#[tokio::test(start_paused = true)]
async fn of_many_pollers_each_message_is_given_to_one() {
    let (_frontend, client, url) = setup();
    let polls: Vec<_> = (0..40)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let begun = Instant::now();
                (receive(&client, &url, 20).await, begun.elapsed())
            })
        })
        .collect();
    for n in 0..15 {
        sleep(Duration::from_millis(500)).await;
        client.send_message().queue_url(&url).message_body(n.to_string()).send().await.unwrap();
    }
    let (mut bodies, mut empty) = (Vec::new(), 0);
    for poll in polls {
        let (messages, waited) = poll.await.unwrap();
        match messages.as_slice() {
            [] => {
                empty += 1;
                assert_eq!(waited, Duration::from_secs(20));
            }
            [message] => {
                let n: u64 = message.body().unwrap().parse().unwrap();
                assert_eq!(waited, Duration::from_millis(500 * (n + 1)));
                bodies.push(n);
            }
            more => panic!("one message came at a time, and {} were received", more.len()),
        }
    }
    bodies.sort_unstable();
    assert_eq!((bodies, empty), ((0..15).collect(), 25));
}

#[tokio::test(start_paused = true)]
async fn counts_are_told_as_late_as_asked_for() {
    let (frontend, client, url) = setup();
    let sqs = &frontend.services().sqs;
    let send = || client.send_message().queue_url(&url).message_body("job").send();
    sleep(Duration::from_secs(100)).await;
    send().await.unwrap();
    sqs.set_counts_delay(Duration::from_secs(60));
    sleep(Duration::from_secs(1)).await;
    send().await.unwrap();
    // Earlier counts are not known any more: the answer is the counts at the beginning of the delay.
    assert_eq!(counts(&client, &url).await, [1, 0, 0]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(receive(&client, &url, 0).await.len(), 2);
    // Visible again at 40 s, by time alone, which nobody looks at.
    sleep(Duration::from_secs(50)).await;
    assert_eq!(counts(&client, &url).await, [2, 0, 0]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(counts(&client, &url).await, [0, 2, 0]);
    sleep(Duration::from_secs(29)).await;
    assert_eq!(counts(&client, &url).await, [0, 2, 0]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(counts(&client, &url).await, [2, 0, 0]);
    // A receive and the services see the queue as it is.
    let messages = receive(&client, &url, 0).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(sqs.counts(&super::Sqs::arn("jobs")).unwrap().in_flight, 2);
    assert_eq!(counts(&client, &url).await, [2, 0, 0]);
    sqs.set_counts_delay(Duration::ZERO);
    assert_eq!(counts(&client, &url).await, [0, 2, 0]);
    // A queue made meanwhile held nothing a minute ago.
    sqs.set_counts_delay(Duration::from_secs(60));
    let new = client.create_queue().queue_name("new").send().await.unwrap().queue_url.unwrap();
    client.send_message().queue_url(&new).message_body("job").send().await.unwrap();
    sleep(Duration::from_secs(59)).await;
    assert_eq!(counts(&client, &new).await, [0, 0, 0]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(counts(&client, &new).await, [1, 0, 0]);
}
