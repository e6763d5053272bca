//! The notifications of a state change: EventBridge's event and SNS's mail. The event's shape:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Alarm, MissingData, State, Statistic, Status, evaluation::Verdict};
use crate::wire::ACCOUNT;

/// How mails call the region.
const REGION_NAME: &str = "US East (N. Virginia)";

/// SNS takes subjects of fewer than 100 characters.
const MAX_SUBJECT: usize = 99;

/// An alarm that has changed its state.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) alarm: Alarm,
    pub(super) status: Status,
    pub(super) previous: Status,
}

impl Change {
    /// The event, without what the bus fills in.
    pub(super) fn event(&self) -> Value {
        let Change { alarm, status, previous } = self;
        let dimensions: Map<String, Value> =
            alarm.metric.dimensions.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut configuration = json!({ "metrics": [{
            "id": metric_id(alarm),
            "metricStat": {
                "metric": {
                    "dimensions": dimensions,
                    "name": alarm.metric.name,
                    "namespace": alarm.metric.namespace,
                },
                "period": alarm.period.as_secs(),
                "stat": alarm.statistic.to_string(),
            },
            "returnData": true,
        }] });
        if let Some(description) = &alarm.description {
            configuration["description"] = description.as_str().into();
        }
        json!({
            "source": "aws.cloudwatch",
            "detail-type": "CloudWatch Alarm State Change",
            "resources": [Alarm::arn(&alarm.name)],
            "detail": {
                "alarmName": alarm.name,
                "configuration": configuration,
                "previousState": state(previous),
                "state": state(status),
            },
        })
    }

    /// The mail's subject: what SNS takes of it, whatever the alarm is called.
    pub(super) fn subject(&self) -> String {
        let name = &self.alarm.name;
        let subject = format!("{}: \"{name}\" in {REGION_NAME}", self.status.state.as_str());
        let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        subject.chars().map(plain).take(MAX_SUBJECT).collect()
    }

    /// The mail's text.
    pub(super) fn text(&self) -> String {
        let Change { alarm, status, previous } = self;
        let (to, from) = (status.state.as_str(), previous.state.as_str());
        let at = status.since.strftime("%A %d %B, %Y %H:%M:%S UTC");
        let metric = &alarm.metric;
        let dimensions: Vec<String> =
            metric.dimensions.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let mut text = format!(
            "You are receiving this email because your Amazon CloudWatch Alarm \"{}\" in the {REGION_NAME} region has \
             entered the {to} state, because \"{}\" at \"{at}\".\n\n",
            alarm.name, status.reason
        );
        let mut section = |title: &str, lines: &[(&str, String)]| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{title}:");
            for (name, value) in lines {
                let _ = writeln!(text, "- {:<28}{value}", format!("{name}:"));
            }
            text.push('\n');
        };
        section(
            "Alarm Details",
            &[
                ("Name", alarm.name.clone()),
                ("Description", alarm.description.clone().unwrap_or_default()),
                ("State Change", format!("{from} -> {to}")),
                ("Reason for State Change", status.reason.clone()),
                ("Timestamp", at.to_string()),
                ("AWS Account", ACCOUNT.to_owned()),
                ("Alarm Arn", Alarm::arn(&alarm.name)),
            ],
        );
        section(
            "Threshold",
            &[
                ("ALARM when the metric is", format!("{:?} {:?}", alarm.comparison, alarm.threshold)),
                (
                    "for at least",
                    format!(
                        "{} of the last {} period(s) of {} seconds",
                        alarm.datapoints_to_alarm,
                        alarm.evaluation_periods,
                        alarm.period.as_secs()
                    ),
                ),
            ],
        );
        section(
            "Monitored Metric",
            &[
                ("MetricNamespace", metric.namespace.clone()),
                ("MetricName", metric.name.clone()),
                ("Dimensions", format!("[{}]", dimensions.join(", "))),
                ("Period", format!("{} seconds", alarm.period.as_secs())),
                ("Statistic", alarm.statistic.to_string()),
                ("TreatMissingData", treatment(alarm.missing_data).to_owned()),
            ],
        );
        let list = |state| format!("[{}]", alarm.actions(state).join(", "));
        section(
            "State Change Actions",
            &[
                ("OK", list(State::Ok)),
                ("ALARM", list(State::Alarm)),
                ("INSUFFICIENT_DATA", list(State::InsufficientData)),
            ],
        );
        text
    }
}

fn state(status: &Status) -> Value {
    let mut state = json!({
        "reason": status.reason,
        "timestamp": millisecond(status.since),
        "value": status.state.as_str(),
    });
    if let Some(data) = &status.reason_data {
        state["reasonData"] = data.as_str().into();
    }
    state
}

/// What an evaluation rests on, as `reasonData` has it (and there as text).
pub(super) fn reason_data(alarm: &Alarm, verdict: &Verdict, now: Timestamp) -> Value {
    let datapoints = &verdict.datapoints;
    let mut data = json!({
        "version": "1.0",
        "queryDate": millisecond(now),
        "period": alarm.period.as_secs(),
        // The oldest first here, and the newest first below.
        "recentDatapoints": datapoints.iter().rev().map(|it| it.value).collect::<Vec<_>>(),
        "threshold": alarm.threshold,
        "evaluatedDatapoints": datapoints
            .iter()
            .map(|it| json!({
                "timestamp": millisecond(it.from),
                "sampleCount": it.samples as f64,
                "value": it.value,
            }))
            .collect::<Vec<_>>(),
    });
    if let Some(oldest) = datapoints.last() {
        data["startDate"] = millisecond(oldest.from).into();
    }
    let kind =
        if matches!(alarm.statistic, Statistic::Extended(_)) { "extendedStatistic" } else { "statistic" };
    data[kind] = alarm.statistic.to_string().into();
    data
}

/// An id of the metric that is the same in all of an alarm's events.
fn metric_id(alarm: &Alarm) -> String {
    use md5::Digest as _;

    let digest = md5::Md5::digest(Alarm::arn(&alarm.name));
    uuid::Builder::from_random_bytes(digest.into()).into_uuid().to_string()
}

fn treatment(missing_data: MissingData) -> &'static str {
    match missing_data {
        MissingData::Missing => "missing",
        MissingData::Ignore => "ignore",
        MissingData::Breaching => "breaching",
        MissingData::NotBreaching => "notBreaching",
    }
}

/// `2019-10-02T17:04:40.985+0000`
fn millisecond(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}
