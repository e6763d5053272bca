//! What invokes functions without waiting, from small templates.

use std::error::Error;

use super::*;
use crate::services::lambda::FunctionError;

const TICKING: &str = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Expression: {Type: String, Default: rate(1 hour)}
  State: {Type: String, Default: ENABLED}
Resources:
  Dead: {Type: AWS::SQS::Queue}
  DeadPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Dead]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Dead.Arn
            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Unpermitted.Arn}}
  Hourly:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/hourly
      Handler: bootstrap
      Runtime: provided.al2023
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
      EventInvokeConfig: {MaximumRetryAttempts: 1}
      Events:
        Tick:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: !Ref Expression
            State: !Ref State
            Input: '{\"tick\":\"<aws.scheduler.scheduled-time>\"}'
            RetryPolicy: {MaximumRetryAttempts: 3}
            DeadLetterConfig: {Arn: !GetAtt Dead.Arn}
        Rule:
          Type: Schedule
          Properties: {Schedule: cron(0 12 * * ? *)}
        Seen:
          Type: EventBridgeRule
          Properties: {Pattern: {source: [shop]}}
  Unpermitted:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [shop]}
      Targets: [{Id: f, Arn: !GetAtt Hourly.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}]
  Nightly:
    Type: AWS::Scheduler::Schedule
    Properties:
      ScheduleExpression: cron(30 2 * * ? *)
      ScheduleExpressionTimezone: Europe/Berlin
      FlexibleTimeWindow: {Mode: FLEXIBLE, MaximumWindowInMinutes: '15'}
      StartDate: '1970-01-03T00:00:00Z'
      Target: {Arn: !GetAtt Dead.Arn, RoleArn: !GetAtt HourlyTickRole.Arn, Input: good night}
";

/// A builder of this template, the clock at the beginning of 1970.
fn of(text: &str) -> (tempfile::TempDir, Builder) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, text).unwrap();
    (folder, Cloud::builder(file).clock(Clock::starting_at(Timestamp::UNIX_EPOCH)))
}

fn failing(_: &Frontend) -> FunctionHost {
    FunctionHost::Direct(Arc::new(|_| async { Err(FunctionError::new("Broken", "no")) }.boxed()))
}

fn payloads(seen: &Seen<Invocation>) -> Vec<Value> {
    seen.lock().unwrap().iter().map(|it| it.payload.clone()).collect()
}

fn dead_letters(cloud: &Cloud) -> Vec<String> {
    let held = cloud.services().sqs.peek(&cloud.stack().resources["Dead"].arn).unwrap();
    held.into_iter().map(|message| message.body).collect()
}

async fn hours(hours: u64) {
    tokio::time::sleep(Duration::from_secs(hours * 3_600 + 1)).await;
}

#[tokio::test(start_paused = true)]
async fn schedules_and_rules_invoke_the_function_of_the_template() {
    let seen = Seen::default();
    let (_folder, builder) = of(TICKING);
    let cloud = builder.function("Hourly", witness(&seen)).start().await.unwrap();
    hours(24).await;
    let got = payloads(&seen);
    let ticks: Vec<&Value> = got.iter().filter(|it| it.get("tick").is_some()).collect();
    assert_eq!(ticks.len(), 24);
    assert_eq!(*ticks[0], json!({ "tick": "1970-01-01T01:00:00Z" }));
    let scheduled: Vec<&Value> = got.iter().filter(|it| it["source"] == "aws.events").collect();
    assert_eq!(scheduled.len(), 1);
    assert_eq!(scheduled[0]["time"], "1970-01-01T12:00:00Z");
    assert_eq!(scheduled[0]["resources"], json!([cloud.stack().resources["HourlyRule"].arn]));

    seen.lock().unwrap().clear();
    cloud.services().events.emit(json!({ "source": "shop", "detail": { "n": 1 } }));
    cloud.services().events.idle().await;
    cloud.services().lambda.idle().await;
    assert_eq!(payloads(&seen).len(), 1, "the permitted rule only");
    assert_eq!(payloads(&seen)[0]["detail"]["n"], 1);
    assert_eq!(dead_letters(&cloud).len(), 1, "the rule without a permission");

    // At half past two in Berlin, from the third on, and within a quarter of an hour.
    tokio::time::sleep_until(cloud.clock().instant("1970-01-03T01:29:59Z".parse().unwrap())).await;
    assert_eq!(dead_letters(&cloud).len(), 1);
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(dead_letters(&cloud)[1], "good night");
    cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_function_fails_at_is_tried_as_its_configuration_says_and_then_a_dead_letter() {
    let (_folder, builder) = of(TICKING);
    let cloud = builder.function("Hourly", failing).schedules(false).start().await.unwrap();
    cloud.fire("HourlyTick").unwrap();
    cloud.services().scheduler.idle().await;
    cloud.services().lambda.idle().await;
    assert_eq!(cloud.clock().now().as_second(), 60);
    assert_eq!(dead_letters(&cloud), ["{\"tick\":\"1970-01-01T00:00:00Z\"}"]);
    cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn paused_and_disabled_schedules_fire_when_told_to() {
    for disabled in [false, true] {
        let seen = Seen::default();
        let (_folder, builder) = of(TICKING);
        let state = if disabled { "DISABLED" } else { "ENABLED" };
        let builder = builder.function("Hourly", witness(&seen)).parameter("State", state);
        let cloud = builder.schedules(disabled).start().await.unwrap();
        hours(11).await;
        assert!(payloads(&seen).is_empty());
        cloud.fire("HourlyTick").unwrap();
        cloud.fire("HourlyRule").unwrap();
        assert_eq!(cloud.fire("Hourly").unwrap_err().code, "ResourceNotFoundException");
        assert_eq!(cloud.fire("Weekly").unwrap_err().code, "ResourceNotFoundException");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(payloads(&seen).len(), 2);
        cloud.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_does_not_outlive_its_cloud() {
    for ends in [true, false] {
        let seen = Seen::default();
        let (_folder, builder) = of(TICKING);
        let cloud = builder.function("Hourly", witness(&seen)).start().await.unwrap();
        hours(2).await;
        let scheduler = cloud.services().scheduler.clone();
        if ends {
            cloud.shutdown().await;
        } else {
            drop(cloud);
        }
        let before = payloads(&seen).len();
        hours(48).await;
        assert_eq!((payloads(&seen).len(), scheduler.in_flight()), (before, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_aws_would_refuse_is_named_with_its_line() {
    let all = |error: &DeployError| {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        causes.fold(error.to_string(), |causes, cause| format!("{causes}: {cause}"))
    };
    for (from, to, expected) in [
        ("rate(1 hour)", "rate(1 week)", "minutes, hours or days"),
        ("cron(0 12 * * ? *)", "cron(0 12 * * * *)", "? in exactly one"),
        ("cron(0 12 * * ? *)", "rate(2 hour)", "is not a rule's schedule"),
        ("Europe/Berlin", "Europe/Bonn", "Europe/Bonn is not a time zone"),
        ("Input: good night", "Input: good night, SqsParameters: {}", "unknown field `SqsParameters`"),
        ("'15'", "0", "MaximumWindowInMinutes must be"),
        ("{MaximumRetryAttempts: 1}", "{MaximumRetryAttempts: 3}", "between 0 and 2"),
        ("{MaximumRetryAttempts: 3}", "{MaximumRetryAttempts: 186}", "between 0 and 185"),
        (
            "TargetArn: !GetAtt Dead.Arn",
            "TargetArn: 'arn:aws:sqs:us-east-1:123456789012:none'",
            "dead-letter queue",
        ),
    ] {
        assert!(TICKING.contains(from), "{from}");
        let (_folder, builder) = of(&TICKING.replace(from, to));
        let error = builder.function("Hourly", failing).start().await.unwrap_err();
        let text = all(&error);
        assert!(text.starts_with("line ") && text.contains(expected), "{text}");
    }
}
