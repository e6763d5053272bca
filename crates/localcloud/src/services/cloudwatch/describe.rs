//! Telling clients of the alarms.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Alarm, CloudWatch, MissingData, Statistic, Status, Watched};
use crate::wire::ApiError;

/// What a client asks for. Paging and action prefixes are left out: a template's alarms fit one answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(default)]
    alarm_names: Vec<String>,
    #[serde(default)]
    alarm_name_prefix: String,
    state_value: Option<String>,
    max_records: Option<usize>,
}

impl CloudWatch {
    /// Answers one operation.
    ///
    /// # Errors
    /// An input that does not fit, and every operation but `DescribeAlarms`.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        if operation != "DescribeAlarms" {
            return Err(ApiError::unsupported("CloudWatch", operation));
        }
        let input: Input =
            serde_json::from_value(input).map_err(|error| super::alarm::invalid(error.to_string()))?;
        let wants = |Watched { alarm, status }: &Watched| {
            (input.alarm_names.is_empty() || input.alarm_names.contains(&alarm.name))
                && alarm.name.starts_with(&input.alarm_name_prefix)
                && input.state_value.as_deref().is_none_or(|state| state == status.state.as_str())
        };
        let alarms = self.watch.alarms();
        let wanted = alarms.named.values().filter(|watched| wants(watched));
        let described: Vec<Value> = wanted
            .take(input.max_records.unwrap_or(100))
            .map(|it| described(&it.alarm, &it.status))
            .collect();
        Ok(json!({ "MetricAlarms": described, "CompositeAlarms": [] }))
    }
}

fn described(alarm: &Alarm, status: &Status) -> Value {
    let dimensions = alarm.metric.dimensions.iter();
    let since = status.since.as_duration().as_secs_f64();
    let mut described = json!({
        "AlarmName": alarm.name,
        "AlarmArn": Alarm::arn(&alarm.name),
        "ActionsEnabled": alarm.actions_enabled,
        "AlarmActions": alarm.alarm_actions,
        "OKActions": alarm.ok_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "StateValue": status.state.as_str(),
        "StateReason": status.reason,
        "StateUpdatedTimestamp": since,
        "StateTransitionedTimestamp": since,
        "Namespace": alarm.metric.namespace,
        "MetricName": alarm.metric.name,
        "Dimensions": dimensions.map(|(name, value)| json!({ "Name": name, "Value": value })).collect::<Vec<_>>(),
        "Period": alarm.period.as_secs(),
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": format!("{:?}", alarm.comparison),
        "TreatMissingData": alarm.missing_data.as_str(),
    });
    let optional = [("AlarmDescription", &alarm.description), ("StateReasonData", &status.reason_data)];
    for (name, text) in optional {
        if let Some(text) = text {
            described[name] = text.as_str().into();
        }
    }
    let statistic =
        if matches!(alarm.statistic, Statistic::Extended(_)) { "ExtendedStatistic" } else { "Statistic" };
    described[statistic] = alarm.statistic.to_string().into();
    described
}

impl MissingData {
    /// As AWS writes it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ignore => "ignore",
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
        }
    }
}
