//! Alarms on queues, on virtual time.

mod telling;

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::*;
use crate::services::{
    events::{Pattern, Rule, Target},
    sqs::{Attributes, QueueSettings},
};

/// An alarm on the messages waiting in the queue `jobs`: one minute above zero.
pub(super) fn alarm(name: &str) -> Alarm {
    Alarm {
        name: name.to_owned(),
        description: None,
        metric: of_jobs("ApproximateNumberOfMessagesVisible"),
        statistic: Statistic::Maximum,
        period: Duration::from_secs(60),
        evaluation_periods: 1,
        datapoints_to_alarm: 1,
        comparison: Comparison::GreaterThanThreshold,
        threshold: 0.0,
        missing_data: MissingData::Missing,
        actions_enabled: true,
        alarm_actions: Vec::new(),
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
    }
}

fn of_jobs(name: &str) -> Metric {
    Metric {
        namespace: "AWS/SQS".into(),
        name: name.into(),
        dimensions: vec![("QueueName".into(), "jobs".into())],
    }
}

struct TestEnv {
    clock: Clock,
    sqs: Sqs,
    sns: Sns,
    cloudwatch: CloudWatch,
    jobs: String,
    /// Where every alarm's event goes.
    heard: String,
}

fn env() -> TestEnv {
    fastrand::seed(1);
    // Between two minutes, as clocks are.
    let clock = Clock::starting_at("2026-11-21T08:00:20Z".parse().unwrap());
    let sqs = Sqs::new(clock);
    let events = EventBridge::new(clock, sqs.clone());
    let sns = Sns::new(clock, None);
    let jobs = sqs.create_queue(QueueSettings::named("jobs")).unwrap();
    let heard = sqs.create_queue(QueueSettings::named("heard")).unwrap();
    let pattern = Pattern::parse(&json!({ "source": ["aws.cloudwatch"] })).unwrap();
    let targets = vec![Target::new("q", &heard)];
    events.put_rule(Rule { name: "r".into(), pattern, enabled: true, targets }).unwrap();
    let cloudwatch = CloudWatch::new(clock, sqs.clone(), sns.clone(), events);
    TestEnv { clock, sqs, sns, cloudwatch, jobs, heard }
}

impl TestEnv {
    fn send(&self) {
        self.sqs.send(&self.jobs, "job", Attributes::new(), None).unwrap();
    }

    async fn finish(&self, count: usize) {
        for message in self.sqs.receive(&self.jobs, count, Some(Duration::ZERO), None).await.unwrap() {
            self.sqs.delete(&self.jobs, &message.receipt).unwrap();
        }
    }

    /// Lets time pass up to this time of the day.
    async fn until(&self, time: &str) {
        let at: Timestamp = format!("2026-11-21T{time}Z").parse().unwrap();
        tokio::time::sleep_until(self.clock.instant(at)).await;
        // What happens at this very moment has happened.
        sleep(Duration::from_millis(1)).await;
    }

    fn state(&self, name: &str) -> State {
        self.cloudwatch.status(name).unwrap().state
    }

    async fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let received = self.sqs.receive(&self.heard, 10, Some(Duration::ZERO), None).await.unwrap();
            if received.is_empty() {
                return events;
            }
            for message in received {
                events.push(serde_json::from_str(&message.body).unwrap());
                self.sqs.delete(&self.heard, &message.receipt).unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_knows_of_a_message_one_to_two_minutes_late_and_tells_each_change_once() {
    let env = env();
    let arn = env.cloudwatch.put_alarm(alarm("backlog")).unwrap();
    env.until("08:01:30").await;
    assert_eq!(env.state("backlog"), State::InsufficientData);
    env.until("08:02:00").await;
    assert_eq!(env.state("backlog"), State::Ok);
    env.send();
    // Sampled at 08:03, arrived at 08:04.
    env.until("08:03:59").await;
    assert_eq!(env.state("backlog"), State::Ok);
    env.until("08:04:00").await;
    assert_eq!(env.state("backlog"), State::Alarm);
    env.until("08:10:00").await;
    env.finish(1).await;
    env.until("08:11:59").await;
    assert_eq!(env.state("backlog"), State::Alarm);
    env.until("08:30:00").await;

    let events = env.events().await;
    let changes: Vec<[&str; 3]> = events
        .iter()
        .map(|event| {
            let value = |state: &str| event["detail"][state]["value"].as_str().unwrap();
            [value("previousState"), value("state"), event["time"].as_str().unwrap()]
        })
        .collect();
    assert_eq!(
        changes,
        [
            ["INSUFFICIENT_DATA", "OK", "2026-11-21T08:02:00Z"],
            ["OK", "ALARM", "2026-11-21T08:04:00Z"],
            ["ALARM", "OK", "2026-11-21T08:12:00Z"],
        ]
    );
    assert!(events.iter().all(|event| event["resources"] == json!([arn])));
}

#[tokio::test(start_paused = true)]
async fn every_queue_metric_has_its_value() {
    let env = env();
    // Before anybody watches: no datapoint.
    env.send();
    env.finish(1).await;
    for (name, threshold) in [
        ("ApproximateNumberOfMessagesVisible", 2.0),
        ("ApproximateNumberOfMessagesNotVisible", 1.0),
        ("ApproximateNumberOfMessagesDelayed", 1.0),
        ("ApproximateAgeOfOldestMessage", 30.0),
        ("NumberOfMessagesSent", 5.0),
        ("NumberOfMessagesReceived", 2.0),
        ("NumberOfMessagesDeleted", 1.0),
    ] {
        for (more, comparison) in
            [(0.0, Comparison::GreaterThanOrEqualToThreshold), (0.5, Comparison::GreaterThanThreshold)]
        {
            let metric = of_jobs(name);
            let threshold = threshold + more;
            let name = format!("{name} {threshold}");
            env.cloudwatch.put_alarm(Alarm { metric, comparison, threshold, ..alarm(&name) }).unwrap();
        }
    }
    env.until("08:01:29").await;
    for _ in 0..4 {
        env.send();
    }
    env.sqs.send(&env.jobs, "later", Attributes::new(), Some(Duration::from_secs(600))).unwrap();
    env.finish(1).await;
    env.sqs.receive(&env.jobs, 1, None, Some(Duration::from_secs(600))).await.unwrap();
    env.until("08:03:00").await;
    let alarms = env.cloudwatch.watch.alarms();
    for (name, watched) in &alarms.named {
        let expected = if name.ends_with(".5") { State::Ok } else { State::Alarm };
        assert_eq!(watched.status.state, expected, "{name}: {}", watched.status.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_are_over_a_period_that_slides_by_minutes() {
    let env = env();
    for (name, statistic, threshold) in [
        ("sum", Statistic::Sum, 6.0),
        ("average", Statistic::Average, 2.0),
        ("minimum", Statistic::Minimum, 1.0),
        ("maximum", Statistic::Maximum, 3.0),
        ("count", Statistic::SampleCount, 3.0),
    ] {
        let period = Duration::from_secs(180);
        let comparison = Comparison::GreaterThanOrEqualToThreshold;
        env.cloudwatch.put_alarm(Alarm { statistic, threshold, period, comparison, ..alarm(name) }).unwrap();
    }
    // Samples at 08:01, 08:02 and 08:03: one, two and three messages.
    for minute in 1..=3 {
        env.send();
        env.until(&format!("08:0{minute}:10")).await;
    }
    assert_eq!(env.state("sum"), State::Ok);
    env.until("08:04:00").await;
    for name in ["sum", "average", "minimum", "maximum", "count"] {
        assert_eq!(env.state(name), State::Alarm, "{name}");
    }
    env.finish(3).await;
    // Sampled empty at 08:05, 08:06 and 08:07: the three leave the window one by one.
    for (at, sum, maximum) in
        [("08:05:00", 9.0, State::Alarm), ("08:07:00", 3.0, State::Alarm), ("08:08:00", 0.0, State::Ok)]
    {
        env.until(at).await;
        assert_eq!(env.state("maximum"), maximum, "{at}");
        assert_eq!(env.state("sum") == State::Alarm, sum >= 6.0, "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn m_of_n_waits_for_m() {
    let env = env();
    env.cloudwatch
        .put_alarm(Alarm { evaluation_periods: 3, datapoints_to_alarm: 2, ..alarm("backlog") })
        .unwrap();
    env.until("08:03:30").await;
    env.send();
    env.until("08:05:00").await;
    assert_eq!(env.state("backlog"), State::Ok);
    env.until("08:06:00").await;
    assert_eq!(env.state("backlog"), State::Alarm);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_without_data_goes_where_its_treatment_says() {
    let env = env();
    let metric = Metric { namespace: "AWS/Lambda".into(), name: "Errors".into(), dimensions: Vec::new() };
    for (name, missing_data) in [
        ("missing", MissingData::Missing),
        ("ignore", MissingData::Ignore),
        ("breaching", MissingData::Breaching),
        ("not breaching", MissingData::NotBreaching),
    ] {
        let statistic = Statistic::Extended("p99".into());
        env.cloudwatch
            .put_alarm(Alarm { metric: metric.clone(), missing_data, statistic, ..alarm(name) })
            .unwrap();
    }
    env.until("09:00:00").await;
    assert_eq!(env.state("missing"), State::InsufficientData);
    assert_eq!(env.state("ignore"), State::InsufficientData);
    assert_eq!(env.state("breaching"), State::Alarm);
    assert_eq!(env.state("not breaching"), State::Ok);
    assert_eq!(env.events().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_metrics_of_a_queue_that_goes_end() {
    let env = env();
    env.cloudwatch.put_alarm(alarm("backlog")).unwrap();
    env.until("08:03:00").await;
    assert_eq!(env.state("backlog"), State::Ok);
    env.sqs.call("DeleteQueue", json!({ "QueueUrl": env.sqs.url("jobs") })).await.unwrap();
    env.until("08:10:00").await;
    assert_eq!(env.state("backlog"), State::InsufficientData);
}

#[tokio::test(start_paused = true)]
async fn nothing_looks_before_the_first_alarm_or_after_the_end() {
    for ends in [true, false] {
        let TestEnv { cloudwatch, sqs, .. } = env();
        let weak = Arc::downgrade(&cloudwatch.watch);
        sleep(Duration::from_secs(600)).await;
        assert!(cloudwatch.watch.alarms().task.is_none());
        cloudwatch.put_alarm(alarm("backlog")).unwrap();
        if ends {
            cloudwatch.shutdown().await;
            sqs.send(&Sqs::arn("jobs"), "job", Attributes::new(), None).unwrap();
            sleep(Duration::from_secs(600)).await;
            assert_eq!(cloudwatch.status("backlog").unwrap().state, State::InsufficientData);
            assert_eq!(weak.strong_count(), 1);
        } else {
            drop(cloudwatch);
            tokio::task::yield_now().await;
            assert_eq!(weak.strong_count(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_looks_on_full_minutes_only() {
    let env = env();
    env.cloudwatch.put_alarm(alarm("backlog")).unwrap();
    let begun = Instant::now();
    env.until("08:02:00").await;
    let since = env.cloudwatch.status("backlog").unwrap().since.to_zoned(TimeZone::UTC);
    assert_eq!((since.minute(), since.second(), since.subsec_nanosecond()), (2, 0, 0));
    assert_eq!(begun.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_an_alarm_is_refused() {
    let env = env();
    let refused = |change: fn(&mut Alarm)| {
        let mut alarm = alarm("a");
        change(&mut alarm);
        env.cloudwatch.put_alarm(alarm).unwrap_err().code
    };
    for change in [
        (|it| it.name = String::new()) as fn(&mut Alarm),
        |it| it.name = "x".repeat(256),
        |it| it.description = Some("x".repeat(1_025)),
        |it| it.period = Duration::from_secs(30),
        |it| it.period = Duration::ZERO,
        |it| it.evaluation_periods = 0,
        |it| (it.evaluation_periods, it.datapoints_to_alarm) = (1_441, 1_441),
        |it| it.datapoints_to_alarm = 0,
        |it| it.datapoints_to_alarm = 2,
        |it| it.threshold = f64::NAN,
        |it| it.alarm_actions = vec!["arn:aws:lambda:us-east-1:123456789012:function:f".into()],
        |it| it.alarm_actions = vec!["arn:aws:sns:us-east-1:123456789012:t".into(); 6],
        |it| it.statistic = Statistic::Extended("p99".into()),
    ] {
        assert_eq!(refused(change), "ValidationError");
    }
    assert!(env.cloudwatch.watch.alarms().task.is_none());
}
