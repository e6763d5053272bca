//! What an alarm watches, when it goes off, and what `PutMetricAlarm` refuses.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::wire::{ACCOUNT, ApiError, REGION};

/// A metric alarm: one metric, one statistic, a threshold. The ranges are those of
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// 1 to 255 characters.
    pub name: String,
    /// Up to 1,024 characters.
    pub description: Option<String>,
    /// The metric.
    pub metric: Metric,
    /// How the samples of a period become its datapoint.
    pub statistic: Statistic,
    /// A datapoint is over this long: a multiple of a minute.
    pub period: Duration,
    /// How many periods are evaluated ("N").
    pub evaluation_periods: usize,
    /// It goes off when this many of them breach ("M"): at most `evaluation_periods`.
    pub datapoints_to_alarm: usize,
    /// A datapoint that compares so with the threshold breaches.
    pub comparison: Comparison,
    /// In the metric's unit.
    pub threshold: f64,
    /// What a period without data counts as.
    pub missing_data: MissingData,
    /// Whether the actions below are taken; EventBridge gets the event either way.
    pub actions_enabled: bool,
    /// The SNS topics that a change to `ALARM` is published to: at most five.
    pub alarm_actions: Vec<String>,
    /// The same for `OK`.
    pub ok_actions: Vec<String>,
    /// The same for `INSUFFICIENT_DATA`.
    pub insufficient_data_actions: Vec<String>,
}

/// A metric's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// Such as `AWS/SQS`.
    pub namespace: String,
    /// Such as `ApproximateNumberOfMessagesVisible`.
    pub name: String,
    /// Name and value, such as `QueueName` and the queue's name.
    pub dimensions: Vec<(String, String)>,
}

/// How samples become a datapoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statistic {
    /// The mean.
    Average,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// The sum.
    Sum,
    /// How many samples there are.
    SampleCount,
    /// An extended statistic, such as `p99`: taken from templates, and never computed here.
    Extended(String),
}

/// How a datapoint breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Comparison {
    GreaterThanOrEqualToThreshold,
    GreaterThanThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

/// What a period without data counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// Nothing: without any data the state is `INSUFFICIENT_DATA`.
    #[default]
    Missing,
    /// The state stays as it is.
    Ignore,
    /// A datapoint beyond the threshold.
    Breaching,
    /// A datapoint within the threshold.
    NotBreaching,
}

/// An alarm's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Within the threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// Not known: also every alarm's first state.
    InsufficientData,
}

impl Alarm {
    /// The ARN an alarm of this name has.
    #[must_use]
    pub fn arn(name: &str) -> String {
        format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")
    }

    /// The actions of a change to `state`.
    pub(super) fn actions(&self, state: State) -> &[String] {
        match state {
            State::Alarm => &self.alarm_actions,
            State::Ok => &self.ok_actions,
            State::InsufficientData => &self.insufficient_data_actions,
        }
    }

    pub(super) fn breaches(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::GreaterThanOrEqualToThreshold => value >= self.threshold,
            Comparison::GreaterThanThreshold => value > self.threshold,
            Comparison::LessThanThreshold => value < self.threshold,
            Comparison::LessThanOrEqualToThreshold => value <= self.threshold,
        }
    }

    pub(super) fn check(&self) -> Result<(), ApiError> {
        let (seconds, periods) = (self.period.as_secs(), self.evaluation_periods as u64);
        // A week for periods of an hour and more, else a day.
        let longest = if seconds >= 3_600 { 7 * 86_400 } else { 86_400 };
        let actions = [&self.alarm_actions, &self.ok_actions, &self.insufficient_data_actions];
        let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:");
        if !(1..=255).contains(&self.name.chars().count()) {
            Err(invalid("The alarm name must have 1 to 255 characters."))
        } else if self.description.as_ref().is_some_and(|it| it.chars().count() > 1_024) {
            Err(invalid("The alarm description must have at most 1024 characters."))
        } else if seconds == 0 || seconds % 60 != 0 || self.period.subsec_nanos() != 0 {
            // 10, 20 and 30 seconds are for metrics of high resolution, of which there are none here.
            Err(invalid("Period must be a multiple of 60."))
        } else if periods == 0 || seconds.saturating_mul(periods) > longest {
            Err(invalid(format!("Metrics cannot be checked across more than {longest} seconds.")))
        } else if !(1..=self.evaluation_periods).contains(&self.datapoints_to_alarm) {
            Err(invalid("DatapointsToAlarm must be from 1 to EvaluationPeriods."))
        } else if !self.threshold.is_finite() {
            Err(invalid("The threshold must be a finite number."))
        } else if actions.iter().any(|actions| actions.len() > 5) {
            Err(invalid("At most 5 actions can be taken for a state."))
        } else if let Some(other) = actions.into_iter().flatten().find(|arn| !arn.starts_with(&topic)) {
            Err(invalid(format!("the local cloud's alarms act on SNS topics only, not on {other}")))
        } else {
            Ok(())
        }
    }
}

impl Statistic {
    /// What the samples of a period make; nothing without samples.
    pub(super) fn of(&self, samples: impl Iterator<Item = f64> + Clone) -> Option<f64> {
        let count = samples.clone().count();
        if count == 0 {
            return None;
        }
        match self {
            Self::Average => Some(samples.sum::<f64>() / count as f64),
            Self::Minimum => samples.reduce(f64::min),
            Self::Maximum => samples.reduce(f64::max),
            Self::Sum => Some(samples.sum()),
            Self::SampleCount => Some(count as f64),
            Self::Extended(_) => None,
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extended(name) => f.write_str(name),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Comparison {
    /// As reasons have it, behind "was".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::GreaterThanThreshold => "greater than",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }
}

impl State {
    /// As AWS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("ValidationError", message)
}

/// An alarm's state and how it came to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why, in a sentence.
    pub reason: String,
    /// Why, in JSON; none before the first evaluation that changed the state.
    pub reason_data: Option<String>,
    /// When it came to it.
    pub since: Timestamp,
}
