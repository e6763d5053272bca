//! What is counted and timed, for alarms and the dashboard: lines of log in CloudWatch's embedded metric format, from
//! which CloudWatch Logs makes metrics. So a metric costs no call, and none is lost when a process dies on the next
//! line.
//!
//! ```text
//!  put(…) ─▶ an event of tracing ─▶ logging's formatter, which knows the stack ─▶ {"_aws":{…},"Stack":"…",…}
//! ```
//! A program whose logging is set up otherwise, such as the command, emits none.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use domain::{
    job::{Job, State},
    verdict::Kind,
};

pub use domain::metrics::{Metric, NAMESPACE, OUTCOME, STACK, VERDICT, is_line};

/// The target of the events that carry metrics, which logging's formatter knows them by.
pub(crate) const TARGET: &str = "tidemill::metrics";
/// The field of such an event that holds the line but for stack and time.
pub(crate) const FIELD: &str = "metrics";

/// Emits one value.
pub fn put(metric: Metric, value: u64) {
    emit(&[(metric, value)], &[]);
}

/// Emits values that were measured at once.
pub fn put_all(values: &[(Metric, u64)]) {
    emit(values, &[]);
}

/// Emits that this number of records of a job became visible: once, unless the process dies just then.
pub fn done(job: &Job, records: u64, at: Timestamp) {
    let since = job.event_at.unwrap_or(job.created_at);
    // The clocks of S3 and of the task differ a little.
    let took = u64::try_from(at.duration_since(since).as_millis()).unwrap_or(0);
    emit(
        &[(Metric::ObjectsSettled, 1), (Metric::Records, records), (Metric::UploadToVisible, took)],
        &[
            (Metric::ObjectsSettled, 1, OUTCOME, State::Done.as_str()),
            (Metric::Verdicts, 1, VERDICT, Kind::Succeeded.code()),
        ],
    );
}

/// Emits how a job has settled that published nothing: once, but for a process that dies, or an answer that is lost, just then.
pub fn settled(job: &Job) {
    let reason = job.reason().into_iter().map(|reason| (Metric::Verdicts, 1, VERDICT, reason.code.as_str()));
    let outcome = (Metric::ObjectsSettled, 1, OUTCOME, job.state().as_str());
    emit(&[(Metric::ObjectsSettled, 1)], &std::iter::once(outcome).chain(reason).collect::<Vec<_>>());
}

/// Emits how an attempt ended after which the job is tried again.
pub fn ended(verdict: &str) {
    emit(&[], &[(Metric::Verdicts, 1, VERDICT, verdict)]);
}

/// A value with a second dimension and what it is there.
type Split<'a> = (Metric, u64, &'static str, &'a str);

fn emit(values: &[(Metric, u64)], split: &[Split<'_>]) {
    tracing::info!(target: TARGET, metrics = document(values, split));
}

/// The line's members but for the stack and the time, which come before: `"CloudWatchMetrics":[…]}, …}`.
fn document(values: &[(Metric, u64)], split: &[Split<'_>]) -> String {
    let named = |metric: Metric| json!({ "Name": metric.name(), "Unit": metric.unit() });
    let mut directives = Vec::new();
    let mut members = Map::new();
    if !values.is_empty() {
        let metrics: Vec<Value> = values.iter().map(|&(metric, _)| named(metric)).collect();
        directives.push(json!({ "Namespace": NAMESPACE, "Dimensions": [[STACK]], "Metrics": metrics }));
        members.extend(values.iter().map(|&(metric, value)| (metric.name().to_owned(), value.into())));
    }
    for &(metric, value, dimension, is) in split {
        let metrics = [named(metric)];
        directives
            .push(json!({ "Namespace": NAMESPACE, "Dimensions": [[STACK, dimension]], "Metrics": metrics }));
        members.insert(metric.name().to_owned(), value.into());
        members.insert(dimension.to_owned(), is.into());
    }
    let mut text = format!("\"CloudWatchMetrics\":{}}}", Value::from(directives));
    for (name, value) in members {
        // A string takes whatever is written.
        let _ = write!(text, ",{}:{value}", Value::from(name));
    }
    text.push('}');
    text
}

/// The whole line.
pub(crate) fn line(stack: &str, now: Timestamp, document: &str) -> String {
    let stack = Value::from(stack);
    format!("{{\"{STACK}\":{stack},\"_aws\":{{\"Timestamp\":{},{document}", now.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(values: &[(Metric, u64)], split: &[Split<'_>]) -> Value {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let line = line("my \"mill\"", now, &document(values, split));
        assert!(is_line(&line) && !is_line("{\"level\":\"INFO\"}"));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_line_is_in_the_embedded_metric_format() {
        let line = parsed(
            &[(Metric::ObjectsSettled, 1), (Metric::UploadToVisible, 812)],
            &[(Metric::ObjectsSettled, 1, OUTCOME, "done")],
        );
        assert_eq!(
            line,
            json!({
                "Stack": "my \"mill\"",
                "_aws": {
                    "Timestamp": 1_795_262_400_000_u64,
                    "CloudWatchMetrics": [
                        {
                            "Namespace": "Tidemill",
                            "Dimensions": [["Stack"]],
                            "Metrics": [
                                { "Name": "ObjectsSettled", "Unit": "Count" },
                                { "Name": "UploadToVisible", "Unit": "Milliseconds" },
                            ],
                        },
                        {
                            "Namespace": "Tidemill",
                            "Dimensions": [["Stack", "Outcome"]],
                            "Metrics": [{ "Name": "ObjectsSettled", "Unit": "Count" }],
                        },
                    ],
                },
                "ObjectsSettled": 1,
                "UploadToVisible": 812,
                "Outcome": "done",
            })
        );
    }

    #[test]
    fn a_settled_job_says_how_it_ended_and_how_long_that_took() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut job = Job::sample("format = \"csv\"", at("2026-11-21T12:00:01Z"));
        job.event_at = Some(at("2026-11-21T12:00:00Z"));
        let lines = |measure: &dyn Fn()| {
            let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Value>::new()));
            let kept = lines.clone();
            let take = move |line: &str| kept.lock().unwrap().push(serde_json::from_str(line).unwrap());
            let lines_of = crate::logging::lines("mill", clock::Clock::system(), take);
            tracing::dispatcher::with_default(&lines_of, measure);
            std::mem::take(&mut *lines.lock().unwrap())
        };
        let [done] = &lines(&|| done(&job, 7, at("2026-11-21T12:00:02.5Z")))[..] else {
            panic!("one line a job")
        };
        let of = |line: &Value, name: &str| line[name].clone();
        assert_eq!((of(done, "Records"), of(done, "UploadToVisible")), (json!(7), json!(2_500)));
        assert_eq!((of(done, "Outcome"), of(done, "Verdict")), (json!("done"), json!("succeeded")));
        let job = job.in_state(domain::job::Failed::sample("bad_input", at("2026-11-21T12:00:02Z")));
        let [failed] = &lines(&|| settled(&job))[..] else { panic!("one line a job") };
        assert_eq!((of(failed, "Outcome"), of(failed, "Verdict")), (json!("failed"), json!("bad_input")));
        assert_eq!(of(failed, "UploadToVisible"), Value::Null);
    }
}
