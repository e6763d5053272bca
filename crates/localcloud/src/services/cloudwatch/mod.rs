//! CloudWatch, as far as alarms on queues and on programs' own metrics go.
//!
//! ```text
//!  each minute: sample the watched queues ─▶ evaluate each alarm on what had arrived a minute ago
//!                                               │ its state changes
//!                                               ├─▶ EventBridge: CloudWatch Alarm State Change
//!                                               └─▶ SNS: the actions for the new state
//! ```
//!
//! So an alarm of one period knows of a message one to two minutes after it came, as on AWS. Like AWS's, alarms are
//! evaluated every minute, also those of longer periods, whose window then slides.
//!
//! `AWS/SQS` metrics with the one dimension `QueueName` have data, and what programs put into their lines of log in the
//! embedded metric format. An alarm on any other, of Lambda or ECS, is taken and finds no data: it stays in
//! `INSUFFICIENT_DATA`, or goes to what its `TreatMissingData` makes of that. Two things are left out: a queue here never sleeps, while SQS stops reporting one that was empty
//! and not called for six hours, and takes up to fifteen minutes to begin again; and only changes of state are
//! events, not alarms being created.
//!
//! A task evaluates them every minute from the first alarm on, and ends with the last [`CloudWatch`], or when it is closed.

mod alarm;
mod describe;
mod embedded;
mod evaluation;
mod metric;
mod notification;
pub(crate) mod required_actions;
pub(crate) mod resources;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clock::Clock;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::alarm::{Alarm, Comparison, Metric, MissingData, State, Statistic, Status};
use self::{
    embedded::Values,
    evaluation::{Verdict, evaluate},
    metric::{Series, of_queue},
    notification::Change,
};
use crate::{
    services::{
        events::EventBridge,
        iam::{RequiredAction, Who},
        sns,
        sns::Sns,
        sqs::Sqs,
    },
    wire::ApiError,
};

/// The alarms. Clones share them.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    watch: Arc<Watch>,
    /// Ends the task, which holds the watch, but not this.
    _end: Arc<DropGuard>,
}

/// What the task needs.
struct Watch {
    clock: Clock,
    sqs: Sqs,
    sns: Sns,
    events: EventBridge,
    alarms: Mutex<Alarms>,
    end: CancellationToken,
}

#[derive(Default)]
struct Alarms {
    named: BTreeMap<String, Watched>,
    /// By the queue's name.
    queues: BTreeMap<String, Series>,
    /// Of programs' own metrics, those that an alarm watches.
    own: BTreeMap<Metric, Values>,
    task: Option<JoinHandle<()>>,
}

struct Watched {
    alarm: Alarm,
    status: Status,
}

impl CloudWatch {
    /// No alarms yet. They watch queues of `sqs`, tell `events`, and act on topics of `sns`.
    #[must_use]
    pub fn new(clock: Clock, sqs: Sqs, sns: Sns, events: EventBridge) -> Self {
        let end = CancellationToken::new();
        let watch = Watch { clock, sqs, sns, events, alarms: Mutex::default(), end: end.clone() };
        Self { watch: Arc::new(watch), _end: Arc::new(end.drop_guard()) }
    }

    /// Creates an alarm, in `INSUFFICIENT_DATA`, and answers its ARN. One of the same name gets the new settings and
    /// keeps its state, as on AWS.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// `ValidationError` for what `PutMetricAlarm` refuses, and for what would be silently wrong here: actions on
    /// other than SNS topics, and extended statistics of metrics that have data.
    pub fn put_alarm(&self, alarm: Alarm) -> Result<String, ApiError> {
        alarm.check()?;
        let arn = Alarm::arn(&alarm.name);
        let mut alarms = self.watch.alarms();
        if let Some((queue, _)) = of_queue(&alarm.metric) {
            if let Statistic::Extended(name) = &alarm.statistic {
                let message = format!("the local cloud does not compute {name} of AWS/SQS metrics");
                return Err(alarm::invalid(message));
            }
            // What passed through the queue before anybody watched is no datapoint.
            let begin = || Series::starting_from(self.watch.sqs.reading(queue).unwrap_or_default().totals);
            alarms.queues.entry(queue.to_owned()).or_insert_with(begin).keep_for(&alarm);
        } else {
            alarms.own.entry(alarm.metric.clone()).or_default().keep_for(&alarm);
        }
        let status = alarms.named.remove(&alarm.name).map_or_else(
            || Status {
                state: State::InsufficientData,
                reason: "Unchecked: Initial alarm creation".to_owned(),
                reason_data: None,
                since: self.watch.clock.now(),
            },
            |existing| existing.status,
        );
        alarms.named.insert(alarm.name.clone(), Watched { alarm, status });
        if alarms.task.is_none() {
            alarms.task = Some(tokio::spawn(evaluate_every_minute(Arc::clone(&self.watch))));
        }
        Ok(arn)
    }

    /// What takes in the metrics of a program's line of log. It does not keep the alarms from ending.
    pub fn reader(&self) -> impl Fn(&str) + Send + Sync + use<> {
        let watch = Arc::downgrade(&self.watch);
        move |line| {
            let Some(watch) = watch.upgrade() else { return };
            let (end, measured) = (next_minute(watch.clock.now()), embedded::read(line));
            let mut alarms = watch.alarms();
            for (metric, value) in measured {
                if let Some(values) = alarms.own.get_mut(&metric) {
                    values.put(end, value);
                }
            }
        }
    }

    /// The state of the alarm of this name, if there is one.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        self.watch.alarms().named.get(name).map(|watched| watched.status.clone())
    }

    /// Stops the evaluation, without waiting for its end; alarms stay in the states they have.
    pub fn close(&self) {
        self.watch.end.cancel();
    }

    /// Stops the evaluation. Nothing is sampled, evaluated or notified when this returns.
    pub async fn shutdown(&self) {
        self.close();
        let task = self.watch.alarms().task.take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(error = %error, "the task that evaluates the alarms failed");
        }
    }
}

/// Samples and evaluates on each minute of the clock, until the end.
async fn evaluate_every_minute(watch: Arc<Watch>) {
    let minutes = async {
        loop {
            let minute = next_minute(watch.clock.now());
            tokio::time::sleep_until(watch.clock.instant(minute)).await;
            watch.evaluate(minute);
        }
    };
    watch.end.run_until_cancelled(minutes).await;
}

/// The full minute after `now`.
fn next_minute(now: Timestamp) -> Timestamp {
    let seconds = now.as_second().div_euclid(60).saturating_add(1).saturating_mul(60);
    // A clock at the end of time stays there.
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

impl Watch {
    /// Evaluates the alarms at this minute and notifies of their changes.
    fn evaluate(&self, minute: Timestamp) {
        // Only when the lock is free again: a rule's target may put an alarm.
        for change in self.changes(minute) {
            self.notify(&change);
        }
    }

    /// Samples the queues, evaluates the alarms, and answers those that changed their state.
    fn changes(&self, minute: Timestamp) -> Vec<Change> {
        let mut alarms = self.alarms();
        let Alarms { named, queues, own, .. } = &mut *alarms;
        for (queue, series) in queues.iter_mut() {
            series.sample(minute, self.sqs.reading(queue));
        }
        let mut changes = Vec::new();
        for Watched { alarm, status } in named.values_mut() {
            if is_too_new(alarm, status, minute) {
                continue;
            }
            let window = match of_queue(&alarm.metric) {
                Some((queue, measure)) => {
                    queues.get(queue).map(|series| series.window(alarm, measure, minute)).unwrap_or_default()
                }
                None => own.get(&alarm.metric).map(|values| values.window(alarm, minute)).unwrap_or_default(),
            };
            let verdict = evaluate(alarm, &window, status.state);
            if verdict.state == status.state {
                continue;
            }
            let next = status_of(alarm, verdict, self.clock.now());
            let previous = std::mem::replace(status, next.clone());
            changes.push(Change { alarm: alarm.clone(), status: next, previous });
        }
        changes
    }

    /// Emits the change's event and takes its actions, each alone: one that fails is logged and does not stop the
    /// others.
    fn notify(&self, change: &Change) {
        self.events.emit(change.event());
        if !change.alarm.actions_enabled {
            return;
        }
        for topic in change.alarm.actions(change.status.state) {
            let required = RequiredAction::new("sns:Publish", topic.as_str())
                .from_source(&Alarm::arn(&change.alarm.name));
            let allowed = self.sqs.iam().authorize(&Who::Service("cloudwatch.amazonaws.com"), &[required]);
            let published = allowed
                .map_err(|refused| refused.api_error(sns::ACCESS_DENIED))
                .and_then(|()| self.sns.publish(topic, Some(&change.subject()), &change.text()));
            if let Err(api_error) = published {
                tracing::error!(alarm.name = change.alarm.name, topic.arn = topic, error = %api_error, "an alarm action failed");
            }
        }
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        // A panic while the lock was held is already reported; the alarms stay usable for the others.
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether silence cannot mean anything yet to an alarm that takes it for a breach: its periods are not over once. AWS's
/// goes off within minutes of being made. But a stack on AWS is made once, and one on a laptop with every start, and who
/// starts it should not read each time that nothing has happened for hours.
fn is_too_new(alarm: &Alarm, status: &Status, now: Timestamp) -> bool {
    let periods = u32::try_from(alarm.evaluation_periods).unwrap_or(u32::MAX);
    let whole = alarm.period.saturating_mul(periods);
    let heard_it_all = status.since.saturating_add(whole).unwrap_or(Timestamp::MAX);
    alarm.missing_data == MissingData::Breaching
        && status.state == State::InsufficientData
        && now < heard_it_all
}

fn status_of(alarm: &Alarm, verdict: Verdict, now: Timestamp) -> Status {
    let reason_data = Some(notification::reason_data(alarm, &verdict, now).to_string());
    Status { state: verdict.state, reason: verdict.reason, reason_data, since: now }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("alarms", &self.alarms().named.keys()).finish_non_exhaustive()
    }
}
