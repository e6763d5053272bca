//! What queues do with messages, seen by the services of this cloud.

use std::time::Duration;

use clock::Clock;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::*;

const EPOCH: i64 = 1_700_000_000;

pub(super) fn sqs() -> Sqs {
    Sqs::new(Clock::starting_at(Timestamp::from_second(EPOCH).unwrap()))
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn with_queue(sqs: &Sqs, change: impl FnOnce(&mut QueueSettings)) -> String {
    let mut settings = QueueSettings::named("jobs");
    change(&mut settings);
    sqs.create_queue(settings).unwrap()
}

fn put(sqs: &Sqs, arn: &str, body: &str) -> MessageId {
    sqs.send(arn, body, Attributes::new(), None).unwrap()
}

async fn get(sqs: &Sqs, arn: &str) -> Vec<Received> {
    sqs.receive(arn, 10, Some(Duration::ZERO), None).await.unwrap()
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(|message| message.body.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_received_message_is_invisible_until_its_visibility_ends() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    put(&sqs, &arn, "a");
    let first = get(&sqs, &arn).await;
    assert_eq!(bodies(&first), ["a"]);
    assert!(get(&sqs, &arn).await.is_empty());
    sleep(secs(30)).await;
    let second = get(&sqs, &arn).await;
    assert_eq!(second[0].message_id, first[0].message_id);
    assert_ne!(second[0].receipt, first[0].receipt);
    assert_eq!(second[0].system["ApproximateReceiveCount"], "2");
    assert_eq!(second[0].system["SentTimestamp"], (EPOCH * 1_000).to_string());
    assert_eq!(second[0].system["ApproximateFirstReceiveTimestamp"], (EPOCH * 1_000).to_string());
}

#[tokio::test(start_paused = true)]
async fn messages_come_oldest_first_at_most_ten_at_a_time() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    for n in 0..12 {
        put(&sqs, &arn, &n.to_string());
    }
    assert_eq!(bodies(&get(&sqs, &arn).await), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(bodies(&get(&sqs, &arn).await), ["10", "11"]);
    let error = sqs.receive(&arn, 11, None, None).await.unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn a_delete_with_a_stale_receipt_succeeds_and_deletes_nothing() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    put(&sqs, &arn, "a");
    let stale = get(&sqs, &arn).await.remove(0).receipt;
    sleep(secs(31)).await;
    let fresh = get(&sqs, &arn).await.remove(0).receipt;
    sqs.delete(&arn, &stale).unwrap();
    assert_eq!(sqs.counts(&arn).unwrap().in_flight, 1);
    sqs.delete(&arn, &fresh).unwrap();
    sqs.delete(&arn, &fresh).unwrap();
    assert_eq!(sqs.counts(&arn).unwrap(), Counts::default());
    assert_eq!(sqs.delete(&arn, "nonsense").unwrap_err().code, "ReceiptHandleIsInvalid");
}

#[tokio::test(start_paused = true)]
async fn the_latest_receipt_deletes_even_after_the_visibility_ended() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    put(&sqs, &arn, "a");
    let receipt = get(&sqs, &arn).await.remove(0).receipt;
    sleep(secs(40)).await;
    sqs.delete(&arn, &receipt).unwrap();
    assert!(get(&sqs, &arn).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn visibility_can_be_changed_only_in_flight_and_up_to_twelve_hours() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    put(&sqs, &arn, "a");
    let receipt = get(&sqs, &arn).await.remove(0).receipt;
    sqs.change_visibility(&arn, &receipt, secs(3_600)).unwrap();
    sleep(secs(3_599)).await;
    assert!(get(&sqs, &arn).await.is_empty());
    let beyond = sqs.change_visibility(&arn, &receipt, secs(12 * 3_600)).unwrap_err();
    assert!(beyond.message.contains("beyond the limit"), "{beyond}");
    sqs.change_visibility(&arn, &receipt, Duration::ZERO).unwrap();
    assert_eq!(sqs.change_visibility(&arn, &receipt, secs(9)).unwrap_err().code, "MessageNotInflight");
    let again = get(&sqs, &arn).await;
    assert_eq!(bodies(&again), ["a"]);
    assert_eq!(sqs.change_visibility(&arn, &receipt, secs(9)).unwrap_err().code, "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn listing_a_queue_shows_every_message_and_removes_none() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    put(&sqs, &arn, "a");
    put(&sqs, &arn, "b");
    sqs.receive(&arn, 1, Some(Duration::ZERO), None).await.unwrap();
    assert_eq!(bodies(&sqs.peek(&arn).unwrap()), ["a", "b"]);
    assert_eq!(bodies(&get(&sqs, &arn).await), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_counts_as_delayed_until_it_is_due() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |queue| queue.delay = secs(5));
    put(&sqs, &arn, "the queue's delay");
    sqs.send(&arn, "its own", Attributes::new(), Some(secs(60))).unwrap();
    assert_eq!(sqs.counts(&arn).unwrap(), Counts { delayed: 2, ..Counts::default() });
    sleep(secs(5)).await;
    assert_eq!(bodies(&get(&sqs, &arn).await), ["the queue's delay"]);
    let counts = sqs.counts(&arn).unwrap();
    assert_eq!((counts.delayed, counts.in_flight, counts.oldest_age), (1, 1, secs(5)));
    let error = sqs.send(&arn, "late", Attributes::new(), Some(secs(901))).unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_message_or_with_the_time() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    let start = Instant::now();
    assert!(sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap().is_empty());
    assert_eq!(start.elapsed().as_secs(), 20);
    let sender = sqs.clone();
    let to = arn.clone();
    tokio::spawn(async move {
        sleep(secs(3)).await;
        put(&sender, &to, "at last");
    });
    assert_eq!(bodies(&sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap()), ["at last"]);
    assert_eq!(start.elapsed().as_secs(), 23);
    // It also sees what becomes visible again while it waits.
    assert_eq!(bodies(&sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap()), Vec::<&str>::new());
    assert_eq!(bodies(&sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap()), ["at last"]);
    assert_eq!(start.elapsed().as_secs(), 53);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_learns_that_its_queue_is_gone() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    let url = sqs.url("jobs");
    let deleter = sqs.clone();
    tokio::spawn(async move {
        sleep(secs(3)).await;
        deleter.call("DeleteQueue", serde_json::json!({ "QueueUrl": url })).await.unwrap();
    });
    let error = sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap_err();
    assert_eq!(error.code, "QueueDoesNotExist");
}

#[tokio::test(start_paused = true)]
async fn available_resolves_when_a_message_becomes_visible() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    let start = Instant::now();
    sqs.send(&arn, "a", Attributes::new(), Some(secs(7))).unwrap();
    sqs.available(&arn).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(get(&sqs, &arn).await.len(), 1);
    sqs.available(&arn).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 37);
    assert!(sqs.available("arn:aws:sqs:us-east-1:123456789012:nothing").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue_with_its_age() {
    let sqs = sqs();
    let dead =
        sqs.create_queue(QueueSettings { retention: secs(600), ..QueueSettings::named("dead") }).unwrap();
    let arn = with_queue(&sqs, |queue| {
        queue.redrive = Some(Redrive { dead_letter_arn: dead.clone(), max_receive_count: 2 });
    });
    let id = put(&sqs, &arn, "poison");
    for _ in 0..2 {
        assert_eq!(get(&sqs, &arn).await.len(), 1);
        assert!(get(&sqs, &dead).await.is_empty());
        sleep(secs(30)).await;
    }
    assert!(get(&sqs, &arn).await.is_empty());
    let letter = get(&sqs, &dead).await.remove(0);
    assert_eq!(letter.message_id, id);
    assert_eq!(letter.system["DeadLetterQueueSourceArn"], arn);
    assert_eq!(letter.system["ApproximateReceiveCount"], "3");
    assert_eq!(letter.system["SentTimestamp"], (EPOCH * 1_000).to_string());
    // Retention counts from the first enqueue: 60 of the 600 seconds are spent.
    sleep(secs(539)).await;
    assert_eq!(sqs.counts(&dead).unwrap().visible, 1);
    sleep(secs(1)).await;
    assert_eq!(sqs.counts(&dead).unwrap(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn too_many_in_flight_is_over_limit_for_a_short_poll_only() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |queue| queue.visibility_timeout = secs(100));
    for _ in 0..120_001 {
        put(&sqs, &arn, "x");
    }
    for _ in 0..12_000 {
        assert_eq!(get(&sqs, &arn).await.len(), 10);
    }
    let error = sqs.receive(&arn, 1, Some(Duration::ZERO), None).await.unwrap_err();
    assert_eq!(error.code, "OverLimit");
    assert!(sqs.receive(&arn, 1, Some(secs(5)), None).await.unwrap().is_empty());
    assert_eq!(sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap().len(), 0);
    sleep(secs(70)).await;
    assert_eq!(sqs.receive(&arn, 1, Some(secs(20)), None).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_message_may_not_contain_is_refused() {
    let sqs = sqs();
    let arn = with_queue(&sqs, |queue| queue.max_message_bytes = 1_024);
    let code = |body: &str, attributes| sqs.send(&arn, body, attributes, None).unwrap_err().code;
    assert_eq!(code("", Attributes::new()), "MissingParameter");
    assert_eq!(code("bell \u{7}", Attributes::new()), "InvalidMessageContents");
    assert_eq!(code("\u{ffff}", Attributes::new()), "InvalidMessageContents");
    assert_eq!(code(&"x".repeat(1_025), Attributes::new()), "InvalidParameterValue");
    let named = |name: &str| Attributes::from([(name.to_owned(), Attribute::text("v"))]);
    for name in ["", "AWS.x", "amazon.x", ".x", "x.", "a..b", "a b"] {
        assert_eq!(code("body", named(name)), "InvalidParameterValue", "{name:?}");
    }
    let number = Attribute { data_type: "Number".into(), ..Attribute::text("twelve") };
    assert_eq!(code("body", Attributes::from([("n".to_owned(), number)])), "InvalidParameterValue");
    // Attributes count against the size.
    assert_eq!(code(&"x".repeat(1_017), named("a")), "InvalidParameterValue");
    sqs.send(&arn, &"x".repeat(1_016), named("a"), None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_range_are_refused_and_a_repeat_must_be_the_same() {
    let sqs = sqs();
    let code = |change: fn(&mut QueueSettings)| {
        let mut settings = QueueSettings::named("q");
        change(&mut settings);
        sqs.create_queue(settings).unwrap_err().code
    };
    assert_eq!(code(|q| q.name = "a b".into()), "InvalidParameterValue");
    assert_eq!(code(|q| q.visibility_timeout = secs(43_201)), "InvalidAttributeValue");
    assert_eq!(code(|q| q.delay = secs(901)), "InvalidAttributeValue");
    assert_eq!(code(|q| q.retention = secs(59)), "InvalidAttributeValue");
    assert_eq!(code(|q| q.receive_wait = secs(21)), "InvalidAttributeValue");
    assert_eq!(code(|q| q.max_message_bytes = 1_023), "InvalidAttributeValue");
    let redrive = |q: &mut QueueSettings| {
        q.redrive = Some(Redrive { dead_letter_arn: Sqs::arn("no"), max_receive_count: 1 })
    };
    assert_eq!(code(redrive), "InvalidParameterValue");
    sqs.create_queue(QueueSettings::named("q")).unwrap();
    sqs.create_queue(QueueSettings::named("q")).unwrap();
    assert_eq!(code(|q| q.delay = secs(1)), "QueueNameExists");
}

#[tokio::test(start_paused = true)]
async fn mischief_duplicates_returns_and_reorders() {
    fastrand::seed(7);
    let sqs = sqs();
    let arn = with_queue(&sqs, |_| ());
    sqs.set_delivery_faults(Delivery { duplicate: 1.0, ..Delivery::default() });
    let id = put(&sqs, &arn, "twice");
    assert_eq!(get(&sqs, &arn).await.len(), 1);
    sqs.set_delivery_faults(Delivery { return_after_delete: 1.0, ..Delivery::default() });
    let again = get(&sqs, &arn).await.remove(0);
    assert_eq!(again.message_id, id);
    sqs.delete(&arn, &again.receipt).unwrap();
    sqs.set_delivery_faults(Delivery { reorder: true, ..Delivery::default() });
    let returned = get(&sqs, &arn).await.remove(0);
    assert_eq!(returned.message_id, id);
    let sent: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    for body in &sent {
        put(&sqs, &arn, body);
    }
    let got = get(&sqs, &arn).await;
    let mut sorted: Vec<_> = bodies(&got);
    assert_ne!(sorted, sent);
    sorted.sort_unstable();
    assert_eq!(sorted, sent);
}
