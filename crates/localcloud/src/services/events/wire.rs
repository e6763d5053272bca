//! The operations as clients call them: AWS JSON 1.1.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{EventBridge, Input, Pattern, PatternError, Rule, Target, check_name, target};
use crate::wire::ApiError;

/// The most a PutEvents request may have, and so one of its entries.
const MAX_ENTRY_BYTES: usize = 1 << 20;

impl From<PatternError> for ApiError {
    fn from(error: PatternError) -> Self {
        let PatternError { path, reason } = error;
        Self::client(
            "InvalidEventPatternException",
            format!("Event pattern is not valid. Reason: {reason} at {path}"),
        )
    }
}

impl EventBridge {
    /// Answers one operation of the EventBridge API.
    ///
    /// # Errors
    /// What AWS refuses, and operations this cloud does not have.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "PutEvents" => self.put_events(input),
            "PutRule" => self.wire_put_rule(input),
            "PutTargets" => self.put_targets(input),
            "ListRules" => {
                let input: ListRulesInput = parse(input)?;
                default_bus(input.event_bus_name.as_deref())?;
                let state = self.bus.state();
                let rules = state.rules.values().filter(|rule| rule.name.starts_with(&input.name_prefix));
                Ok(json!({ "Rules": rules.map(described).collect::<Vec<_>>() }))
            }
            "DescribeRule" => {
                let input: RuleInput = parse(input)?;
                default_bus(input.event_bus_name.as_deref())?;
                self.with_rule(&input.name, described)
            }
            "ListTargetsByRule" => {
                let input: TargetsInput = parse(input)?;
                default_bus(input.event_bus_name.as_deref())?;
                self.with_rule(
                    &input.rule,
                    |rule| json!({ "Targets": rule.targets.iter().map(target_json).collect::<Vec<_>>() }),
                )
            }
            "TestEventPattern" => {
                let input: TestInput = parse(input)?;
                let pattern = pattern(&input.event_pattern)?;
                let event: Value = serde_json::from_str(&input.event)
                    .map_err(|error| validation(format!("Parameter Event is not valid. Reason: {error}")))?;
                if !event.is_object() {
                    return Err(validation(
                        "Parameter Event is not valid. Reason: it must be a JSON object.",
                    ));
                }
                Ok(json!({ "Result": pattern.matches(&event) }))
            }
            _ => Err(ApiError::unsupported("EventBridge", operation)),
        }
    }

    fn put_events(&self, input: Value) -> Result<Value, ApiError> {
        let input: PutEventsInput = parse(input)?;
        if !(1..=10).contains(&input.entries.len()) {
            return Err(validation("Member must have length between 1 and 10 at 'entries'."));
        }
        let bytes: usize = input.entries.iter().map(Entry::size_bytes).sum();
        if bytes > MAX_ENTRY_BYTES {
            return Err(validation("Total size of the entries in the request is over the limit."));
        }
        let results: Vec<Result<String, ApiError>> =
            input.entries.into_iter().map(|entry| self.put_event(entry)).collect();
        let failed = results.iter().filter(|result| result.is_err()).count();
        let entries: Vec<Value> = results
            .into_iter()
            .map(|result| match result {
                Ok(id) => json!({ "EventId": id }),
                Err(error) => json!({ "ErrorCode": error.code, "ErrorMessage": error.message }),
            })
            .collect();
        Ok(json!({ "FailedEntryCount": failed, "Entries": entries }))
    }

    fn put_event(&self, entry: Entry) -> Result<String, ApiError> {
        let argument = |name: &str, text: Option<String>| {
            text.filter(|text| !text.is_empty()).ok_or_else(|| {
                ApiError::client(
                    "InvalidArgument",
                    format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
                )
            })
        };
        default_bus(entry.event_bus_name.as_deref())?;
        let source = argument("Source", entry.source)?;
        let detail_type = argument("DetailType", entry.detail_type)?;
        let detail = argument("Detail", entry.detail)?;
        if source.starts_with("aws.") {
            return Err(ApiError::client(
                "NotAuthorizedForSourceException",
                "Not authorized for the source.",
            ));
        }
        let detail: Value = serde_json::from_str(&detail)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| ApiError::client("MalformedDetail", "Detail is malformed."))?;
        let mut event = json!({
            "source": source, "detail-type": detail_type, "detail": detail, "resources": entry.resources,
        });
        if let Some(time) = entry.time {
            event["time"] = time_of(&time)?.into();
        }
        let event = self.completed(event);
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        self.emit(event);
        Ok(id)
    }

    fn wire_put_rule(&self, input: Value) -> Result<Value, ApiError> {
        let input: PutRuleInput = parse(input)?;
        default_bus(input.event_bus_name.as_deref())?;
        check_name(&input.name)?;
        let Some(text) = input.event_pattern else {
            return Err(validation(
                "Parameter(s) EventPattern must be specified; the local cloud's rules get their schedules from the template.",
            ));
        };
        let enabled = match input.state.as_deref() {
            None | Some("ENABLED" | "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS") => true,
            Some("DISABLED") => false,
            Some(other) => return Err(validation(format!("Value '{other}' at 'state' is not a state."))),
        };
        let pattern = pattern(&text)?;
        let mut state = self.bus.state();
        // A repeat changes the rule and keeps its targets.
        let targets = state.rules.remove(&input.name).map(|rule| rule.targets).unwrap_or_default();
        let arn = Self::rule_arn(&input.name);
        state.rules.insert(input.name.clone(), Rule { name: input.name, pattern, enabled, targets });
        Ok(json!({ "RuleArn": arn }))
    }

    fn put_targets(&self, input: Value) -> Result<Value, ApiError> {
        let input: PutTargetsInput = parse(input)?;
        default_bus(input.event_bus_name.as_deref())?;
        let mut state = self.bus.state();
        let rule = state.rules.get_mut(&input.rule).ok_or_else(|| no_rule(&input.rule))?;
        let mut targets = rule.targets.clone();
        for given in input.targets {
            let given = given.into_target()?;
            targets.retain(|target| target.id != given.id);
            targets.push(given);
        }
        target::check_all(&targets)?;
        rule.targets = targets;
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    }

    fn with_rule(&self, name: &str, answer: impl Fn(&Rule) -> Value) -> Result<Value, ApiError> {
        self.bus.state().rules.get(name).map(answer).ok_or_else(|| no_rule(name))
    }
}

fn pattern(text: &str) -> Result<Pattern, ApiError> {
    if text.chars().count() > 4_096 {
        return Err(validation("Member must have length less than or equal to 4096 at 'eventPattern'."));
    }
    let source: Value = serde_json::from_str(text).map_err(|error| {
        ApiError::client(
            "InvalidEventPatternException",
            format!("Event pattern is not valid. Reason: {error}"),
        )
    })?;
    Ok(Pattern::parse(&source)?)
}

fn default_bus(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        None | Some("default") => Ok(()),
        Some(arn) if arn.ends_with(":event-bus/default") => Ok(()),
        Some(other) => {
            Err(ApiError::client("ResourceNotFoundException", format!("Event bus {other} does not exist.")))
        }
    }
}

/// A time as JSON clients send it, in seconds since 1970, or as text.
fn time_of(value: &Value) -> Result<String, ApiError> {
    let time = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(seconds) => seconds.as_f64().and_then(|s| jiff::Timestamp::from_second(s as i64).ok()),
        _ => None,
    };
    let time = time.ok_or_else(|| ApiError::client("InvalidArgument", "Parameter Time is not valid."))?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn described(rule: &Rule) -> Value {
    json!({
        "Name": rule.name,
        "Arn": EventBridge::rule_arn(&rule.name),
        "EventPattern": rule.pattern.source().to_string(),
        "State": if rule.enabled { "ENABLED" } else { "DISABLED" },
        "EventBusName": "default",
    })
}

fn target_json(target: &Target) -> Value {
    let mut json = json!({
        "Id": target.id,
        "Arn": target.arn,
        "RetryPolicy": {
            "MaximumRetryAttempts": target.max_attempts,
            "MaximumEventAgeInSeconds": target.max_age.as_secs(),
        },
    });
    if let Some(arn) = &target.dead_letter_arn {
        json["DeadLetterConfig"] = json!({ "Arn": arn });
    }
    match &target.input {
        Input::Event => {}
        Input::Constant(text) => json["Input"] = text.as_str().into(),
        Input::Path(path) => json["InputPath"] = path.as_str().into(),
        Input::Transformer { paths, template } => {
            json["InputTransformer"] = json!({ "InputPathsMap": paths, "InputTemplate": template });
        }
    }
    json
}

fn no_rule(name: &str) -> ApiError {
    ApiError::client("ResourceNotFoundException", format!("Rule {name} does not exist on EventBus default."))
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::client("ValidationException", message)
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| validation(error.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEventsInput {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    time: Option<Value>,
    source: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

impl Entry {
    /// As EventBridge counts: 14 bytes for a time, and the text of the rest.
    fn size_bytes(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail].into_iter().flatten();
        let time = self.time.as_ref().map_or(0, |_| 14);
        time + texts.chain(&self.resources).map(String::len).sum::<usize>()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRuleInput {
    name: String,
    event_pattern: Option<String>,
    state: Option<String>,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutTargetsInput {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<WireTarget>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTarget {
    id: String,
    arn: String,
    input: Option<String>,
    input_path: Option<String>,
    input_transformer: Option<WireTransformer>,
    dead_letter_config: Option<WireDeadLetters>,
    retry_policy: Option<WireRetryPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTransformer {
    #[serde(default)]
    input_paths_map: BTreeMap<String, String>,
    input_template: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireDeadLetters {
    arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRetryPolicy {
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_in_seconds: Option<u64>,
}

impl WireTarget {
    fn into_target(self) -> Result<Target, ApiError> {
        let mut target = Target::new(&self.id, &self.arn);
        target.dead_letter_arn = self.dead_letter_config.and_then(|config| config.arn);
        if let Some(policy) = self.retry_policy {
            target.max_attempts = policy.maximum_retry_attempts.unwrap_or(target.max_attempts);
            target.max_age = policy.maximum_event_age_in_seconds.map_or(target.max_age, Duration::from_secs);
        }
        target.input = match (self.input, self.input_path, self.input_transformer) {
            (None, None, None) => Input::Event,
            (Some(text), None, None) => Input::Constant(text),
            (None, Some(path), None) => Input::Path(path),
            (None, None, Some(transformer)) => Input::Transformer {
                paths: transformer.input_paths_map,
                template: transformer.input_template,
            },
            _ => {
                return Err(validation(
                    "Only one of Input, InputPath, or InputTransformer must be provided.",
                ));
            }
        };
        Ok(target)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRulesInput {
    #[serde(default)]
    name_prefix: String,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleInput {
    name: String,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetsInput {
    rule: String,
    event_bus_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TestInput {
    event_pattern: String,
    event: String,
}
