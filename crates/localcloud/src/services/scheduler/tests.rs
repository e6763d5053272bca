//! Schedules on paused time: when they fire, what their targets get, and what becomes of what no target takes.

mod expressions;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::services::{
    events::{Pattern, Rule},
    lambda::{FunctionHost, FunctionSettings, Invocation},
    logs::Logs,
    sqs::{AttributeValue, QueueSettings},
};

const ROLE: &str = "arn:aws:iam::123456789012:role/scheduler";

type Seen = Arc<Mutex<Vec<(Timestamp, Invocation)>>>;

struct TestEnv {
    clock: Clock,
    sqs: Sqs,
    lambda: Lambda,
    events: EventBridge,
    scheduler: Scheduler,
    /// What the function `hourly` got, and when.
    seen: Seen,
}

fn env() -> TestEnv {
    fastrand::seed(5);
    let clock = Clock::starting_at(time("2026-03-01T08:30:00Z"));
    let sqs = Sqs::new(clock);
    let lambda = Lambda::new(clock, sqs.clone(), Logs::new(clock, None));
    let events = EventBridge::new(clock, sqs.clone());
    events.set_lambda(lambda.clone());
    let seen = Seen::default();
    let kept = seen.clone();
    let host = FunctionHost::Direct(Arc::new(move |invocation| {
        kept.lock().unwrap().push((clock.now(), invocation));
        Box::pin(async { Ok(Value::Null) })
    }));
    let settings = FunctionSettings {
        name: "hourly".into(),
        environment: BTreeMap::new(),
        timeout: Duration::from_secs(60),
        memory: 128,
        reserved_concurrency: None,
        dead_letter_arn: None,
        host,
    };
    lambda.create_function(settings).unwrap();
    let scheduler = Scheduler::new(clock, sqs.clone(), lambda.clone(), events.clone());
    TestEnv { clock, sqs, lambda, events, scheduler, seen }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(expression: &str) -> Schedule {
    Schedule {
        name: "s".into(),
        expression: Expression::parse(expression, "UTC").unwrap(),
        enabled: true,
        start: None,
        end: None,
        window: Duration::ZERO,
        target: Target::new("arn:aws:lambda:us-east-1:123456789012:function:hourly", ROLE),
    }
}

impl TestEnv {
    fn times(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(at, _)| at.strftime("%dT%H:%M:%S").to_string()).collect()
    }

    async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_hourly_schedule_fires_24_times_a_day() {
    for (expression, first, last) in
        [("rate(1 hour)", "01T09:30:00", "02T08:30:00"), ("cron(0 * * * ? *)", "01T09:00:00", "02T08:00:00")]
    {
        let env = env();
        env.scheduler.put_schedule(schedule(expression)).unwrap();
        // A second more, since timers are a millisecond coarse.
        env.sleep(86_401).await;
        let times = env.times();
        assert_eq!(times.len(), 24, "{expression}");
        assert_eq!((times[0].as_str(), times[23].as_str()), (first, last), "{expression}");
        assert_eq!((env.scheduler.in_flight(), env.scheduler.dropped()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_without_an_input_gets_the_notification_and_one_with_gets_its_attributes_filled_in() {
    let env = env();
    let arn = env.scheduler.put_schedule(schedule("rate(1 minute)")).unwrap();
    env.sleep(61).await;
    let mut payload = env.seen.lock().unwrap()[0].1.payload.clone();
    assert_eq!(payload["id"].take().as_str().map(str::len), Some(36));
    assert_eq!(
        payload,
        json!({
            "version": "0", "id": null, "detail-type": "Scheduled Event", "source": "aws.scheduler",
            "account": "123456789012", "region": "us-east-1", "time": "2026-03-01T08:31:00Z",
            "resources": [arn], "detail": "{}",
        })
    );
    let input = r#"{"at":"<aws.scheduler.scheduled-time>","arn":"<aws.scheduler.schedule-arn>",
        "id":"<aws.scheduler.execution-id>","attempt":"<aws.scheduler.attempt-number>"}"#;
    let mut with_input = schedule("rate(1 minute)");
    with_input.target.input = Some(input.into());
    env.scheduler.put_schedule(with_input).unwrap();
    env.sleep(61).await;
    let payload = env.seen.lock().unwrap().last().unwrap().1.payload.clone();
    assert_eq!((&payload["at"], &payload["arn"]), (&json!("2026-03-01T08:32:01Z"), &json!(arn)));
    assert_eq!((payload["id"].as_str().map(str::len), &payload["attempt"]), (Some(16), &json!("1")));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_fires_only_between_its_dates_once_if_at_and_not_when_disabled() {
    let env = env();
    let (start, end) = (Some(time("2026-03-01T10:00:00Z")), Some(time("2026-03-01T12:00:00Z")));
    env.scheduler.put_schedule(Schedule { start, end, ..schedule("rate(1 hour)") }).unwrap();
    let once = schedule("at(2026-03-01T20:00:00)");
    env.scheduler.put_schedule(Schedule { name: "once".into(), start, end, ..once }).unwrap();
    let past = schedule("at(2026-03-01T08:00:00)");
    env.scheduler.put_schedule(Schedule { name: "past".into(), ..past }).unwrap();
    let disabled = schedule("rate(1 minute)");
    env.scheduler.put_schedule(Schedule { name: "disabled".into(), enabled: false, ..disabled }).unwrap();
    env.sleep(3 * 86_400).await;
    assert_eq!(env.times(), ["01T10:00:00", "01T11:00:00", "01T20:00:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_flexible_window_moves_each_firing_the_same_way_in_every_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let env = env();
        let window = Duration::from_secs(900);
        env.scheduler.put_schedule(Schedule { window, ..schedule("cron(0 * * * ? *)") }).unwrap();
        env.sleep(86_400).await;
        runs.push(env.times());
    }
    assert_eq!(runs[0], runs[1]);
    let minutes: Vec<u32> = runs[0].iter().map(|at| at[6..8].parse().unwrap()).collect();
    assert!(minutes.len() >= 23 && minutes.iter().all(|minute| *minute < 15), "{minutes:?}");
    assert!(minutes.iter().any(|minute| *minute != minutes[0]));
}

#[tokio::test(start_paused = true)]
async fn what_no_target_takes_is_a_dead_letter_with_schedulers_attributes() {
    let env = env();
    let dead = env.sqs.create_queue(QueueSettings::named("dead")).unwrap();
    let gone = Sqs::arn("gone");
    let target = Target {
        input: Some("any text".into()),
        dead_letter_arn: Some(dead.clone()),
        ..Target::new(&gone, ROLE)
    };
    let arn = env.scheduler.put_schedule(Schedule { target, ..schedule("rate(1 hour)") }).unwrap();
    env.sleep(3_601).await;
    let letter = env.sqs.peek(&dead).unwrap().remove(0);
    assert_eq!(letter.body, "any text");
    let text = |name: &str| match &letter.attributes[name].value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Binary(_) => panic!("{name} is binary"),
    };
    assert_eq!((text("SCHEDULE_ARN"), text("TARGET_ARN")), (arn, gone.clone()));
    assert_eq!((text("ERROR_CODE"), text("RETRY_ATTEMPTS")), ("QueueDoesNotExist".into(), "0".into()));
    assert_eq!(text("SCHEDULED_TIME"), "2026-03-01T09:30:00Z");
    assert!(!letter.attributes.contains_key("EXHAUSTED_RETRY_CONDITION"));
    assert_eq!(env.scheduler.dropped(), 0);

    let target = Target::new(&gone, ROLE);
    env.scheduler.put_schedule(Schedule { target, ..schedule("rate(1 hour)") }).unwrap();
    env.sleep(3_601).await;
    assert_eq!(env.scheduler.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_is_tried_again_as_the_retry_policy_says() {
    let env = env();
    let dead = env.sqs.create_queue(QueueSettings::named("dead")).unwrap();
    env.lambda.drain().await;
    let mut hourly = schedule("at(2026-03-01T09:00:00)");
    hourly.target.max_attempts = 3;
    hourly.target.dead_letter_arn = Some(dead.clone());
    hourly.target.input = Some(r#"{"n":"<aws.scheduler.attempt-number>"}"#.into());
    env.scheduler.put_schedule(hourly).unwrap();
    env.sleep(1_801).await;
    assert_eq!(env.scheduler.in_flight(), 1);
    env.scheduler.idle().await;
    let letter = env.sqs.peek(&dead).unwrap().remove(0);
    assert_eq!(letter.body, "{\"n\":\"4\"}");
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    assert_eq!(letter.attributes["ERROR_CODE"].value, text("ServiceException"));
    assert_eq!(letter.attributes["RETRY_ATTEMPTS"].value, text("3"));
    assert_eq!(letter.attributes["EXHAUSTED_RETRY_CONDITION"].value, text("MaximumRetryAttempts"));
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_rule_sends_its_event_to_its_targets() {
    let env = env();
    let queue = env.sqs.create_queue(QueueSettings::named("ticks")).unwrap();
    let arn = EventBridge::rule_arn("tick");
    let pattern = Pattern::parse(&json!({ "source": ["aws.events"], "resources": [arn] })).unwrap();
    let targets = vec![crate::services::events::Target::new("q", &queue)];
    env.events.put_rule(Rule { name: "tick".into(), pattern, enabled: true, targets }).unwrap();
    env.scheduler.put_rule("tick", Expression::of_rule("rate(5 minutes)").unwrap(), true);
    env.sleep(3_601).await;
    let held = env.sqs.peek(&queue).unwrap();
    assert_eq!(held.len(), 12);
    let event: Value = serde_json::from_str(&held[0].body).unwrap();
    assert_eq!(
        (&event["detail-type"], &event["time"], &event["resources"], &event["detail"]),
        (&json!("Scheduled Event"), &json!("2026-03-01T08:35:00Z"), &json!([arn]), &json!({}))
    );
}

#[tokio::test(start_paused = true)]
async fn a_held_schedule_fires_when_told_to_and_a_replaced_one_no_more() {
    let env = env();
    env.scheduler.put_schedule(schedule("rate(1 minute)")).unwrap();
    env.scheduler.hold();
    let arn = env.scheduler.put_schedule(schedule("rate(1 minute)")).unwrap();
    env.sleep(3_600).await;
    assert!(env.times().is_empty());
    env.scheduler.fire(&arn).unwrap();
    env.scheduler.idle().await;
    env.lambda.idle().await;
    assert_eq!(env.times(), ["01T09:30:00"]);
    assert_eq!(env.scheduler.fire(&Scheduler::arn("none")).unwrap_err().status, 404);
}

#[tokio::test(start_paused = true)]
async fn all_ends_with_the_last_handle() {
    let env = env();
    env.scheduler.put_schedule(schedule("rate(1 minute)")).unwrap();
    let inner = Arc::downgrade(&env.scheduler.inner);
    drop(env.scheduler);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(env.seen.lock().unwrap().is_empty());
    assert!(inner.upgrade().is_none());
    let _ = env.clock;
}

#[tokio::test(start_paused = true)]
async fn what_scheduler_would_refuse_is_refused() {
    let env = env();
    let changes: [fn(&mut Schedule); 10] = [
        |it| it.name = "a b".into(),
        |it| it.window = Duration::from_secs(1_441 * 60),
        |it| it.window = Duration::from_secs(90),
        |it| (it.start, it.end) = (Some(Timestamp::MAX), Some(Timestamp::MIN)),
        |it| it.target.arn = "arn:aws:sns:us-east-1:123456789012:t".into(),
        |it| it.target.role_arn = "role".into(),
        |it| it.target.input = Some("not JSON".into()),
        |it| it.target.max_attempts = 186,
        |it| it.target.max_age = Duration::from_secs(59),
        |it| it.target.dead_letter_arn = Some("arn:aws:sns:us-east-1:123456789012:t".into()),
    ];
    for change in changes {
        let mut changed = schedule("rate(1 hour)");
        change(&mut changed);
        assert_eq!(env.scheduler.put_schedule(changed).unwrap_err().code, "ValidationException");
    }
}
