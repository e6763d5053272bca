//! A schedule's settings, and what Scheduler refuses of them. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Expression;
use crate::wire::ApiError;

/// A schedule of the group `default`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// 1 to 64 letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// When it fires.
    pub expression: Expression,
    /// A disabled one does not.
    pub enabled: bool,
    /// It fires from this time on.
    pub start: Option<Timestamp>,
    /// It fires before this time.
    pub end: Option<Timestamp>,
    /// How much later it may fire, in whole minutes up to a day: its flexible time window. Zero is none.
    pub window: Duration,
    /// What it calls.
    pub target: Target,
}

/// What a schedule calls, and how often it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// A Lambda function or an SQS queue.
    pub arn: String,
    /// The role in which Scheduler calls it.
    pub role_arn: String,
    /// What the target gets, with `<aws.scheduler.…>` where a context attribute goes: JSON for a function, any text
    /// for a queue. None is Scheduler's notification.
    pub input: Option<String>,
    /// How often a failed call is tried again: up to 185.
    pub max_attempts: u32,
    /// How long it is tried: 60 s to 24 h.
    pub max_age: Duration,
    /// The queue that gets what could not be delivered; without one it is dropped.
    pub dead_letter_arn: Option<String>,
}

impl Target {
    /// A target with AWS's defaults: the notification, 185 more tries within 24 hours, then dropped.
    #[must_use]
    pub fn new(arn: &str, role_arn: &str) -> Self {
        Self {
            arn: arn.into(),
            role_arn: role_arn.into(),
            input: None,
            max_attempts: 185,
            max_age: Duration::from_secs(24 * 3_600),
            dead_letter_arn: None,
        }
    }

    pub(super) fn is_queue(&self) -> bool {
        self.arn.starts_with("arn:aws:sqs:")
    }

    fn check(&self) -> Result<(), ApiError> {
        if !self.is_queue() && !self.arn.starts_with("arn:aws:lambda:") {
            return Err(api_error(format!(
                "Provided Arn is not in correct format: the local cloud's schedules call Lambda functions and SQS \
                 queues, and {} is neither.",
                self.arn
            )));
        }
        if !self.role_arn.starts_with("arn:aws:iam:") {
            return Err(api_error(format!("{} at 'target.roleArn' is not a role's ARN.", self.role_arn)));
        }
        let is_json = |text: &String| serde_json::from_str::<Value>(text).is_ok();
        if !self.is_queue() && self.input.as_ref().is_some_and(|input| !is_json(input)) {
            return Err(api_error("Parameter Input of a Lambda target is not valid: it must be JSON text."));
        }
        if self.max_attempts > 185 {
            return Err(api_error("MaximumRetryAttempts must be between 0 and 185."));
        }
        if !(60..=86_400).contains(&self.max_age.as_secs()) {
            return Err(api_error("MaximumEventAgeInSeconds must be between 60 and 86400."));
        }
        match &self.dead_letter_arn {
            Some(arn) if !arn.starts_with("arn:aws:sqs:") => {
                Err(api_error(format!("{arn} at 'target.deadLetterConfig.arn' is not a queue's ARN.")))
            }
            _ => Ok(()),
        }
    }
}

impl Schedule {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(legal) {
            return Err(api_error(format!(
                "Value '{}' at 'name' failed to satisfy constraint: 1 to 64 of [0-9a-zA-Z-_.]",
                self.name
            )));
        }
        let minutes = self.window.as_secs() / 60;
        if minutes > 1_440 || self.window != Duration::from_secs(minutes * 60) {
            return Err(api_error("MaximumWindowInMinutes must be between 1 and 1440."));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start >= end
        {
            return Err(api_error(format!("The EndDate {end} must be after the StartDate {start}.")));
        }
        self.target.check()
    }
}

fn api_error(message: impl Into<String>) -> ApiError {
    ApiError::client("ValidationException", message)
}

/// How far into its flexible window a firing is: whole seconds, another for each schedule and time, and the same in
/// every run.
pub(super) fn point_in_window(schedule_arn: &str, at: Timestamp, window: Duration) -> Duration {
    if window.is_zero() {
        return Duration::ZERO;
    }
    let digest = Sha256::digest(format!("{schedule_arn}/{at}"));
    let drawn = digest.iter().take(8).fold(0_u64, |drawn, byte| (drawn << 8) | u64::from(*byte));
    Duration::from_secs(drawn % window.as_secs())
}
