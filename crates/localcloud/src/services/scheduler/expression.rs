//! Schedule expressions, and the times they mean. Pure.

use std::{fmt, time::Duration};

use awscron::{Cron, CronError};
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{TimeZone, TimeZoneDatabase},
};

/// An expression or time zone that AWS would refuse, and what it would take instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(String);

impl ExpressionError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<CronError> for ExpressionError {
    fn from(error: CronError) -> Self {
        Self(error.to_string())
    }
}

/// When a schedule fires: `at(…)`, `rate(…)` or `cron(…)`, in a time zone.
///
/// [Schedule types](https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
#[derive(Clone, PartialEq)]
pub struct Expression {
    text: String,
    times: Times,
    zone: TimeZone,
}

#[derive(Debug, Clone, PartialEq)]
enum Times {
    Once(DateTime),
    Every(Duration),
    Cron(Box<Cron>),
}

impl Expression {
    /// Reads an expression of EventBridge Scheduler; `zone` is an IANA name such as `Europe/Berlin`.
    ///
    /// # Errors
    /// What AWS would refuse, with what is allowed.
    pub fn parse(text: &str, zone: &str) -> Result<Self, ExpressionError> {
        // The database that was built in, so that a schedule means the same on every machine.
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| ExpressionError::new(format!("{zone} is not a time zone of the IANA database")))?;
        let times = match text.strip_suffix(')').and_then(|it| it.split_once('(')) {
            Some(("at", time)) => Times::Once(at(time)?),
            Some(("rate", rate)) => Times::Every(interval(rate)?),
            Some(("cron", fields)) => Times::Cron(Box::new(Cron::parse(fields)?)),
            _ => {
                return Err(ExpressionError::new(format!(
                    "{text} is not a schedule expression: at(yyyy-mm-ddThh:mm:ss), rate(value unit) and cron(fields) are"
                )));
            }
        };
        Ok(Self { text: text.to_owned(), times, zone })
    }

    /// Reads the expression of a scheduled rule: UTC, no `at(…)`, and the unit of a rate agrees with its value.
    ///
    /// # Errors
    /// What AWS would refuse, with what is allowed.
    pub fn of_rule(text: &str) -> Result<Self, ExpressionError> {
        let expression = Self::parse(text, "UTC")?;
        let agrees = match text.strip_prefix("rate(") {
            Some(rate) => rate.starts_with("1 ") != rate.ends_with("s)"),
            None => true,
        };
        if !agrees || matches!(expression.times, Times::Once(_)) {
            return Err(ExpressionError::new(format!(
                "{text} is not a rule's schedule: cron(fields), rate(1 minute|hour|day) and rate(value \
                 minutes|hours|days) are"
            )));
        }
        Ok(expression)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first time after `after` at which a schedule fires that was created at `created` and may fire from
    /// `start` and until `end`:
    /// - `at`: once, whatever start and end are; never, if that has passed;
    /// - `rate`: at the start and every interval from there; without a start, first an interval after the creation;
    /// - `cron`: at the times of its wall. One that the clock skips in spring is skipped, and one that it repeats
    ///   in autumn counts once, the first time.
    #[must_use]
    pub fn next(
        &self,
        created: Timestamp,
        (start, end): (Option<Timestamp>, Option<Timestamp>),
        after: Timestamp,
    ) -> Option<Timestamp> {
        let next = match &self.times {
            Times::Once(at) => {
                let at = self.zone.to_timestamp(*at).ok()?;
                return (at > after).then_some(at);
            }
            Times::Every(interval) => {
                let first = match start {
                    Some(start) => start,
                    None => created.checked_add(*interval).ok()?,
                };
                every(first, *interval, after)
            }
            Times::Cron(cron) => {
                // A start that is a time of the schedule is one at which it fires.
                let before_start =
                    start.and_then(|start| start.checked_sub(SignedDuration::from_nanos(1)).ok());
                cron.next(&self.zone, after.max(before_start.unwrap_or(after)))
            }
        }?;
        (next < end.unwrap_or(Timestamp::MAX)).then_some(next)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        f.debug_tuple("Expression").field(&self.text).field(&zone).finish()
    }
}

fn at(text: &str) -> Result<DateTime, ExpressionError> {
    let wrong = || ExpressionError::new(format!("at({text}) is not at(yyyy-mm-ddThh:mm:ss)"));
    // Wider forms, such as with a space or a fraction, are not AWS's.
    let form = b"0000-00-00T00:00:00";
    let fits = text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    if fits { text.parse().map_err(|_| wrong()) } else { Err(wrong()) }
}

fn interval(text: &str) -> Result<Duration, ExpressionError> {
    let wrong = || {
        ExpressionError::new(format!(
            "rate({text}) is not rate(value unit), with a whole value from 1 and the unit minutes, hours or days"
        ))
    };
    let (value, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let unit_seconds: u64 = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        // Always 24 hours, whatever the clock on the wall does.
        "day" | "days" => 86_400,
        _ => return Err(wrong()),
    };
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let value: u32 = if digits { value.parse().map_err(|_| wrong())? } else { 0 };
    if value == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(u64::from(value) * unit_seconds))
}

/// The first of `first`, `first + interval`, … that is after `after`.
fn every(first: Timestamp, interval: Duration, after: Timestamp) -> Option<Timestamp> {
    if after < first {
        return Some(first);
    }
    let passed = u128::try_from(after.as_nanosecond() - first.as_nanosecond()).ok()?;
    let intervals = passed / interval.as_nanos() + 1;
    interval.checked_mul(u32::try_from(intervals).ok()?).and_then(|ahead| first.checked_add(ahead).ok())
}
