//! CloudFormation's intrinsic functions: from the template's tree to plain JSON.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    cidr,
    error::{Fault, Flaw, Step},
    names::Identity,
    yaml::{Entry, Node, Yaml},
};
use crate::wire::{ACCOUNT, REGION};

const FUNCTIONS: [&str; 14] = [
    "Ref",
    "Condition",
    "Fn::And, Fn::Equals, Fn::Not, Fn::Or (in conditions)",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::Contains (in rules)",
];

/// What names mean while a template is resolved.
pub(super) struct Scope<'t> {
    pub(super) stack: &'t str,
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) mappings: Option<&'t Node>,
    pub(super) conditions: BTreeMap<String, &'t Node>,
    /// Conditions being computed, so that one that needs itself is found out.
    pub(super) computing: RefCell<BTreeSet<String>>,
    /// Every declared resource: its type and condition.
    pub(super) declared: BTreeMap<String, (&'t str, Option<&'t str>)>,
    /// The resources resolved so far.
    pub(super) identities: BTreeMap<String, Identity>,
}

/// The function that a mapping calls, if it is a call: `{Ref: x}`, `{Fn::Join: [..]}`.
pub(super) fn call(node: &Node) -> Option<(&str, &Entry)> {
    match &node.yaml {
        Yaml::Map(entries) => match entries.as_slice() {
            [entry] if entry.key == "Ref" || entry.key.starts_with("Fn::") => Some((&entry.key, entry)),
            _ => None,
        },
        _ => None,
    }
}

impl Scope<'_> {
    /// The value of a node; `None` is `AWS::NoValue`, which takes its key or item away.
    pub(super) fn value(&self, node: &Node) -> Step<Option<Value>> {
        if let Some((function, entry)) = call(node) {
            return self.apply(function, &entry.node).map_err(|flaw| flaw.within(function));
        }
        Ok(Some(match &node.yaml {
            Yaml::Null => Value::Null,
            Yaml::Bool(it) => Value::Bool(*it),
            Yaml::Number(it) => Value::Number(it.clone()),
            Yaml::Text(it) => Value::from(it.as_str()),
            Yaml::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    values.extend(self.value(item).map_err(|flaw| flaw.within(index.to_string()))?);
                }
                Value::Array(values)
            }
            Yaml::Map(entries) => {
                let mut members = serde_json::Map::new();
                for entry in entries {
                    if entry.key.starts_with("Fn::") {
                        let what = format!("{} must be the only key of its mapping", entry.key);
                        return Err(Flaw::new(entry.line, Fault::Value(what)));
                    }
                    let value = self.value(&entry.node).map_err(|flaw| flaw.within(&entry.key))?;
                    members.extend(value.map(|it| (entry.key.clone(), it)));
                }
                Value::Object(members)
            }
        }))
    }

    fn apply(&self, function: &str, node: &Node) -> Step<Option<Value>> {
        let value = match function {
            "Ref" => return self.reference(node.as_text()?, node.line),
            "Fn::If" => return self.choose(node),
            "Fn::GetAtt" => self.attribute_of(node)?,
            "Fn::Sub" => self.substitute(node)?,
            "Fn::Join" => {
                let [delimiter, items] = arguments(node, "a delimiter and a list")?;
                let items = self.list(items)?;
                let texts = items.iter().map(|it| text_of(it, node)).collect::<Step<Vec<_>>>()?;
                Value::from(texts.join(&self.text(delimiter)?))
            }
            "Fn::Select" => {
                let [index, items] = arguments(node, "an index and a list")?;
                let index = self.text(index)?.parse::<usize>().map_err(|_| index.not("an index from 0"))?;
                let items = self.list(items)?;
                let count = items.len();
                let beyond =
                    || Flaw::new(node.line, Fault::Value(format!("no item {index} in {count} items")));
                items.into_iter().nth(index).ok_or_else(beyond)?
            }
            "Fn::Split" => {
                let [delimiter, text] = arguments(node, "a delimiter and a text")?;
                let delimiter = self.text(delimiter)?;
                if delimiter.is_empty() {
                    return Err(Flaw::new(node.line, Fault::Value("the delimiter is empty".to_owned())));
                }
                self.text(text)?.split(&delimiter).map(Value::from).collect()
            }
            "Fn::Base64" => Value::from(STANDARD.encode(self.text(node)?)),
            "Fn::Cidr" => self.cidr(node)?,
            // The region's zones, whatever region is asked for: there is one region here.
            "Fn::GetAZs" => {
                ["a", "b", "c"].iter().map(|zone| Value::from(format!("{REGION}{zone}"))).collect()
            }
            "Fn::FindInMap" => self.find_in_map(node)?,
            "Fn::ImportValue" => {
                let what = "the local cloud runs one stack, so there is nothing to import; use a parameter";
                return Err(Flaw::new(node.line, Fault::Value(what.to_owned())));
            }
            _ => {
                let known = FUNCTIONS.map(ToOwned::to_owned).to_vec();
                return Err(Flaw::new(
                    node.line,
                    Fault::UnknownFunction { function: function.to_owned(), known },
                ));
            }
        };
        Ok(Some(value))
    }

    fn reference(&self, name: &str, line: usize) -> Step<Option<Value>> {
        Ok(Some(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::Region" => Value::from(REGION),
            "AWS::AccountId" => Value::from(ACCOUNT),
            "AWS::Partition" => Value::from("aws"),
            "AWS::URLSuffix" => Value::from("amazonaws.com"),
            "AWS::StackName" => Value::from(self.stack),
            "AWS::StackId" => {
                Value::from(format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{}/local", self.stack))
            }
            "AWS::NotificationARNs" => Value::Array(Vec::new()),
            _ => match self.parameters.get(name) {
                Some(value) => value.clone(),
                None => Value::from(self.identity(name, line)?.physical_id.as_str()),
            },
        }))
    }

    fn identity(&self, name: &str, line: usize) -> Step<&Identity> {
        if let Some(identity) = self.identities.get(name) {
            return Ok(identity);
        }
        let fault = match self.declared.get(name) {
            Some((_, condition)) => Fault::NotCreated {
                name: name.to_owned(),
                condition: condition.unwrap_or_default().to_owned(),
            },
            None => Fault::UnknownName {
                what: "parameter or resource",
                name: name.to_owned(),
                known: self.parameters.keys().chain(self.declared.keys()).cloned().collect(),
            },
        };
        Err(Flaw::new(line, fault))
    }

    fn attribute_of(&self, node: &Node) -> Step<Value> {
        match &node.yaml {
            Yaml::Text(text) => {
                let (id, attribute) = text.split_once('.').ok_or_else(|| node.not("Resource.Attribute"))?;
                self.attribute(id, attribute, node.line)
            }
            _ => {
                let [id, attribute] = arguments(node, "a resource and an attribute")?;
                self.attribute(id.as_text()?, &self.text(attribute)?, node.line)
            }
        }
    }

    fn attribute(&self, id: &str, attribute: &str, line: usize) -> Step<Value> {
        let attributes = &self.identity(id, line)?.attributes;
        match attributes.iter().find(|(name, _)| *name == attribute) {
            Some((_, value)) => Ok(Value::from(value.as_str())),
            None => Err(Flaw::new(
                line,
                Fault::UnknownAttribute {
                    kind: self.declared.get(id).map(|(kind, _)| (*kind).to_owned()).unwrap_or_default(),
                    attribute: attribute.to_owned(),
                    known: attributes.iter().map(|(name, _)| (*name).to_owned()).collect(),
                },
            )),
        }
    }

    fn substitute(&self, node: &Node) -> Step<Value> {
        let (text, own) = match &node.yaml {
            Yaml::Text(text) => (text.as_str(), None),
            _ => {
                let [text, own] = arguments(node, "a text, or a text and a mapping")?;
                (text.as_text()?, Some(own))
            }
        };
        let mut result = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => result.push_str(text),
                Piece::Name(name) => {
                    let value = match own.and_then(|it| it.get(name)) {
                        Some(value) => self.value(value)?,
                        None => match name.split_once('.') {
                            Some((id, attribute)) => Some(self.attribute(id, attribute, node.line)?),
                            None => self.reference(name, node.line)?,
                        },
                    };
                    result.push_str(&text_of(&value.unwrap_or_default(), node)?);
                }
            }
        }
        Ok(Value::from(result))
    }

    fn choose(&self, node: &Node) -> Step<Option<Value>> {
        let [condition, then, otherwise] = arguments(node, "a condition's name and two values")?;
        let holds = self.condition(condition.as_text()?, condition.line)?;
        self.value(if holds { then } else { otherwise })
    }

    fn cidr(&self, node: &Node) -> Step<Value> {
        let expected = "an address range, a count and the bits of each part";
        let (range, count, bits) = match node.as_list()? {
            [range, count] => (range, count, None),
            [range, count, bits] => (range, count, Some(bits)),
            _ => return Err(node.not(expected)),
        };
        let number = |it: &Node| self.text(it)?.parse::<u32>().map_err(|_| it.not("a number"));
        let bits = bits.map(number).transpose()?.unwrap_or(8);
        let parts = cidr::split(&self.text(range)?, number(count)?, bits);
        Ok(parts
            .map_err(|what| Flaw::new(node.line, Fault::Value(what)))?
            .into_iter()
            .map(Value::from)
            .collect())
    }

    fn find_in_map(&self, node: &Node) -> Step<Value> {
        let keys: [&Node; 3] = arguments(node, "a mapping's name and two keys")?;
        let mut at = self.mappings;
        for key in keys {
            let name = self.text(key)?;
            let next = at.and_then(|it| it.get(&name));
            at = Some(next.ok_or_else(|| {
                let entries = at.and_then(|it| it.as_map().ok()).unwrap_or_default();
                let known = entries.iter().map(|it| it.key.clone()).collect();
                Flaw::new(key.line, Fault::UnknownName { what: "mapping entry", name, known })
            })?);
        }
        match at {
            Some(found) => Ok(self.value(found)?.unwrap_or_default()),
            None => Err(node.not("a mapping's name and two keys")),
        }
    }

    fn list(&self, node: &Node) -> Step<Vec<Value>> {
        match self.value(node)? {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(node.not("a list")),
        }
    }

    pub(super) fn text(&self, node: &Node) -> Step<String> {
        text_of(&self.value(node)?.unwrap_or_default(), node)
    }

    /// Whether the named condition holds.
    pub(super) fn condition(&self, name: &str, line: usize) -> Step<bool> {
        let Some(node) = self.conditions.get(name) else {
            let known = self.conditions.keys().cloned().collect();
            return Err(Flaw::new(
                line,
                Fault::UnknownName { what: "condition", name: name.to_owned(), known },
            ));
        };
        if !self.computing.borrow_mut().insert(name.to_owned()) {
            let cycle = self.computing.borrow().iter().cloned().collect();
            return Err(Flaw::new(line, Fault::Cycle(cycle)));
        }
        let holds = self.holds(node).map_err(|flaw| flaw.within(name).within("Conditions"));
        self.computing.borrow_mut().remove(name);
        holds
    }

    /// Whether a condition, written out, holds.
    pub(super) fn holds(&self, node: &Node) -> Step<bool> {
        let expected = "one of Fn::And, Fn::Or, Fn::Not, Fn::Equals, Fn::Contains, Condition";
        let [entry] = node.as_map()? else { return Err(node.not(expected)) };
        let inner = &entry.node;
        match entry.key.as_str() {
            "Condition" => self.condition(inner.as_text()?, inner.line),
            "Fn::Equals" => {
                let [left, right] = arguments(inner, "two values")?;
                Ok(self.text(left)? == self.text(right)?)
            }
            "Fn::Not" => {
                let [one] = arguments(inner, "one condition")?;
                Ok(!self.holds(one)?)
            }
            "Fn::Contains" => {
                let [list, value] = arguments(inner, "a list and a value")?;
                let value = self.text(value)?;
                let texts = self.list(list)?;
                Ok(texts.iter().any(|it| it.as_str() == Some(&value)))
            }
            // Each is computed even where the first settles it: a misspelt name is found on every path.
            "Fn::And" => Ok(self.all_of(inner)?.into_iter().all(|it| it)),
            "Fn::Or" => Ok(self.all_of(inner)?.into_iter().any(|it| it)),
            _ => Err(node.not(expected)),
        }
    }

    fn all_of(&self, node: &Node) -> Step<Vec<bool>> {
        match node.as_list()? {
            items if (2..=10).contains(&items.len()) => items.iter().map(|it| self.holds(it)).collect(),
            _ => Err(node.not("a list of two to ten conditions")),
        }
    }
}

fn arguments<'n, const N: usize>(node: &'n Node, expected: &'static str) -> Step<[&'n Node; N]> {
    let items: Vec<&Node> = node.as_list()?.iter().collect();
    items.try_into().map_err(|_| node.not(expected))
}

fn text_of(value: &Value, node: &Node) -> Step<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(it) => Ok(it.to_string()),
        _ => {
            let what = format!("text is needed here, and the value is {value}");
            Err(Flaw::new(node.line, Fault::Value(what)))
        }
    }
}

/// A piece of `Fn::Sub`'s text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Cuts `a${b}c` into its pieces. `${!b}` is the text `${b}`.
pub(super) fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(start) = text.find("${") {
        let Some(length) = text[start..].find('}') else { break };
        let end = start + length;
        pieces.push(Piece::Text(&text[..start]));
        match text[start + 2..end].strip_prefix('!') {
            Some(_) => pieces.extend([Piece::Text("${"), Piece::Text(&text[start + 3..=end])]),
            None => pieces.push(Piece::Name(text[start + 2..end].trim())),
        }
        text = &text[end + 1..];
    }
    pieces.push(Piece::Text(text));
    pieces
}
