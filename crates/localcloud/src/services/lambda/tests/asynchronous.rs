//! Asynchronous invocations: retried, sent to dead-letter queues and destinations, and dropped.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use super::*;
use crate::services::sqs::{AttributeValue, QueueSettings, Received};

type Calls = Arc<Mutex<Vec<(u64, String)>>>;

/// A function that fails this often and then succeeds, and the seconds and ids of its invocations.
fn failing(times: u32) -> (FunctionHost, Calls) {
    let (calls, left, begun) = (Calls::default(), AtomicU32::new(times), Instant::now());
    let seen = calls.clone();
    let host = direct(move |invocation| {
        seen.lock().unwrap().push((begun.elapsed().as_secs(), invocation.request_id));
        let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        async move { if fails { Err(FunctionError::new("Broken", "it broke")) } else { Ok(json!("fine")) } }
    });
    (host, calls)
}

fn queue(sqs: &Sqs, name: &str) -> String {
    sqs.create_queue(QueueSettings::named(name)).unwrap()
}

fn only(sqs: &Sqs, queue: &str) -> Received {
    let mut held = sqs.peek(queue).unwrap();
    assert_eq!(held.len(), 1, "{held:?}");
    held.remove(0)
}

fn record(sqs: &Sqs, queue: &str) -> Value {
    serde_json::from_str(&only(sqs, queue).body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_is_tried_after_one_and_two_minutes_and_then_a_dead_letter() {
    let (lambda, sqs, _) = lambda();
    let dead = queue(&sqs, "dead");
    let (host, calls) = failing(u32::MAX);
    lambda
        .create_function(FunctionSettings { dead_letter_arn: Some(dead.clone()), ..settings(host) })
        .unwrap();
    let id = lambda.invoke_async("uploads", json!({ "n": 1 })).unwrap();
    assert_eq!(lambda.in_flight(), 1);
    lambda.idle().await;
    let expected: Vec<(u64, String)> = [0, 60, 180].map(|at| (at, id.clone())).into();
    assert_eq!(*calls.lock().unwrap(), expected);
    let letter = only(&sqs, &dead);
    assert_eq!(letter.body, "{\"n\":1}");
    let shown: Vec<(&str, &str, &AttributeValue)> = letter
        .attributes
        .iter()
        .map(|(name, it)| (name.as_str(), it.data_type.as_str(), &it.value))
        .collect();
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    assert_eq!(
        shown,
        [
            ("ErrorCode", "Number", &text("200")),
            ("ErrorMessage", "String", &text("it broke")),
            ("RequestID", "String", &text(&id)),
        ]
    );
    assert_eq!(lambda.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn destinations_hear_how_it_ended() {
    let (lambda, sqs, _) = lambda();
    let (good, bad) = (queue(&sqs, "good"), queue(&sqs, "bad"));
    let (host, _) = failing(3);
    let arn = lambda.create_function(settings(host)).unwrap();
    let config = EventInvokeConfig {
        max_retries: 1,
        on_success: Some(good.clone()),
        on_failure: Some(bad.clone()),
        ..EventInvokeConfig::default()
    };
    lambda.put_event_invoke_config(&arn, config).unwrap();
    let id = lambda.invoke_async(&arn, json!([1])).unwrap();
    lambda.idle().await;
    assert_eq!(
        record(&sqs, &bad),
        json!({
            "version": "1.0",
            "timestamp": "2026-08-01T00:01:00.000Z",
            "requestContext": {
                "requestId": id,
                "functionArn": format!("{arn}:$LATEST"),
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 2,
            },
            "requestPayload": [1],
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
            },
            "responsePayload": { "errorMessage": "it broke", "errorType": "Broken" },
        })
    );
    // The function fails once more, and then no more.
    lambda.invoke_async("uploads", json!([2])).unwrap();
    lambda.idle().await;
    let sent = record(&sqs, &good);
    assert_eq!(sent["requestContext"]["condition"], "Success");
    assert_eq!(sent["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!((&sent["requestPayload"], &sent["responsePayload"]), (&json!([2]), &json!("fine")));
    assert_eq!(sqs.counts(&bad).unwrap().visible, 1);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_tried_until_it_is_too_old() {
    let (lambda, sqs, _) = lambda();
    let dead = queue(&sqs, "dead");
    let hangs = direct(|_| async {
        tokio::time::sleep(Duration::from_secs(800)).await;
        Ok(Value::Null)
    });
    let limited = FunctionSettings {
        reserved_concurrency: Some(1),
        timeout: Duration::from_secs(900),
        dead_letter_arn: Some(dead.clone()),
        ..settings(hangs)
    };
    lambda.create_function(limited.clone()).unwrap();
    let config = EventInvokeConfig { max_age: Duration::from_secs(600), ..EventInvokeConfig::default() };
    lambda.put_event_invoke_config("uploads", config).unwrap();
    lambda.invoke_async("uploads", json!("first")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    lambda.invoke_async("uploads", json!("second")).unwrap();
    lambda.idle().await;
    let letter = only(&sqs, &dead);
    assert_eq!(letter.body, "\"second\"");
    assert_eq!(letter.attributes["ErrorCode"].value, AttributeValue::Text("429".into()));
    assert_eq!(lambda.usage().invocations, 1);

    // A function that is turned off loses no time.
    lambda.create_function(FunctionSettings { reserved_concurrency: Some(0), ..limited }).unwrap();
    let begun = Instant::now();
    lambda.invoke_async("uploads", json!("third")).unwrap();
    lambda.idle().await;
    assert_eq!((begun.elapsed(), sqs.counts(&dead).unwrap().visible), (Duration::ZERO, 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_nobody_takes_is_dropped_and_counted() {
    let (lambda, sqs, _) = lambda();
    let (host, calls) = failing(u32::MAX);
    lambda.create_function(settings(host)).unwrap();
    lambda.invoke_async("uploads", json!(1)).unwrap();
    lambda.idle().await;
    assert_eq!((calls.lock().unwrap().len(), lambda.dropped()), (3, 1));

    let gone = Some(Sqs::arn("gone"));
    let error = lambda
        .create_function(FunctionSettings { dead_letter_arn: gone.clone(), ..settings(failing(0).0) })
        .unwrap_err();
    assert_eq!(error.code, "InvalidParameterValueException");
    let config = EventInvokeConfig { on_failure: gone, ..EventInvokeConfig::default() };
    assert!(lambda.put_event_invoke_config("uploads", config).is_err());
    let off_limits = [
        EventInvokeConfig { max_retries: 3, ..EventInvokeConfig::default() },
        EventInvokeConfig { max_age: Duration::from_secs(59), ..EventInvokeConfig::default() },
        EventInvokeConfig { max_age: Duration::from_secs(21_601), ..EventInvokeConfig::default() },
    ];
    for config in off_limits {
        let error = lambda.put_event_invoke_config("uploads", config).unwrap_err();
        assert_eq!(error.code, "InvalidParameterValueException");
    }
    assert_eq!(lambda.invoke_async("nobody", json!(1)).unwrap_err().status, 404);
    assert_eq!(lambda.invoke_async("uploads", json!("x".repeat(1 << 20))).unwrap_err().status, 413);
    drop(sqs);
}

#[tokio::test(start_paused = true)]
async fn draining_finishes_what_runs_and_drops_what_waits() {
    let (lambda, ..) = lambda();
    let (host, calls) = failing(u32::MAX);
    lambda.create_function(settings(host)).unwrap();
    lambda.invoke_async("uploads", json!("waits")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let slow = direct(|_| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(Value::Null)
    });
    lambda.create_function(FunctionSettings { name: "slow".into(), ..settings(slow) }).unwrap();
    lambda.invoke_async("slow", json!("runs")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    lambda.drain().await;
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!((lambda.in_flight(), lambda.dropped(), calls.lock().unwrap().len()), (0, 1, 1));
    assert_eq!(lambda.invoke_async("slow", json!(1)).unwrap_err().status, 503);
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_for_an_alias_is_not_configured_for_the_function() {
    let (lambda, sqs, _) = lambda();
    let bad = queue(&sqs, "bad");
    let (host, _) = failing(9);
    let arn = lambda.create_function(settings(host)).unwrap();
    let live = format!("{arn}:live");
    assert_eq!(lambda.invoke_async(&live, json!(1)).unwrap_err().status, 404, "there is none yet");
    lambda.create_alias("uploads", "live").unwrap();
    assert!(lambda.create_alias("uploads", "7").is_err(), "that would be a version");

    let config =
        EventInvokeConfig { max_retries: 0, on_failure: Some(bad.clone()), ..EventInvokeConfig::default() };
    lambda.put_event_invoke_config("uploads:live", config).unwrap();
    lambda.invoke_async(&live, json!(1)).unwrap();
    lambda.idle().await;
    assert_eq!(record(&sqs, &bad)["requestContext"]["functionArn"], live.as_str());
    lambda.invoke_async(&arn, json!(2)).unwrap();
    lambda.idle().await;
    assert_eq!(sqs.counts(&bad).unwrap().visible, 1, "the function itself has no destination");
    assert_eq!(lambda.dropped(), 1);
}
