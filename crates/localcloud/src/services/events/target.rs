//! Targets: where a rule's events go, in which form, and how often it is tried.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use crate::wire::ApiError;

/// One target of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Unique within the rule.
    pub id: String,
    /// A queue, or what a sink was registered for.
    pub arn: String,
    /// The queue that gets what could not be delivered; without one it is dropped.
    pub dead_letter_arn: Option<String>,
    /// How often a failed delivery is tried again: up to 185.
    pub max_attempts: u32,
    /// How long it is tried: 60 s to 24 h.
    pub max_age: Duration,
    /// What of the event is delivered.
    pub input: Input,
}

/// What a target gets.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Input {
    /// The event.
    #[default]
    Event,
    /// Always this text of JSON.
    Constant(String),
    /// The part of the event at this path, such as `$.detail`.
    Path(String),
    /// A template with `<name>` where a part of the event goes.
    Transformer {
        /// The path of each name.
        paths: BTreeMap<String, String>,
        /// JSON or a quoted string, with the names in it.
        template: String,
    },
}

impl Target {
    /// A target with AWS's defaults: the whole event, 185 more attempts within 24 hours, then dropped.
    #[must_use]
    pub fn new(id: &str, arn: &str) -> Self {
        Self {
            id: id.into(),
            arn: arn.into(),
            dead_letter_arn: None,
            max_attempts: 185,
            max_age: Duration::from_secs(24 * 3_600),
            input: Input::Event,
        }
    }

    fn check(&self) -> Result<(), ApiError> {
        let refuse = |message: &str| Err(ApiError::client("ValidationException", message));
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(legal) {
            return refuse("A target's Id must be 1 to 64 of [\\.\\-_A-Za-z0-9].");
        }
        if !self.arn.starts_with("arn:") {
            return refuse(&format!("Parameter Arn is not valid. Reason: {} is not an ARN.", self.arn));
        }
        if self.max_attempts > 185 {
            return refuse("MaximumRetryAttempts must be at most 185.");
        }
        if !(60..=86_400).contains(&self.max_age.as_secs()) {
            return refuse("MaximumEventAgeInSeconds must be between 60 and 86400.");
        }
        match &self.dead_letter_arn {
            Some(arn) if !arn.starts_with("arn:aws:sqs:") => refuse(
                "Parameter DeadLetterConfig.Arn is not valid. Reason: it must be the ARN of an SQS queue.",
            ),
            _ => self.input.check(),
        }
    }
}

/// Checks a rule's targets together.
pub(super) fn check_all(targets: &[Target]) -> Result<(), ApiError> {
    if targets.len() > 5 {
        return Err(ApiError::client(
            "LimitExceededException",
            "The requested resource exceeds the maximum number allowed: 5 targets per rule.",
        ));
    }
    let ids: BTreeSet<&str> = targets.iter().map(|target| target.id.as_str()).collect();
    if ids.len() < targets.len() {
        return Err(ApiError::client("ValidationException", "Two targets of a rule have the same Id."));
    }
    targets.iter().try_for_each(Target::check)
}

impl Input {
    fn check(&self) -> Result<(), ApiError> {
        let refuse = |message: String| Err(ApiError::client("ValidationException", message));
        match self {
            Self::Constant(text) if serde_json::from_str::<Value>(text).is_err() => {
                refuse("Parameter Input is not valid. Reason: it must be JSON text.".into())
            }
            Self::Path(path) if !path.starts_with('$') => {
                refuse(format!("Parameter InputPath is not valid. Reason: {path} does not begin with $."))
            }
            Self::Transformer { paths, template } => {
                if let Some(path) = paths.values().find(|path| !path.starts_with('$')) {
                    return refuse(format!("Invalid InputPathsMap argument: {path} does not begin with $."));
                }
                match names_in(template)
                    .into_iter()
                    .find(|n| !n.starts_with("aws.") && !paths.contains_key(*n))
                {
                    Some(name) => refuse(format!(
                        "Invalid InputTemplate for target: it uses <{name}>, which InputPathsMap does not have."
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What is delivered for this event: the text for a queue.
    pub(super) fn text(&self, event: &Value, rule_arn: &str) -> String {
        match self {
            Self::Event => event.to_string(),
            Self::Constant(text) => text.clone(),
            Self::Path(path) => at(event, path).cloned().unwrap_or_default().to_string(),
            Self::Transformer { paths, template } => transformed(event, rule_arn, paths, template),
        }
    }
}

/// The names between angle brackets, in order.
fn names_in(template: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((name, after_name)) = after.split_once('>') else { break };
        if is_name(name) {
            names.push(name);
            rest = after_name;
        } else {
            rest = after;
        }
    }
    names
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn transformed(event: &Value, rule_arn: &str, paths: &BTreeMap<String, String>, template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut quoted = false;
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((name, after)) = rest[1..].split_once('>')
            && is_name(name)
        {
            let value = named(event, rule_arn, paths, name);
            match value {
                // Inside quotes a string goes in without its own, anything else as its JSON, escaped.
                Some(value) if quoted => {
                    let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let escaped = Value::String(plain).to_string();
                    text.push_str(&escaped[1..escaped.len() - 1]);
                }
                Some(value) => text.push_str(&value.to_string()),
                None if quoted => {}
                None => text.push_str("null"),
            }
            rest = after;
            continue;
        }
        if c == '\\'
            && let Some(escaped) = rest[1..].chars().next()
        {
            text.extend([c, escaped]);
            rest = &rest[1 + escaped.len_utf8()..];
            continue;
        }
        quoted ^= c == '"';
        text.push(c);
        rest = &rest[c.len_utf8()..];
    }
    text
}

fn named(event: &Value, rule_arn: &str, paths: &BTreeMap<String, String>, name: &str) -> Option<Value> {
    match name {
        "aws.events.rule-arn" => Some(rule_arn.into()),
        "aws.events.rule-name" => rule_arn.rsplit('/').next().map(Value::from),
        "aws.events.event" | "aws.events.event.json" => Some(event.clone()),
        "aws.events.event.ingestion-time" => event.get("time").cloned(),
        name => at(event, paths.get(name)?).cloned(),
    }
}

/// The value at a path such as `$.detail.containers[0].exitCode`.
fn at<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = event;
    for part in path.strip_prefix('$')?.split('.').skip(1) {
        let (name, indexes) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        value = value.get(name)?;
        for index in indexes.into_iter().flat_map(|rest| rest.split('[')) {
            value = value.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
        }
    }
    Some(value)
}
