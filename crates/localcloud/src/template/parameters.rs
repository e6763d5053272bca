//! The `Parameters` section: what a deployment may choose, and checking what it chose.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use super::{
    error::{Fault, Flaw, ParameterProblem, Step},
    yaml::Node,
};

/// One declared parameter.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    kind: Kind,
    default: Option<String>,
    description: String,
    allowed: Option<Vec<String>>,
    pattern: Option<Pattern>,
    constraint: Option<String>,
    length: (Option<f64>, Option<f64>),
    value: (Option<f64>, Option<f64>),
    secret: bool,
}

#[derive(Debug, Clone)]
struct Pattern {
    source: String,
    regex: Regex,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Texts,
    Numbers,
}

const KEYS: [&str; 11] = [
    "Type",
    "Default",
    "Description",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "NoEcho",
];

impl Parameter {
    pub(super) fn declared(name: &str, node: &Node) -> Step<Self> {
        node.only(&KEYS)?;
        let text = |key| node.get(key).map(Node::scalar).transpose();
        let number = |key| node.get(key).map(limit).transpose();
        let kind = node.get("Type").ok_or_else(|| Flaw::new(node.line, Fault::Lacks("Type")))?;
        let pattern = match (text("AllowedPattern")?, node.get("AllowedPattern")) {
            (Some(source), Some(at)) => {
                // CloudFormation's patterns are met by the whole value.
                let regex = Regex::new(&format!("^(?:{source})$"))
                    .map_err(|error| Flaw::new(at.line, Fault::Value(format!("not a pattern: {error}"))))?;
                Some(Pattern { source, regex })
            }
            _ => None,
        };
        let allowed = match node.get("AllowedValues") {
            Some(list) => Some(list.as_list()?.iter().map(Node::scalar).collect::<Step<_>>()?),
            None => None,
        };
        Ok(Self {
            name: name.to_owned(),
            kind: Kind::declared(kind)?,
            default: text("Default")?,
            description: text("Description")?.unwrap_or_else(|| "it has no default".to_owned()),
            allowed,
            pattern,
            constraint: text("ConstraintDescription")?,
            length: (number("MinLength")?, number("MaxLength")?),
            value: (number("MinValue")?, number("MaxValue")?),
            secret: text("NoEcho")?.is_some_and(|it| it.eq_ignore_ascii_case("true")),
        })
    }

    fn read(&self, given: Option<&String>) -> Result<Value, ParameterProblem> {
        let Some(text) = given.or(self.default.as_ref()) else {
            return Err(ParameterProblem::Missing {
                name: self.name.clone(),
                description: self.description.clone(),
            });
        };
        let value = match self.kind {
            Kind::Text | Kind::Number => Value::from(text.as_str()),
            Kind::Texts | Kind::Numbers if text.is_empty() => Value::Array(Vec::new()),
            Kind::Texts | Kind::Numbers => text.split(',').map(|it| Value::from(it.trim())).collect(),
        };
        let items = match &value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => vec![text.as_str()],
        };
        match items.into_iter().find_map(|item| self.objection(item)) {
            None => Ok(value),
            Some(objection) => Err(ParameterProblem::Refused {
                name: self.name.clone(),
                must: self.constraint.clone().unwrap_or(objection),
                shown: if self.secret { SECRET.to_owned() } else { format!("{text:?}") },
            }),
        }
    }

    /// What the value must be and is not.
    fn objection(&self, text: &str) -> Option<String> {
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|it| it == text)
        {
            return Some(format!("must be one of {}", allowed.join(", ")));
        }
        if let Some(pattern) = &self.pattern
            && !pattern.regex.is_match(text)
        {
            return Some(format!("must match the pattern {}", pattern.source));
        }
        let length = text.chars().count() as f64;
        if let Some(objection) = outside(self.length, length) {
            return Some(format!("must have {objection} characters"));
        }
        if matches!(self.kind, Kind::Number | Kind::Numbers) {
            return match text.parse::<f64>() {
                Ok(number) => outside(self.value, number).map(|objection| format!("must be {objection}")),
                Err(_) => Some("must be a number".to_owned()),
            };
        }
        None
    }
}

/// What CloudFormation shows of a value that it is not to echo.
const SECRET: &str = "****";

impl Parameter {
    /// A value of it as CloudFormation shows it: one text, also of a list.
    pub(super) fn shown(&self, value: &Value) -> String {
        match value {
            _ if self.secret => SECRET.to_owned(),
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(|item| self.shown(item)).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
}

fn limit(node: &Node) -> Step<f64> {
    node.scalar()?.parse().map_err(|_| node.not("a number"))
}

fn outside((least, most): (Option<f64>, Option<f64>), value: f64) -> Option<String> {
    match (least, most) {
        (Some(least), _) if value < least => Some(format!("at least {least}")),
        (_, Some(most)) if value > most => Some(format!("at most {most}")),
        _ => None,
    }
}

impl Kind {
    fn declared(node: &Node) -> Step<Self> {
        let kind = node.as_text()?;
        match kind {
            "String" => Ok(Self::Text),
            "Number" => Ok(Self::Number),
            "CommaDelimitedList" | "List<String>" => Ok(Self::Texts),
            "List<Number>" => Ok(Self::Numbers),
            _ if kind.starts_with("AWS::SSM::") => Err(Flaw::new(
                node.line,
                Fault::Value(format!("{kind}: the local cloud has no parameter store")),
            )),
            // Ids of what exists in an account. Locally nothing does, so any text will do.
            _ if kind.starts_with("AWS::") => Ok(Self::Text),
            _ if kind.starts_with("List<AWS::") => Ok(Self::Texts),
            _ => Err(node.not("String, Number, CommaDelimitedList, List<Number> or an AWS type")),
        }
    }
}

/// The value of every parameter, or every problem.
pub(super) fn read(
    declared: &[Parameter],
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, Vec<ParameterProblem>> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for parameter in declared {
        match parameter.read(given.get(&parameter.name)) {
            Ok(value) => drop(values.insert(parameter.name.clone(), value)),
            Err(problem) => problems.push(problem),
        }
    }
    for name in given.keys().filter(|name| declared.iter().all(|it| it.name != **name)) {
        let known = declared.iter().map(|it| it.name.clone()).collect();
        problems.push(ParameterProblem::Unknown { name: name.clone(), known });
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}
