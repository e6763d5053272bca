//! From a queue to a function.

use super::*;
use crate::services::sqs::{QueueSettings, Redrive};

fn queue(sqs: &Sqs) -> String {
    let dead_letter_arn = sqs.create_queue(QueueSettings::named("dead")).unwrap();
    let redrive = Some(Redrive { dead_letter_arn, max_receive_count: 2 });
    let visibility_timeout = Duration::from_secs(180);
    sqs.create_queue(QueueSettings { redrive, visibility_timeout, ..QueueSettings::named("uploads") })
        .unwrap()
}

fn source(queue_arn: &str) -> EventSource {
    EventSource {
        queue_arn: queue_arn.to_owned(),
        function: "uploads".to_owned(),
        batch_size: 10,
        window: Duration::ZERO,
        maximum_concurrency: 2,
        report_batch_item_failures: true,
    }
}

/// A function that tells of every event, and fails the messages whose body is `bad`.
fn telling(lambda: &Lambda) -> mpsc::UnboundedReceiver<Value> {
    let (sender, events) = mpsc::unbounded_channel();
    let function = direct(move |invocation: Invocation| {
        sender.send(invocation.payload.clone()).unwrap();
        async move {
            let records = invocation.payload["Records"].as_array().cloned().unwrap_or_default();
            let failed: Vec<Value> = records
                .iter()
                .filter(|record| record["body"] == "bad")
                .map(|record| json!({ "itemIdentifier": record["messageId"] }))
                .collect();
            Ok(json!({ "batchItemFailures": failed }))
        }
    });
    lambda.create_function(settings(function)).unwrap();
    events
}

fn send(sqs: &Sqs, queue: &str, body: &str) {
    sqs.send(queue, body, [].into(), None).unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_in_the_documented_event_and_the_good_ones_are_deleted() {
    let (lambda, sqs, _) = lambda();
    let queue = queue(&sqs);
    let mut events = telling(&lambda);
    send(&sqs, &queue, "good");
    send(&sqs, &queue, "bad");
    lambda.create_event_source(source(&queue)).unwrap();
    let event = events.recv().await.unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["body"], "good");
    assert_eq!(record["md5OfBody"], "755f85c2723bb39381c7379a604160d8");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], queue.as_str());
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(event["Records"].as_array().unwrap().len(), 2);
    // The bad one alone returns, when its visibility timeout has passed.
    let again = events.recv().await.unwrap();
    assert_eq!(again["Records"].as_array().unwrap().len(), 1);
    assert_eq!(again["Records"][0]["attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(lambda.inner.clock.now().to_string(), "2026-08-01T00:03:00Z");
    // After its second receive it is dead.
    tokio::time::sleep(Duration::from_secs(181)).await;
    assert!(events.try_recv().is_err());
    assert_eq!(sqs.counts("arn:aws:sqs:us-east-1:123456789012:dead").unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn at_most_the_maximum_concurrency_runs_at_once() {
    let (lambda, sqs, _) = lambda();
    let queue = queue(&sqs);
    let running = Arc::new(Mutex::new((0, 0)));
    let seen = running.clone();
    let function = direct(move |_| {
        let running = running.clone();
        async move {
            {
                let mut counts = running.lock().unwrap();
                counts.0 += 1;
                counts.1 = counts.1.max(counts.0);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            running.lock().unwrap().0 -= 1;
            Ok(Value::Null)
        }
    });
    lambda.create_function(settings(function)).unwrap();
    for n in 0..60 {
        send(&sqs, &queue, &n.to_string());
    }
    lambda.create_event_source(source(&queue)).unwrap();
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(sqs.counts(&queue).unwrap().visible, 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(sqs.counts(&queue).unwrap().in_flight, 0, "60 messages, 10 a batch, 2 at once, 5 s each");
    assert_eq!(seen.lock().unwrap().1, 2);
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_a_larger_batch() {
    let (lambda, sqs, _) = lambda();
    let queue = queue(&sqs);
    let mut events = telling(&lambda);
    let window = Duration::from_secs(5);
    lambda.create_event_source(EventSource { batch_size: 25, window, ..source(&queue) }).unwrap();
    for n in 0..30 {
        send(&sqs, &queue, &n.to_string());
    }
    assert_eq!(events.recv().await.unwrap()["Records"].as_array().unwrap().len(), 25);
    assert_eq!(lambda.inner.clock.now().to_string(), "2026-08-01T00:00:00Z");
    assert_eq!(events.recv().await.unwrap()["Records"].as_array().unwrap().len(), 5);
    assert_eq!(lambda.inner.clock.now().to_string(), "2026-08-01T00:00:05Z");
}

#[tokio::test(start_paused = true)]
async fn draining_takes_no_more_and_finishes_what_is_held() {
    let (lambda, sqs, _) = lambda();
    let queue = queue(&sqs);
    let function = direct(|_| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok(Value::Null)
    });
    lambda.create_function(settings(function)).unwrap();
    lambda.create_event_source(source(&queue)).unwrap();
    send(&sqs, &queue, "held");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let draining = tokio::spawn({
        let lambda = lambda.clone();
        async move { lambda.drain().await }
    });
    tokio::task::yield_now().await;
    send(&sqs, &queue, "too late");
    draining.await.unwrap();
    assert_eq!(lambda.inner.clock.now().to_string(), "2026-08-01T00:00:20Z");
    let counts = sqs.counts(&queue).unwrap();
    assert_eq!((counts.visible, counts.in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn mappings_lambda_would_refuse_are_refused() {
    let (lambda, sqs, _) = lambda();
    let queue = queue(&sqs);
    let _events = telling(&lambda);
    let good = source(&queue);
    let code = |source: EventSource| lambda.create_event_source(source).unwrap_err().code;
    assert_eq!(code(EventSource { batch_size: 11, ..good.clone() }), "InvalidParameterValueException");
    assert_eq!(code(EventSource { batch_size: 0, ..good.clone() }), "InvalidParameterValueException");
    assert_eq!(
        code(EventSource { maximum_concurrency: 1, ..good.clone() }),
        "InvalidParameterValueException"
    );
    assert_eq!(code(EventSource { function: "x".into(), ..good.clone() }), "ResourceNotFoundException");
    assert_eq!(code(EventSource { queue_arn: Sqs::arn("x"), ..good }), "QueueDoesNotExist");
}
