//! From a pattern's JSON to its alternatives.

use std::net::IpAddr;

use serde_json::{Map, Number, Value};

use super::{
    matcher::{Bound, Glyph, Matcher, Network, Range, Text, compare},
    tree::{Node, PatternError, Tree},
};

/// EventBridge's limit of what `$or` may multiply to.
const MAX_ALTERNATIVES: usize = 1_000;

/// Deeper than any event; keeps hostile nesting off the stack.
const MAX_DEPTH: usize = 64;

/// The names that make an object a matcher.
const KEYWORDS: [&str; 8] =
    ["prefix", "suffix", "anything-but", "numeric", "exists", "cidr", "equals-ignore-case", "wildcard"];

type Result<T> = std::result::Result<T, PatternError>;

pub(super) fn pattern(source: &Value) -> Result<Vec<Tree>> {
    match source {
        Value::Object(members) => object(members, "", 0),
        _ => Err(error("", "the pattern must be a JSON object")),
    }
}

fn object(members: &Map<String, Value>, path: &str, depth: usize) -> Result<Vec<Tree>> {
    if members.is_empty() {
        return Err(error(path, "empty objects are not allowed"));
    }
    if depth > MAX_DEPTH {
        return Err(error(path, "the pattern is nested too deeply"));
    }
    let mut alternatives = vec![Tree::new()];
    for (name, value) in members {
        let path = join(path, name);
        let choices = match value {
            Value::Array(branches) if name == "$or" && is_or(branches) => {
                let mut choices = Vec::new();
                for (n, branch) in branches.iter().enumerate() {
                    let at = format!("{path}[{n}]");
                    let members = branch.as_object().ok_or_else(|| error(&at, "must be an object"))?;
                    choices.extend(object(members, &at, depth + 1)?);
                }
                choices
            }
            Value::Array(matchers) => {
                let leaf = Node { leaves: vec![leaf(matchers, &path)?], below: None };
                vec![Tree::from([(name.clone(), leaf)])]
            }
            Value::Object(members) => object(members, &path, depth + 1)?
                .into_iter()
                .map(|tree| Tree::from([(name.clone(), Node { leaves: Vec::new(), below: Some(tree) })]))
                .collect(),
            _ => return Err(error(&path, "must be an object or an array")),
        };
        if alternatives.len() * choices.len() > MAX_ALTERNATIVES {
            return Err(error(&path, "$or makes more than 1000 combinations"));
        }
        alternatives = alternatives
            .iter()
            .flat_map(|tree| choices.iter().map(move |choice| both(tree.clone(), choice.clone())))
            .collect();
    }
    Ok(alternatives)
}

/// A `$or` needs at least two objects that are not matchers; otherwise it is a field of that name.
fn is_or(branches: &[Value]) -> bool {
    let is_branch = |branch: &Value| {
        branch
            .as_object()
            .is_some_and(|members| !members.keys().any(|name| KEYWORDS.contains(&name.as_str())))
    };
    branches.len() >= 2 && branches.iter().all(is_branch)
}

/// What asks for everything that both trees ask.
fn both(mut one: Tree, other: Tree) -> Tree {
    for (name, node) in other {
        let here = one.entry(name).or_default();
        here.leaves.extend(node.leaves);
        here.below = match (here.below.take(), node.below) {
            (Some(a), Some(b)) => Some(both(a, b)),
            (a, b) => a.or(b),
        };
    }
    one
}

fn leaf(matchers: &[Value], path: &str) -> Result<Vec<Matcher>> {
    if matchers.is_empty() {
        return Err(error(path, "empty arrays are not allowed"));
    }
    matchers.iter().enumerate().map(|(n, source)| matcher(source, &format!("{path}[{n}]"))).collect()
}

fn matcher(source: &Value, path: &str) -> Result<Matcher> {
    let members = match source {
        Value::Object(members) => members,
        Value::Array(_) => {
            return Err(error(
                path,
                "a match value must be a string, number, true, false, null or a matcher",
            ));
        }
        scalar => return Ok(Matcher::Exactly(scalar.clone())),
    };
    let (name, value) = only_member(members, path)?;
    let path = format!("{path}.{name}");
    Ok(match name {
        "exists" => match value {
            Value::Bool(true) => Matcher::Exists,
            Value::Bool(false) => Matcher::Absent,
            _ => return Err(error(&path, "exists must be true or false")),
        },
        "anything-but" => anything_but(value, &path)?,
        "numeric" => Matcher::Numeric(range(value, &path)?),
        "cidr" => Matcher::Cidr(network(value, &path)?),
        _ => Matcher::Text(text(name, value, &path)?),
    })
}

fn text(name: &str, value: &Value, path: &str) -> Result<Text> {
    if let Value::Object(members) = value
        && matches!(name, "prefix" | "suffix")
    {
        let (inner, value) = only_member(members, path)?;
        if inner != "equals-ignore-case" {
            return Err(error(path, "only equals-ignore-case may stand here"));
        }
        let lower = string(value, path)?.to_lowercase();
        return Ok(if name == "prefix" {
            Text::PrefixIgnoringCase(lower)
        } else {
            Text::SuffixIgnoringCase(lower)
        });
    }
    Ok(match name {
        "prefix" => Text::Prefix(string(value, path)?.to_owned()),
        "suffix" => Text::Suffix(string(value, path)?.to_owned()),
        "equals-ignore-case" => Text::IgnoringCase(string(value, path)?.to_lowercase()),
        "wildcard" => Text::Wildcard(wildcard(string(value, path)?, path)?),
        _ => return Err(error(path, "unrecognized match type")),
    })
}

fn anything_but(value: &Value, path: &str) -> Result<Matcher> {
    match value {
        Value::String(_) | Value::Number(_) => Ok(Matcher::NotExactly(vec![value.clone()])),
        Value::Array(values) => {
            let strings = values.iter().all(Value::is_string);
            let numbers = values.iter().all(Value::is_number);
            if values.is_empty() || !(strings || numbers) {
                return Err(error(
                    path,
                    "the list must be of strings only or of numbers only, and not empty",
                ));
            }
            Ok(Matcher::NotExactly(values.clone()))
        }
        Value::Object(members) => {
            let (name, value) = only_member(members, path)?;
            let path = format!("{path}.{name}");
            let one = |value: &Value| {
                if value.as_str().is_some_and(str::is_empty) {
                    return Err(error(&path, "the empty string is not allowed here"));
                }
                text(name, value, &path)
            };
            match value {
                Value::Array(values) if values.is_empty() => {
                    Err(error(&path, "empty arrays are not allowed"))
                }
                Value::Array(values) => Ok(Matcher::NotText(values.iter().map(one).collect::<Result<_>>()?)),
                value => Ok(Matcher::NotText(vec![one(value)?])),
            }
        }
        _ => Err(error(path, "must be a string, a number, a list or a matcher")),
    }
}

/// `["=", n]`, or a lower bound, an upper bound, or both in this order.
fn range(value: &Value, path: &str) -> Result<Range> {
    let terms = value.as_array().ok_or_else(|| error(path, "must be an array"))?;
    let mut range = Range::default();
    let mut pairs = terms.chunks(2);
    let Some(first) = pairs.next() else { return Err(error(path, "empty arrays are not allowed")) };
    let (sign, number) = term(first, path)?;
    match sign {
        "=" => {
            let bound = Bound { number, included: true };
            range = Range { least: Some(bound.clone()), most: Some(bound) };
        }
        "<" | "<=" => range.most = Some(Bound { number, included: sign == "<=" }),
        ">" | ">=" => {
            range.least = Some(Bound { number, included: sign == ">=" });
            if let Some(second) = pairs.next() {
                let (sign, number) = term(second, path)?;
                if !matches!(sign, "<" | "<=") {
                    return Err(error(path, "the second bound must be an upper one, with < or <="));
                }
                range.most = Some(Bound { number, included: sign == "<=" });
            }
        }
        _ => return Err(error(path, "the operator must be one of = < <= > >=")),
    }
    if pairs.next().is_some() {
        return Err(error(path, "too many terms in the numeric range"));
    }
    match (&range.least, &range.most) {
        (Some(least), Some(most)) if sign != "=" && compare(&least.number, &most.number).is_ge() => {
            Err(error(path, "the bottom of the range must be below its top"))
        }
        _ => Ok(range),
    }
}

fn term<'a>(pair: &'a [Value], path: &str) -> Result<(&'a str, Number)> {
    match pair {
        [Value::String(sign), Value::Number(number)] => {
            // EventBridge's limits.
            if number.as_f64().is_none_or(|n| n.abs() > 5.0e9) {
                return Err(error(path, "a number must be between -5.0e9 and 5.0e9"));
            }
            Ok((sign, number.clone()))
        }
        _ => Err(error(path, "must be pairs of an operator and a number")),
    }
}

fn network(value: &Value, path: &str) -> Result<Network> {
    let malformed = || error(path, "must be a block such as 10.0.0.0/24 or 2001:db8::/32");
    let (address, bits) = string(value, path)?.split_once('/').ok_or_else(malformed)?;
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let prefix_bits: u32 = bits.parse().map_err(|_| malformed())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if prefix_bits > most { Err(malformed()) } else { Ok(Network { address, prefix_bits }) }
}

fn wildcard(source: &str, path: &str) -> Result<Vec<Glyph>> {
    let mut glyphs = Vec::new();
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        glyphs.push(match c {
            '*' if glyphs.last() == Some(&Glyph::Any) => {
                return Err(error(path, "consecutive wildcard characters are not allowed"));
            }
            '*' => Glyph::Any,
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '\\')) => Glyph::Char(escaped),
                _ => return Err(error(path, "a backslash must escape * or a backslash")),
            },
            c => Glyph::Char(c),
        });
    }
    Ok(glyphs)
}

fn string<'a>(value: &'a Value, path: &str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| error(path, "must be a string"))
}

fn only_member<'a>(members: &'a Map<String, Value>, path: &str) -> Result<(&'a str, &'a Value)> {
    let mut all = members.iter();
    match (all.next(), all.next()) {
        (Some((name, value)), None) if KEYWORDS.contains(&name.as_str()) => Ok((name, value)),
        (Some((name, _)), None) => Err(error(path, &format!("unrecognized match type {name}"))),
        _ => Err(error(path, "a matcher is an object with exactly one key")),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn error(path: &str, reason: &str) -> PatternError {
    PatternError { path: if path.is_empty() { "$".into() } else { path.into() }, reason: reason.into() }
}
