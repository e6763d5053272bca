//! A queue's settings, their ranges, and their names on the wire.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::wire::{ACCOUNT, ApiError, REGION};

const MIB: usize = 1 << 20;
const DAY: u64 = 86_400;

/// The longest a message can stay invisible.
pub(super) const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 3_600);

/// What a queue is created with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// 1 to 80 letters, digits, `-` and `_`.
    pub name: String,
    /// How long a received message stays invisible: up to 12 hours.
    pub visibility_timeout: Duration,
    /// How long a new message stays invisible: up to 15 minutes.
    pub delay: Duration,
    /// How long a message is kept, from when it was first enqueued: 60 s to 14 days.
    pub retention: Duration,
    /// How long a receive waits for a message: up to 20 s.
    pub receive_wait: Duration,
    /// The longest message, attributes included: 1 KiB to 1 MiB.
    pub max_message_bytes: usize,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// When a message counts as dead, and where it goes then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue.
    pub dead_letter_arn: String,
    /// A message received this often goes there instead of being received again: 1 to 1,000.
    pub max_receive_count: u32,
}

impl QueueSettings {
    /// AWS's defaults.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            retention: Duration::from_secs(4 * DAY),
            receive_wait: Duration::ZERO,
            max_message_bytes: MIB,
            redrive: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), ApiError> {
        let name = &self.name;
        if name.ends_with(".fifo") {
            return Err(ApiError::client("UnsupportedOperation", "the local cloud has standard queues only"));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 80 || !name.chars().all(legal) {
            return Err(invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        within("VisibilityTimeout", self.visibility_timeout, 0, MAX_VISIBILITY.as_secs())?;
        within("DelaySeconds", self.delay, 0, 900)?;
        within("MessageRetentionPeriod", self.retention, 60, 14 * DAY)?;
        within("ReceiveMessageWaitTimeSeconds", self.receive_wait, 0, 20)?;
        if !(1_024..=MIB).contains(&self.max_message_bytes) {
            return Err(bad_attribute("MaximumMessageSize"));
        }
        match &self.redrive {
            Some(redrive) if !(1..=1_000).contains(&redrive.max_receive_count) => Err(invalid(format!(
                "Value {} for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: {}, \
                 valid values are from 1 to 1000 both inclusive.",
                redrive.to_json(),
                redrive.max_receive_count
            ))),
            _ => Ok(()),
        }
    }

    /// Sets one attribute by its wire name; false if it is not one of these settings.
    pub(super) fn set(&mut self, name: &str, text: &str) -> Result<bool, ApiError> {
        let number = || text.parse::<u32>().map_err(|_| bad_attribute(name));
        let seconds = || number().map(|n| Duration::from_secs(n.into()));
        match name {
            "VisibilityTimeout" => self.visibility_timeout = seconds()?,
            "DelaySeconds" => self.delay = seconds()?,
            "MessageRetentionPeriod" => self.retention = seconds()?,
            "ReceiveMessageWaitTimeSeconds" => self.receive_wait = seconds()?,
            "MaximumMessageSize" => self.max_message_bytes = number()? as usize,
            // An empty policy removes it.
            "RedrivePolicy" if text.is_empty() => self.redrive = None,
            "RedrivePolicy" => self.redrive = Some(Redrive::parse(text)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The settings under their wire names.
    pub(super) fn attributes(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([
            ("VisibilityTimeout".into(), self.visibility_timeout.as_secs().to_string()),
            ("DelaySeconds".into(), self.delay.as_secs().to_string()),
            ("MessageRetentionPeriod".into(), self.retention.as_secs().to_string()),
            ("ReceiveMessageWaitTimeSeconds".into(), self.receive_wait.as_secs().to_string()),
            ("MaximumMessageSize".into(), self.max_message_bytes.to_string()),
        ]);
        if let Some(redrive) = &self.redrive {
            all.insert("RedrivePolicy".into(), redrive.to_json().to_string());
        }
        all
    }
}

impl Redrive {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let bad = |reason: &str| {
            invalid(format!("Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"))
        };
        let policy: Value =
            serde_json::from_str(text).map_err(|_| bad("Redrive policy is not a valid JSON map."))?;
        let arn = policy["deadLetterTargetArn"].as_str().ok_or_else(|| {
            bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
        })?;
        let count = match &policy["maxReceiveCount"] {
            Value::Null => {
                return Err(bad("Redrive policy does not contain mandatory attribute: maxReceiveCount."));
            }
            // CloudFormation and the consoles write it as text.
            Value::String(digits) => digits.parse().ok(),
            number => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        };
        let max_receive_count = count.ok_or_else(|| bad("Invalid value for maxReceiveCount."))?;
        Ok(Self { dead_letter_arn: arn.into(), max_receive_count })
    }

    fn to_json(&self) -> Value {
        json!({ "deadLetterTargetArn": self.dead_letter_arn, "maxReceiveCount": self.max_receive_count })
    }
}

pub(super) fn check_receive(
    max: usize,
    wait: Option<Duration>,
    visibility: Option<Duration>,
) -> Result<(), ApiError> {
    if !(1..=10).contains(&max) {
        return Err(out_of_range("MaxNumberOfMessages", &max, "Must be between 1 and 10, if provided."));
    }
    if let Some(wait) = wait.filter(|wait| *wait > Duration::from_secs(20)) {
        return Err(out_of_range("WaitTimeSeconds", &wait.as_secs(), "Must be >= 0 and <= 20, if provided."));
    }
    visibility.map_or(Ok(()), check_visibility)
}

pub(super) fn check_visibility(visibility: Duration) -> Result<(), ApiError> {
    if visibility > MAX_VISIBILITY {
        let reason = "Must be between 0 and 43200, if provided.";
        return Err(out_of_range("VisibilityTimeout", &visibility.as_secs(), reason));
    }
    Ok(())
}

pub(super) fn out_of_range(name: &str, value: &dyn std::fmt::Display, reason: &str) -> ApiError {
    invalid(format!("Value {value} for parameter {name} is invalid. Reason: {reason}"))
}

/// A number of a request, which may be negative there and nowhere else.
pub(super) fn natural(name: &str, number: Option<i64>) -> Result<Option<u64>, ApiError> {
    let natural = |n: i64| u64::try_from(n).map_err(|_| out_of_range(name, &n, "Must not be negative."));
    number.map(natural).transpose()
}

/// The same for a number of seconds.
pub(super) fn seconds(name: &str, number: Option<i64>) -> Result<Option<Duration>, ApiError> {
    Ok(natural(name, number)?.map(Duration::from_secs))
}

pub(super) fn exists_otherwise(name: &str) -> ApiError {
    ApiError::client(
        "QueueNameExists",
        format!("A queue named {name} already exists with a different value for an attribute."),
    )
}

pub(super) fn no_dead_letter_queue(redrive: &Redrive) -> ApiError {
    out_of_range("RedrivePolicy", &redrive.to_json(), "Dead letter target does not exist.")
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterValue", message)
}

fn within(name: &str, value: Duration, least: u64, most: u64) -> Result<(), ApiError> {
    let whole = value.subsec_nanos() == 0;
    if whole && (least..=most).contains(&value.as_secs()) { Ok(()) } else { Err(bad_attribute(name)) }
}

pub(super) fn bad_attribute(name: &str) -> ApiError {
    ApiError::client("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

/// That there is no queue of a name.
pub(super) fn no_such_queue() -> ApiError {
    ApiError::client("QueueDoesNotExist", "The specified queue does not exist.")
}

/// The queue's name in an ARN of this account and region.
pub(super) fn name_of(arn: &str) -> Result<&str, ApiError> {
    arn.strip_prefix("arn:aws:sqs:")
        .and_then(|rest| {
            rest.strip_prefix(REGION)?.strip_prefix(':')?.strip_prefix(ACCOUNT)?.strip_prefix(':')
        })
        .filter(|name| !name.is_empty())
        .ok_or_else(no_such_queue)
}
