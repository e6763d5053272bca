//! Rules of a template.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{EventBridge, Input, Pattern, Rule, Target};
use crate::{
    resource::{Count, DeadLetter, ResourceError, RetryPolicy, read},
    services::scheduler::{Expression, Scheduler},
    template::{Resource, ResourceType},
    wire::ApiError,
};

pub(crate) const RULE: ResourceType = ResourceType::new("AWS::Events::Rule", |it| {
    it.by_name(it.arn("events", format_args!("rule/{}", it.name)), Vec::new())
})
.named("Name", 64);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EventRule {
    event_pattern: Option<Value>,
    schedule_expression: Option<String>,
    #[serde(default = "enabled")]
    state: String,
    #[serde(default)]
    targets: Vec<RuleTarget>,
}

fn enabled() -> String {
    "ENABLED".to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleTarget {
    id: String,
    arn: String,
    retry_policy: Option<RetryPolicy>,
    dead_letter_config: Option<DeadLetter>,
    input: Option<String>,
    input_path: Option<String>,
    input_transformer: Option<Transformer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Transformer {
    #[serde(default)]
    input_paths_map: BTreeMap<String, String>,
    input_template: String,
}

/// Creates a rule with its targets: one by pattern, or one by schedule.
pub(crate) fn rule(
    events: &EventBridge,
    scheduler: &Scheduler,
    resource: &Resource,
) -> Result<(), ResourceError> {
    let rule: EventRule = read(resource, &["Description", "Name"])?;
    let enabled = rule.state == "ENABLED";
    let pattern = match (rule.event_pattern, rule.schedule_expression) {
        (Some(_), Some(_)) => {
            let message = "The local cloud's rules have a pattern or a schedule, and not both.";
            return Err(ApiError::client("ValidationException", message).into());
        }
        (None, Some(text)) => scheduled(scheduler, resource, &text, enabled)?,
        (pattern, None) => pattern.unwrap_or_default(),
    };
    let pattern = Pattern::parse(&pattern).map_err(|source| ResourceError::invalid("pattern", source))?;
    let put = events.put_rule(Rule {
        name: resource.name.clone(),
        pattern,
        enabled,
        targets: rule.targets.into_iter().map(RuleTarget::heeded).collect(),
    });
    put.map_err(ResourceError::from)?;
    Ok(())
}

/// Lets a rule fire by its schedule, and answers the pattern of the events that it then gets: its own.
fn scheduled(
    scheduler: &Scheduler,
    resource: &Resource,
    expression: &str,
    enabled: bool,
) -> Result<Value, ResourceError> {
    let expression =
        Expression::of_rule(expression).map_err(|source| ResourceError::invalid("schedule", source))?;
    scheduler.put_rule(&resource.name, expression, enabled);
    Ok(json!({
        "source": ["aws.events"], "detail-type": ["Scheduled Event"], "resources": [resource.arn],
    }))
}

impl RuleTarget {
    fn heeded(self) -> Target {
        let defaults = Target::new(&self.id, &self.arn);
        let (attempts, age) = match self.retry_policy {
            Some(policy) => (policy.maximum_retry_attempts, policy.maximum_event_age_in_seconds),
            None => (None, None),
        };
        let input = match (self.input, self.input_path, self.input_transformer) {
            (Some(text), ..) => Input::Constant(text),
            (_, Some(path), _) => Input::Path(path),
            (.., Some(it)) => Input::Transformer { paths: it.input_paths_map, template: it.input_template },
            _ => Input::Event,
        };
        Target {
            max_attempts: attempts.map_or(defaults.max_attempts, |it| it.0),
            max_age: age.map_or(defaults.max_age, Count::seconds),
            dead_letter_arn: self.dead_letter_config.map(|it| it.arn),
            input,
            ..defaults
        }
    }
}
