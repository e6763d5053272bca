//! Alarms of a template.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::{Alarm, CloudWatch, Comparison, Metric, MissingData, Statistic};
use crate::{
    resource::{Count, Flag, ResourceError, read},
    template::{Resource, ResourceType},
    wire::ApiError,
};

pub(crate) const ALARM: ResourceType = ResourceType::new("AWS::CloudWatch::Alarm", |it| {
    it.by_name(it.arn("cloudwatch", format_args!("alarm:{}", it.name)), Vec::new())
})
.named("AlarmName", 255);

/// Of an alarm on one metric. Metric math (`Metrics`) and anomaly detection are not among these, nor is `Unit`, which
/// on AWS leaves an alarm without data when it is not the metric's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct MetricAlarm {
    alarm_description: Option<String>,
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    statistic: Option<Statistics>,
    extended_statistic: Option<String>,
    period: Count,
    evaluation_periods: Count,
    datapoints_to_alarm: Option<Count>,
    threshold: Number,
    comparison_operator: Comparison,
    #[serde(default)]
    treat_missing_data: MissingData,
    #[serde(default = "on")]
    actions_enabled: Flag,
    #[serde(default)]
    alarm_actions: Vec<String>,
    #[serde(default, rename = "OKActions")]
    ok_actions: Vec<String>,
    #[serde(default)]
    insufficient_data_actions: Vec<String>,
}

fn on() -> Flag {
    Flag(true)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Dimension {
    name: String,
    value: String,
}

#[derive(Deserialize)]
enum Statistics {
    Average,
    Minimum,
    Maximum,
    Sum,
    SampleCount,
}

/// A number as templates have it: `1.5` or, from a parameter, `"1.5"`.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| de::Error::custom(format!("{value} is not a number")))
    }
}

/// Creates an alarm.
pub(crate) fn alarm(cloudwatch: &CloudWatch, resource: &Resource) -> Result<(), ResourceError> {
    let alarm: MetricAlarm = read(resource, &["AlarmName", "Tags"])?;
    cloudwatch.put_alarm(alarm.heeded(resource)?)?;
    Ok(())
}

impl MetricAlarm {
    fn heeded(self, resource: &Resource) -> Result<Alarm, ApiError> {
        let statistic = match (self.statistic, self.extended_statistic) {
            (Some(statistic), None) => statistic.heeded(),
            (None, Some(name)) => Statistic::Extended(name),
            _ => {
                let message = "Exactly one of Statistic and ExtendedStatistic must be given.";
                return Err(ApiError::client("ValidationError", message));
            }
        };
        let evaluation_periods = self.evaluation_periods.0 as usize;
        Ok(Alarm {
            name: resource.name.clone(),
            description: self.alarm_description,
            metric: Metric {
                namespace: self.namespace,
                name: self.metric_name,
                dimensions: self.dimensions.into_iter().map(|it| (it.name, it.value)).collect(),
            },
            statistic,
            period: self.period.seconds(),
            evaluation_periods,
            datapoints_to_alarm: self.datapoints_to_alarm.map_or(evaluation_periods, |it| it.0 as usize),
            comparison: self.comparison_operator,
            threshold: self.threshold.0,
            missing_data: self.treat_missing_data,
            actions_enabled: self.actions_enabled.0,
            alarm_actions: self.alarm_actions,
            ok_actions: self.ok_actions,
            insufficient_data_actions: self.insufficient_data_actions,
        })
    }
}

impl Statistics {
    fn heeded(self) -> Statistic {
        match self {
            Self::Average => Statistic::Average,
            Self::Minimum => Statistic::Minimum,
            Self::Maximum => Statistic::Maximum,
            Self::Sum => Statistic::Sum,
            Self::SampleCount => Statistic::SampleCount,
        }
    }
}
