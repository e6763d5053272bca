//! The bus as its callers see it, on paused time.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use super::*;
use crate::{
    services::{
        lambda::{FunctionError, FunctionHost, FunctionSettings},
        logs::Logs,
        sqs::{AttributeValue, QueueSettings, Received},
    },
    template::Template,
};

struct TestEnv {
    sqs: Sqs,
    bus: EventBridge,
    queue: String,
    dead: String,
}

fn env() -> TestEnv {
    fastrand::seed(1);
    let clock = Clock::starting_at(Timestamp::from_second(1_700_000_000).unwrap());
    let sqs = Sqs::new(clock);
    let queue = sqs.create_queue(QueueSettings::named("uploads")).unwrap();
    let dead = sqs.create_queue(QueueSettings::named("dead")).unwrap();
    TestEnv { bus: EventBridge::new(clock, sqs.clone()), sqs, queue, dead }
}

impl TestEnv {
    fn rule(&self, target: Target) {
        let pattern = Pattern::parse(&json!({ "source": ["aws.s3"] })).unwrap();
        let rule = Rule { name: "r".into(), pattern, enabled: true, targets: vec![target] };
        self.bus.put_rule(rule).unwrap();
    }

    /// Lets rules send to the dead-letter queue, and one of them invoke the function.
    fn policies(&self, rule: &str) {
        let text = format!(
            r#"
Resources:
  Dead: {{ Type: AWS::SQS::Queue, Properties: {{ QueueName: dead }} }}
  DeadPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Dead]
      PolicyDocument:
        Statement:
          - {{ Effect: Allow, Principal: {{ Service: events.amazonaws.com }}, Action: sqs:SendMessage, Resource: !GetAtt Dead.Arn }}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: f
      Principal: events.amazonaws.com
      SourceArn: {}
"#,
            EventBridge::rule_arn(rule)
        );
        let template = Template::parse(&text, Path::new("template.yaml"), crate::resource_types()).unwrap();
        let stack = template.resolve(&BTreeMap::new(), "stack", "http://cloud.local").unwrap();
        self.bus.iam().load(&stack, &[]).unwrap();
    }

    async fn received(&self, arn: &str) -> Vec<Received> {
        let received = self.sqs.receive(arn, 10, None, None).await.unwrap();
        for message in &received {
            self.sqs.delete(arn, &message.receipt).unwrap();
        }
        received
    }

    async fn texts(&self, arn: &str) -> Vec<String> {
        self.received(arn).await.into_iter().map(|message| message.body).collect()
    }
}

fn event(key: &str) -> Value {
    json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": { "key": key } })
}

/// A sink that refuses with `refusal` and counts.
fn failing(error: ApiError) -> (Sink, watch::Receiver<u32>) {
    let (count, counted) = watch::channel(0);
    let sink: Sink = Arc::new(move |_event| {
        count.send_modify(|n| *n += 1);
        let error = error.clone();
        Box::pin(async move { Err(error) })
    });
    (sink, counted)
}

fn text_of<'a>(message: &'a Received, name: &str) -> &'a str {
    match message.attributes.get(name).map(|attribute| &attribute.value) {
        Some(AttributeValue::Text(text)) => text,
        _ => "",
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_reaches_the_queue_in_a_whole_envelope() {
    let env = env();
    env.rule(Target::new("q", &env.queue));
    env.bus.emit(event("a"));
    env.bus.emit(json!({ "source": "aws.ecs" }));
    env.bus.idle().await;
    let texts = env.texts(&env.queue).await;
    assert_eq!(texts.len(), 1);
    let mut got: Value = serde_json::from_str(&texts[0]).unwrap();
    let id = got["id"].take();
    assert_eq!(id.as_str().map(str::len), Some(36));
    assert_eq!(
        got,
        json!({
            "version": "0", "id": null, "account": "123456789012", "region": "us-east-1",
            "time": "2023-11-14T22:13:20Z", "resources": [],
            "source": "aws.s3", "detail-type": "Object Created", "detail": { "key": "a" },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_disabled_rule_takes_nothing() {
    let env = env();
    let pattern = Pattern::parse(&json!({ "source": ["aws.s3"] })).unwrap();
    let targets = vec![Target::new("q", &env.queue)];
    env.bus.put_rule(Rule { name: "r".into(), pattern, enabled: false, targets }).unwrap();
    env.bus.emit(event("a"));
    assert_eq!(env.bus.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_target_is_retried_to_its_limit_and_then_a_dead_letter() {
    let env = env();
    let (sink, tries) = failing(ApiError::client("ServiceException", "down").with_status(500));
    env.bus.register_sink("arn:aws:lambda:", sink);
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    env.rule(Target { max_attempts: 3, dead_letter_arn: Some(env.dead.clone()), ..Target::new("f", arn) });
    let start = Instant::now();
    env.bus.emit(event("a"));
    env.bus.idle().await;
    assert_eq!(*tries.borrow(), 4);
    // 1 + 2 + 4 seconds, less jitter of up to a half.
    assert!((3.5..=7.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
    let dead = env.received(&env.dead).await.remove(0);
    assert!(dead.body.contains("\"key\":\"a\""));
    assert_eq!(text_of(&dead, "RULE_ARN"), "arn:aws:events:us-east-1:123456789012:rule/r");
    assert_eq!(text_of(&dead, "TARGET_ARN"), arn);
    assert_eq!(text_of(&dead, "ERROR_MESSAGE"), "down");
    assert_eq!(text_of(&dead, "RETRY_ATTEMPTS"), "3");
    assert_eq!(text_of(&dead, "EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_old_is_dropped_without_a_dead_letter_queue() {
    let env = env();
    let (sink, tries) = failing(ApiError::client("TooManyRequestsException", "busy").with_status(429));
    env.bus.register_sink("arn:aws:lambda:", sink);
    let max_age = Duration::from_secs(60);
    env.rule(Target { max_age, ..Target::new("f", "arn:aws:lambda:us-east-1:123456789012:function:f") });
    let start = Instant::now();
    env.bus.emit(event("a"));
    env.bus.idle().await;
    assert!(start.elapsed() <= max_age);
    assert!((5..=8).contains(&*tries.borrow()), "{} tries", *tries.borrow());
    assert_eq!(env.bus.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn by_default_it_is_tried_for_about_a_day() {
    let env = env();
    let (sink, tries) = failing(ApiError::client("ServiceException", "down").with_status(503));
    env.bus.register_sink("arn:aws:lambda:", sink);
    env.rule(Target::new("f", "arn:aws:lambda:us-east-1:123456789012:function:f"));
    let start = Instant::now();
    env.bus.emit(event("a"));
    env.bus.idle().await;
    assert!((20..=24).contains(&(start.elapsed().as_secs() / 3_600)), "{:?}", start.elapsed());
    assert!((140..=186).contains(&*tries.borrow()), "{} tries", *tries.borrow());
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_cannot_mend_is_not_retried() {
    let env = env();
    let gone = Sqs::arn("gone");
    env.rule(Target { dead_letter_arn: Some(env.dead.clone()), ..Target::new("q", &gone) });
    let start = Instant::now();
    env.bus.emit(event("a"));
    env.bus.idle().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let dead = env.received(&env.dead).await.remove(0);
    assert_eq!(text_of(&dead, "ERROR_CODE"), "NO_RESOURCE");
    assert_eq!(text_of(&dead, "RETRY_ATTEMPTS"), "0");
    assert_eq!(text_of(&dead, "EXHAUSTED_RETRY_CONDITION"), "");
}

#[tokio::test(start_paused = true)]
async fn a_target_gets_the_input_it_asks_for() {
    let env = env();
    let paths = BTreeMap::from([
        ("key".to_owned(), "$.detail.key".to_owned()),
        ("all".to_owned(), "$.detail".to_owned()),
        ("none".to_owned(), "$.detail.none".to_owned()),
    ]);
    for (input, expected) in [
        (Input::Constant("{\"sweep\":true}".into()), "{\"sweep\":true}"),
        (Input::Path("$.detail.key".into()), "\"a \\\"b\\\"\""),
        (
            Input::Transformer {
                paths,
                template: "{\"text\": \"got <key>\", \"raw\": <all>, \"none\": <none>, \"rule\": \"<aws.events.rule-name>\", \"lt\": \"a < b\"}"
                    .into(),
            },
            "{\"text\": \"got a \\\"b\\\"\", \"raw\": {\"key\":\"a \\\"b\\\"\"}, \"none\": null, \"rule\": \"r\", \"lt\": \"a < b\"}",
        ),
    ] {
        env.rule(Target { input, ..Target::new("q", &env.queue) });
        env.bus.emit(event("a \"b\""));
        env.bus.idle().await;
        assert_eq!(env.texts(&env.queue).await, [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn mischief_duplicates_delays_and_loses() {
    let env = env();
    env.rule(Target::new("q", &env.queue));
    env.bus.set_delivery_faults(Delivery { duplicate: 1.0, ..Delivery::default() });
    env.bus.emit(event("a"));
    env.bus.idle().await;
    let twice = env.texts(&env.queue).await;
    assert_eq!((twice.len(), &twice[0]), (2, &twice[1]));
    env.bus.set_delivery_faults(Delivery { lose: 1.0, ..Delivery::default() });
    env.bus.emit(event("b"));
    assert_eq!(env.bus.in_flight(), 0);
    env.bus.set_delivery_faults(Delivery { delay: Duration::from_secs(600), ..Delivery::default() });
    let keys: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    for key in &keys {
        env.bus.emit(event(key));
    }
    env.bus.idle().await;
    let late: Vec<Value> =
        env.texts(&env.queue).await.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let mut order: Vec<&str> = late.iter().filter_map(|event| event["detail"]["key"].as_str()).collect();
    assert_ne!(order, keys);
    order.sort_unstable();
    assert_eq!(order, keys);
}

#[tokio::test(start_paused = true)]
async fn deliveries_end_with_the_last_handle_of_the_bus() {
    let env = env();
    let (sink, tries) = failing(ApiError::client("ServiceException", "down").with_status(500));
    env.bus.register_sink("arn:aws:lambda:", sink);
    env.rule(Target::new("f", "arn:aws:lambda:us-east-1:123456789012:function:f"));
    env.bus.emit(event("a"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let in_flight = env.bus.bus.in_flight.clone();
    let before = *tries.borrow();
    drop(env);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!((in_flight.count(), *tries.borrow()), (0, before));
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_the_events_of_rules_that_its_policy_allows() {
    let env = env();
    let clock = env.bus.bus.clock;
    let lambda = Lambda::new(clock, env.sqs.clone(), Logs::new(clock, None));
    let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let host = FunctionHost::Direct(Arc::new(move |invocation| {
        let sent = send.send(invocation.payload);
        Box::pin(async move { sent.map(|()| Value::Null).map_err(|_| FunctionError::new("Closed", "no")) })
    }));
    let settings = FunctionSettings {
        name: "f".into(),
        environment: BTreeMap::new(),
        timeout: Duration::from_secs(3),
        memory: 128,
        reserved_concurrency: None,
        dead_letter_arn: None,
        host,
    };
    let arn = lambda.create_function(settings).unwrap();
    env.bus.set_lambda(lambda.clone());
    env.rule(Target { dead_letter_arn: Some(env.dead.clone()), ..Target::new("f", &arn) });

    env.policies("another");
    env.bus.emit(event("not allowed"));
    env.bus.idle().await;
    let dead = env.received(&env.dead).await.remove(0);
    assert_eq!(text_of(&dead, "ERROR_CODE"), "NO_PERMISSIONS");
    assert!(text_of(&dead, "ERROR_MESSAGE").contains("lambda:InvokeFunction"));
    assert!(dead.body.contains("not allowed"));

    env.policies("r");
    env.bus.emit(event("allowed"));
    env.bus.idle().await;
    lambda.idle().await;
    assert_eq!(seen.try_recv().unwrap()["detail"]["key"], "allowed");
    assert!(seen.try_recv().is_err());

    let none = "arn:aws:lambda:us-east-1:123456789012:function:none";
    env.rule(Target { dead_letter_arn: Some(env.dead.clone()), ..Target::new("f", none) });
    env.bus.emit(event("nobody's"));
    env.bus.idle().await;
    let dead = env.received(&env.dead).await.remove(0);
    assert_eq!(text_of(&dead, "ERROR_CODE"), "NO_RESOURCE");
}

#[tokio::test(start_paused = true)]
async fn clients_put_rules_targets_and_events() {
    let env = env();
    let call = |operation: &'static str, input: Value| env.bus.call(operation, input);
    let pattern = "{\"source\":[\"shop\"]}";
    let rule = call("PutRule", json!({ "Name": "orders", "EventPattern": pattern })).await.unwrap();
    assert_eq!(rule["RuleArn"], "arn:aws:events:us-east-1:123456789012:rule/orders");
    let target = json!({
        "Id": "q", "Arn": env.queue, "DeadLetterConfig": { "Arn": env.dead }, "InputPath": "$.detail",
        "RetryPolicy": { "MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 300 },
    });
    call("PutTargets", json!({ "Rule": "orders", "Targets": [target] })).await.unwrap();
    let targets = call("ListTargetsByRule", json!({ "Rule": "orders" })).await.unwrap();
    assert_eq!(targets["Targets"], json!([target]));
    let described = call("DescribeRule", json!({ "Name": "orders" })).await.unwrap();
    assert_eq!((&described["State"], &described["EventPattern"]), (&json!("ENABLED"), &json!(pattern)));
    let entry = |source: &str, detail: &str| json!({ "Source": source, "DetailType": "t", "Detail": detail });
    let put = json!({ "Entries": [
        entry("shop", "{\"n\":1}"), entry("shop", "[]"), entry("aws.s3", "{}"), { "Source": "shop" },
    ] });
    let answer = call("PutEvents", put).await.unwrap();
    assert_eq!(answer["FailedEntryCount"], 3);
    let codes: Vec<&Value> = (1..4).map(|n| &answer["Entries"][n]["ErrorCode"]).collect();
    assert_eq!(codes, ["MalformedDetail", "NotAuthorizedForSourceException", "InvalidArgument"]);
    env.bus.idle().await;
    assert_eq!(env.texts(&env.queue).await, ["{\"n\":1}"]);
    // A repeat of PutRule keeps the targets.
    call("PutRule", json!({ "Name": "orders", "EventPattern": pattern, "State": "DISABLED" })).await.unwrap();
    let rules = call("ListRules", json!({})).await.unwrap();
    assert_eq!(rules["Rules"][0]["State"], "DISABLED");
    assert!(call("ListTargetsByRule", json!({ "Rule": "orders" })).await.unwrap()["Targets"][0].is_object());
}

#[tokio::test(start_paused = true)]
async fn what_clients_get_wrong_is_refused() {
    let env = env();
    for (operation, input, code) in [
        ("PutRule", json!({ "Name": "a b", "EventPattern": "{}" }), "ValidationException"),
        ("PutRule", json!({ "Name": "r" }), "ValidationException"),
        ("PutRule", json!({ "Name": "r", "EventPattern": "{\"a\":1}" }), "InvalidEventPatternException"),
        ("PutRule", json!({ "Name": "r", "EventPattern": "{" }), "InvalidEventPatternException"),
        ("PutTargets", json!({ "Rule": "none", "Targets": [] }), "ResourceNotFoundException"),
        ("DescribeRule", json!({ "Name": "none" }), "ResourceNotFoundException"),
        ("PutEvents", json!({ "Entries": [] }), "ValidationException"),
        ("PutEvents", json!({ "Entries": "x" }), "ValidationException"),
        ("TestEventPattern", json!({ "EventPattern": "{\"a\":[1]}", "Event": "1" }), "ValidationException"),
        ("DeleteEventBus", json!({}), "UnknownOperationException"),
    ] {
        assert_eq!(
            env.bus.call(operation, input.clone()).await.unwrap_err().code,
            code,
            "{operation} {input}"
        );
    }
    let test = json!({ "EventPattern": "{\"a\":[1]}", "Event": "{\"a\":1}" });
    assert_eq!(env.bus.call("TestEventPattern", test).await.unwrap()["Result"], true);
    let many: Vec<Target> = (0..6).map(|n| Target::new(&n.to_string(), &env.queue)).collect();
    let pattern = Pattern::parse(&json!({ "source": ["x"] })).unwrap();
    let rule = Rule { name: "r".into(), pattern, enabled: true, targets: many };
    assert_eq!(env.bus.put_rule(rule).unwrap_err().code, "LimitExceededException");
}
