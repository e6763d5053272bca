//! The metrics there are: those that SQS reports of its queues, a sample a minute.
//!
//! Their names and meanings:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use super::{
    alarm::{Alarm, Metric, Statistic},
    evaluation::{Datapoint, MORE_PERIODS},
};
use crate::services::sqs::{Reading, Totals};

/// The namespace of the queues' metrics.
const NAMESPACE: &str = "AWS/SQS";

/// How often a queue is measured.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// So long after it was taken, a sample can be read: SQS's "are pushed at one-minute intervals", and the latest has
/// not arrived yet when an alarm is evaluated.
pub(super) const LATE: Duration = MINUTE;

/// What is measured at a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueMetric {
    Visible,
    NotVisible,
    Delayed,
    AgeOfOldest,
    Sent,
    Received,
    Deleted,
}

/// The queue and the measure that a metric is of; none for what has no data here.
pub(super) fn of_queue(metric: &Metric) -> Option<(&str, QueueMetric)> {
    let [(dimension, queue)] = metric.dimensions.as_slice() else { return None };
    let measure = match metric.name.as_str() {
        _ if metric.namespace != NAMESPACE || dimension != "QueueName" => return None,
        "ApproximateNumberOfMessagesVisible" => QueueMetric::Visible,
        "ApproximateNumberOfMessagesNotVisible" => QueueMetric::NotVisible,
        "ApproximateNumberOfMessagesDelayed" => QueueMetric::Delayed,
        "ApproximateAgeOfOldestMessage" => QueueMetric::AgeOfOldest,
        "NumberOfMessagesSent" => QueueMetric::Sent,
        "NumberOfMessagesReceived" => QueueMetric::Received,
        "NumberOfMessagesDeleted" => QueueMetric::Deleted,
        _ => return None,
    };
    Some((queue, measure))
}

/// For how long samples are kept for an alarm.
pub(super) fn kept_for(alarm: &Alarm) -> Duration {
    let periods = u32::try_from(alarm.evaluation_periods + MORE_PERIODS).unwrap_or(u32::MAX);
    alarm.period.saturating_mul(periods) + LATE + MINUTE
}

/// The periods that an alarm evaluates, each from when until when, the newest first, which is over at `end`.
pub(super) fn periods(alarm: &Alarm, end: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let period = alarm.period;
    let older = move |&(from, _): &(Timestamp, Timestamp)| Some((from - period, from));
    std::iter::successors(Some((end - period, end)), older).take(alarm.evaluation_periods + MORE_PERIODS)
}

/// One queue's minute.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// When the minute was over and the queue was measured.
    taken: Timestamp,
    /// The counts are the queue's then, the totals the minute's.
    reading: Reading,
}

impl Sample {
    fn value(&self, metric: QueueMetric) -> f64 {
        let Reading { counts, totals } = self.reading;
        match metric {
            QueueMetric::Visible => counts.visible as f64,
            QueueMetric::NotVisible => counts.in_flight as f64,
            QueueMetric::Delayed => counts.delayed as f64,
            // In whole seconds, as SQS reports it.
            QueueMetric::AgeOfOldest => counts.oldest_age.as_secs() as f64,
            QueueMetric::Sent => totals.sent as f64,
            QueueMetric::Received => totals.received as f64,
            QueueMetric::Deleted => totals.deleted as f64,
        }
    }
}

/// The samples of one queue, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// What the queue's totals were when it was measured last.
    totals: Totals,
    samples: VecDeque<Sample>,
    keep: Duration,
}

impl Series {
    /// Begins to count a queue, from `totals` on.
    pub(super) fn starting_from(totals: Totals) -> Self {
        Self { totals, ..Self::default() }
    }

    /// Keeps samples for as long as `alarm` needs them.
    pub(super) fn keep_for(&mut self, alarm: &Alarm) {
        self.keep = self.keep.max(kept_for(alarm));
    }

    /// Takes in a measurement; none of a queue that is not there, whose metrics have no data.
    pub(super) fn sample(&mut self, taken: Timestamp, reading: Option<Reading>) {
        while self.samples.front().is_some_and(|oldest| oldest.taken + self.keep < taken) {
            self.samples.pop_front();
        }
        let Some(Reading { counts, totals }) = reading else {
            self.totals = Totals::default();
            return;
        };
        // Less than before is another queue of the same name.
        let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let passed = Totals {
            sent: since(totals.sent, self.totals.sent),
            received: since(totals.received, self.totals.received),
            deleted: since(totals.deleted, self.totals.deleted),
        };
        self.totals = totals;
        self.samples.push_back(Sample { taken, reading: Reading { counts, totals: passed } });
    }

    /// The datapoints an alarm sees at `now`, the newest first: of periods that end when the latest sample arrived.
    pub(super) fn window(
        &self,
        alarm: &Alarm,
        metric: QueueMetric,
        now: Timestamp,
    ) -> Vec<Option<Datapoint>> {
        let datapoint = |(from, end)| self.datapoint(&alarm.statistic, metric, from, end);
        periods(alarm, now - LATE).map(datapoint).collect()
    }

    fn datapoint(
        &self,
        statistic: &Statistic,
        metric: QueueMetric,
        from: Timestamp,
        end: Timestamp,
    ) -> Option<Datapoint> {
        // A sample belongs to the minute it closes.
        let first = self.samples.partition_point(|sample| sample.taken <= from);
        let last = self.samples.partition_point(|sample| sample.taken <= end);
        let values = self.samples.range(first..last).map(|sample| sample.value(metric));
        Some(Datapoint { from, value: statistic.of(values)?, samples: last - first })
    }
}
