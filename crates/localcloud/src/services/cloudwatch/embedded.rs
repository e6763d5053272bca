//! Metrics that programs put into their lines of log, in the embedded metric format.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    alarm::{Alarm, Metric, Statistic},
    evaluation::Datapoint,
    metric::{kept_for, periods},
};

/// What a line says, by metric: one for each set of dimensions. Nothing of a line that is not in the format, as
/// CloudWatch Logs makes no metric of it.
pub(super) fn read(line: &str) -> Vec<(Metric, f64)> {
    let Ok(line) = serde_json::from_str::<Line>(line) else { return Vec::new() };
    let mut found = Vec::new();
    for directive in &line.aws.directives {
        for names in &directive.dimensions {
            let dimension =
                |name: &String| Some((name.clone(), line.members.get(name)?.as_str()?.to_owned()));
            let Some(dimensions) = names.iter().map(dimension).collect::<Option<Vec<_>>>() else { continue };
            for Named { name } in &directive.metrics {
                let values = match line.members.get(name) {
                    Some(Value::Array(values)) => values.iter().filter_map(Value::as_f64).collect(),
                    Some(value) => Vec::from_iter(value.as_f64()),
                    None => Vec::new(),
                };
                let (namespace, name) = (directive.namespace.clone(), name.clone());
                let metric = Metric { namespace, name, dimensions: dimensions.clone() };
                found.extend(values.into_iter().map(|value| (metric.clone(), value)));
            }
        }
    }
    found
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "_aws")]
    aws: Header,
    #[serde(flatten)]
    members: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "CloudWatchMetrics")]
    directives: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
}

/// The values of one metric, minute by minute, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Values {
    minutes: VecDeque<Minute>,
    keep: Duration,
}

/// What was put in one minute.
#[derive(Debug, Clone, Copy)]
struct Minute {
    /// When it is over.
    end: Timestamp,
    count: usize,
    sum: f64,
    least: f64,
    greatest: f64,
}

impl Values {
    /// Keeps values for as long as `alarm` needs them.
    pub(super) fn keep_for(&mut self, alarm: &Alarm) {
        self.keep = self.keep.max(kept_for(alarm));
    }

    /// Takes a value that was put in the minute that ends at `end`, which is not earlier than any before.
    pub(super) fn put(&mut self, end: Timestamp, value: f64) {
        while self.minutes.front().is_some_and(|oldest| oldest.end + self.keep < end) {
            self.minutes.pop_front();
        }
        match self.minutes.back_mut().filter(|last| last.end == end) {
            Some(last) => {
                last.count += 1;
                last.sum += value;
                last.least = last.least.min(value);
                last.greatest = last.greatest.max(value);
            }
            None => {
                self.minutes.push_back(Minute { end, count: 1, sum: value, least: value, greatest: value });
            }
        }
    }

    /// The datapoints an alarm sees at `now`, the newest first.
    pub(super) fn window(&self, alarm: &Alarm, now: Timestamp) -> Vec<Option<Datapoint>> {
        // Lines of log arrive within seconds: the minute that is just over is there.
        periods(alarm, now).map(|(from, end)| self.datapoint(&alarm.statistic, from, end)).collect()
    }

    fn datapoint(&self, statistic: &Statistic, from: Timestamp, end: Timestamp) -> Option<Datapoint> {
        let first = self.minutes.partition_point(|minute| minute.end <= from);
        let last = self.minutes.partition_point(|minute| minute.end <= end);
        let minutes = || self.minutes.range(first..last);
        let samples: usize = minutes().map(|minute| minute.count).sum();
        if samples == 0 {
            return None;
        }
        let sum = minutes().map(|minute| minute.sum).sum::<f64>();
        let value = match statistic {
            Statistic::Average => sum / samples as f64,
            Statistic::Minimum => minutes().map(|minute| minute.least).reduce(f64::min)?,
            Statistic::Maximum => minutes().map(|minute| minute.greatest).reduce(f64::max)?,
            Statistic::Sum => sum,
            Statistic::SampleCount => samples as f64,
            Statistic::Extended(_) => return None,
        };
        Some(Datapoint { from, value, samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_by_its_directives() {
        let line = r#"{"Stack":"mill","_aws":{"Timestamp":1,"CloudWatchMetrics":[
            {"Namespace":"Tidemill","Dimensions":[["Stack"],["Stack","Outcome"],["Gone"]],
             "Metrics":[{"Name":"Settled","Unit":"Count"},{"Name":"Took"},{"Name":"Absent"}]}]},
            "Outcome":"done","Settled":1,"Took":[3,4.5]}"#;
        let found: Vec<_> = read(line)
            .into_iter()
            .map(|(metric, value)| (metric.name, metric.dimensions.len(), value))
            .collect();
        let expected = [("Settled", 1, 1.0), ("Took", 1, 3.0), ("Took", 1, 4.5)];
        let expected = expected.into_iter().chain([("Settled", 2, 1.0), ("Took", 2, 3.0), ("Took", 2, 4.5)]);
        assert_eq!(
            found,
            expected
                .map(|(name, dimensions, value)| (name.to_owned(), dimensions, value))
                .collect::<Vec<_>>()
        );
        for other in [
            "",
            "plain words",
            "{\"level\":\"INFO\"}",
            "{\"_aws\":{}}",
            "{\"_aws\":{\"CloudWatchMetrics\":[{}]}}",
        ] {
            assert!(read(other).is_empty(), "{other}");
        }
    }
}
