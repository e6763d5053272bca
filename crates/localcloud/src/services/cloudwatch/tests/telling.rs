//! The notifications of a state change: the event and the mail.

use serde_json::{Value, json};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_event_has_the_documented_shape() {
    let env = env();
    let described = Alarm { description: Some("work waits".into()), ..alarm("backlog") };
    env.cloudwatch.put_alarm(described).unwrap();
    env.until("08:02:30").await;
    env.send();
    env.until("08:05:00").await;
    let mut event = env.events().await.remove(1);
    for member in ["id", "version", "account", "region"] {
        assert!(event.as_object_mut().unwrap().remove(member).is_some());
    }
    assert_eq!(event["detail"]["configuration"]["metrics"][0]["id"].as_str().unwrap().len(), 36);
    event["detail"]["configuration"]["metrics"][0]["id"].take();
    let mut states = ["previousState", "state"].map(|state| event["detail"][state].take());
    let data = states.each_mut().map(|state| {
        let text = state["reasonData"].take();
        serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap()
    });
    assert_eq!(
        event,
        json!({
            "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch",
            "time": "2026-11-21T08:04:00Z",
            "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:backlog"],
            "detail": {
                "alarmName": "backlog",
                "configuration": {
                    "description": "work waits",
                    "metrics": [{
                        "id": null,
                        "metricStat": {
                            "metric": {
                                "dimensions": { "QueueName": "jobs" },
                                "name": "ApproximateNumberOfMessagesVisible",
                                "namespace": "AWS/SQS",
                            },
                            "period": 60,
                            "stat": "Maximum",
                        },
                        "returnData": true,
                    }],
                },
                "previousState": null,
                "state": null,
            },
        })
    );
    assert_eq!(
        states[1],
        json!({
            "reason": "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (21/11/26 08:02:00)] was greater than the \
                       threshold (0.0) (minimum 1 datapoint for OK -> ALARM transition).",
            "reasonData": null,
            "timestamp": "2026-11-21T08:04:00.000+0000",
            "value": "ALARM",
        })
    );
    assert_eq!(
        data[1],
        json!({
            "version": "1.0",
            "queryDate": "2026-11-21T08:04:00.000+0000",
            "startDate": "2026-11-21T08:02:00.000+0000",
            "statistic": "Maximum",
            "period": 60,
            "recentDatapoints": [1.0],
            "threshold": 0.0,
            "evaluatedDatapoints":
                [{ "timestamp": "2026-11-21T08:02:00.000+0000", "sampleCount": 1.0, "value": 1.0 }],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn actions_mail_unless_they_are_disabled() {
    let env = env();
    let topic = env.sns.create_topic("ops").unwrap();
    env.sns.subscribe(&topic, "email", "ops@example.com").unwrap();
    let nowhere = format!("{topic}-gone");
    let acting =
        Alarm { alarm_actions: vec![nowhere, topic.clone()], ok_actions: vec![topic], ..alarm("bäcklog") };
    env.cloudwatch.put_alarm(Alarm { actions_enabled: false, ..acting.clone() }).unwrap();
    env.send();
    env.until("08:02:00").await;
    assert_eq!(env.state("bäcklog"), State::Alarm);
    assert_eq!(env.sns.mails(), []);
    // The new settings, the old state: nothing to tell until it changes.
    env.cloudwatch.put_alarm(acting).unwrap();
    env.until("08:05:00").await;
    assert_eq!(env.sns.mails(), []);
    env.finish(1).await;
    env.until("08:07:00").await;
    env.send();
    env.until("08:09:00").await;
    let mails = env.sns.mails();
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["OK: \"b?cklog\" in US East (N. Virginia)", "ALARM: \"b?cklog\" in US East (N. Virginia)"]
    );
    for part in [
        "has entered the ALARM state, because \"Threshold Crossed: 1 out of the last 1 datapoints [1.0 (21/11/26 08:07:00)]",
        "\" at \"Saturday 21 November, 2026 08:09:00 UTC\"",
        "- State Change:               OK -> ALARM\n",
        "- Dimensions:                 [QueueName = jobs]\n",
    ] {
        assert!(mails[1].body.contains(part), "{part}: {}", mails[1].body);
    }
}
