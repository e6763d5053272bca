//! EventBridge's pattern language, pure.
//!
//! The reference: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>
//!
//! A pattern is an object in the shape of the event; at each leaf stands a list of matchers of which one must
//! match the event's value. Where the event has a list, one element must match; where it has a list of objects,
//! all that the pattern says below it must be met by the same one.
//!
//! Parsing resolves `$or`: a pattern is a list of alternatives, each a tree without choices.

mod matcher;
mod parse;
mod tree;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::tree::PatternError;
use self::{
    matcher::Matcher,
    tree::{Node, Tree},
};

/// A pattern that events are matched against.
///
/// ```
/// use localcloud::events::Pattern;
/// use serde_json::json;
///
/// let pattern = Pattern::parse(&json!({
///     "source": ["aws.ecs"],
///     "detail": { "containers": { "exitCode": [{ "numeric": [">", 0] }] } },
/// }))?;
/// let stopped = |code: i32| json!({ "source": "aws.ecs", "detail": { "containers": [{ "exitCode": code }] } });
/// assert!(pattern.matches(&stopped(137)));
/// assert!(!pattern.matches(&stopped(0)));
///
/// // An error names the place in the pattern.
/// let error = Pattern::parse(&json!({ "source": "aws.ecs" })).unwrap_err();
/// assert_eq!(error.path, "source");
/// # Ok::<(), localcloud::events::PatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    source: Value,
    alternatives: Vec<Tree>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What EventBridge refuses as `InvalidEventPatternException`.
    pub fn parse(source: &Value) -> Result<Self, PatternError> {
        Ok(Self { source: source.clone(), alternatives: parse::pattern(source)? })
    }

    /// Whether the event matches.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        self.alternatives.iter().any(|tree| Event(event).meets(tree, Some(event), &mut Vec::new()))
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }
}

/// The whole event, for `exists: false`: it asks whether the path is anywhere in the event, in whichever element
/// of the lists on the way.
struct Event<'a>(&'a Value);

impl<'a> Event<'a> {
    fn meets<'p>(&self, tree: &'p Tree, value: Option<&'a Value>, path: &mut Vec<&'p str>) -> bool {
        let mut objects = Vec::new();
        if let Some(value) = value {
            collect_objects(value, &mut objects);
        }
        if objects.is_empty() {
            // Nothing there: only a pattern that asks for absence can be met.
            return self.fields_meet(tree, None, path);
        }
        objects.into_iter().any(|object| self.fields_meet(tree, Some(object), path))
    }

    fn fields_meet<'p>(&self, tree: &'p Tree, object: Option<&'a Value>, path: &mut Vec<&'p str>) -> bool {
        tree.iter().all(|(name, node)| {
            let value = object.and_then(|object| object.get(name));
            path.push(name);
            let met = self.node_meets(node, value, path);
            path.pop();
            met
        })
    }

    fn node_meets<'p>(&self, node: &'p Node, value: Option<&'a Value>, path: &mut Vec<&'p str>) -> bool {
        let leaves_meet = node.leaves.iter().all(|matchers| {
            matchers.iter().any(|matcher| match matcher {
                Matcher::Absent => !exists(self.0, path),
                _ => value.is_some_and(|value| any_scalar(value, &|scalar| matcher.matches(scalar))),
            })
        });
        leaves_meet && node.below.as_ref().is_none_or(|tree| self.meets(tree, value, path))
    }
}

/// The object, or the objects of a list, however nested.
fn collect_objects<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Object(_) => into.push(value),
        Value::Array(elements) => elements.iter().for_each(|element| collect_objects(element, into)),
        _ => {}
    }
}

fn any_scalar(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(elements) => elements.iter().any(|element| any_scalar(element, test)),
        scalar => test(scalar),
    }
}

/// Whether the event has a leaf at this path.
fn exists(value: &Value, path: &[&str]) -> bool {
    match (value, path) {
        (Value::Array(elements), _) => elements.iter().any(|element| exists(element, path)),
        (Value::Object(members), [name, rest @ ..]) => members.get(*name).is_some_and(|v| exists(v, rest)),
        (Value::Object(_), []) => false,
        (_scalar, rest) => rest.is_empty(),
    }
}
