//! A template's YAML as a tree whose every node knows its line, with CloudFormation's short forms (`!Ref x`)
//! turned into the long ones (`{Ref: x}`), so that the interpreter meets one form only.

use std::iter::Peekable;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Number, Value};

use super::error::{Fault, Flaw, Step};

/// Deeper nesting than any real template has; a bound, since reading nests calls.
const DEEPEST: usize = 100;

/// The functions that have a short form.
const SHORT_FORMS: [&str; 15] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
];

/// One value and the line it begins on.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) yaml: Yaml,
}

#[derive(Debug, Clone)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn parse(text: &str) -> Step<Self> {
        let mut reader = Reader { events: Parser::new_from_str(text).peekable(), line: 1 };
        let root = loop {
            match reader.next()? {
                Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd | Event::DocumentEnd => break Self { line: 1, yaml: Yaml::Null },
                event => break reader.node(event, 0)?,
            }
        };
        // One document ends here; a second would be ignored silently.
        for event in reader.events.by_ref() {
            let (event, span) = event.map_err(not_yaml)?;
            if matches!(event, Event::DocumentStart(_)) {
                return Err(Flaw::new(span.start.line(), Fault::RefusedYaml("a second document")));
            }
        }
        Ok(root)
    }

    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, yaml: Yaml::Text(text.into()) }
    }

    pub(super) fn list(line: usize, items: Vec<Self>) -> Self {
        Self { line, yaml: Yaml::List(items) }
    }

    /// A mapping that is not in the file but follows from `line` of it.
    pub(super) fn map<K: Into<String>>(line: usize, entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entry = |(key, node): (K, Self)| Entry { key: key.into(), line, node };
        Self { line, yaml: Yaml::Map(entries.into_iter().map(entry).collect()) }
    }

    /// A plain value that is not in the file but follows from `line` of it.
    pub(super) fn plain(line: usize, value: &Value) -> Self {
        match value {
            Value::Null => Self { line, yaml: Yaml::Null },
            Value::Bool(it) => Self { line, yaml: Yaml::Bool(*it) },
            Value::Number(it) => Self { line, yaml: Yaml::Number(it.clone()) },
            Value::String(it) => Self::text(line, it),
            Value::Array(items) => Self::list(line, items.iter().map(|it| Self::plain(line, it)).collect()),
            Value::Object(members) => Self::map(line, members.iter().map(|(k, v)| (k, Self::plain(line, v)))),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.yaml {
            Yaml::Map(entries) => entries.iter().find(|it| it.key == key).map(|it| &it.node),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Step<&[Entry]> {
        match &self.yaml {
            Yaml::Map(entries) => Ok(entries),
            _ => Err(self.not("a mapping")),
        }
    }

    pub(super) fn as_list(&self) -> Step<&[Self]> {
        match &self.yaml {
            Yaml::List(items) => Ok(items),
            _ => Err(self.not("a list")),
        }
    }

    pub(super) fn as_text(&self) -> Step<&str> {
        match &self.yaml {
            Yaml::Text(text) => Ok(text),
            _ => Err(self.not("text")),
        }
    }

    /// The text of a scalar, as CloudFormation turns numbers and booleans into text.
    pub(super) fn scalar(&self) -> Step<String> {
        match &self.yaml {
            Yaml::Text(text) => Ok(text.clone()),
            Yaml::Bool(it) => Ok(it.to_string()),
            Yaml::Number(it) => Ok(it.to_string()),
            _ => Err(self.not("text, a number or a boolean")),
        }
    }

    pub(super) fn not(&self, expected: &'static str) -> Box<Flaw> {
        let found = match &self.yaml {
            Yaml::Null => "empty".to_owned(),
            Yaml::Bool(it) => format!("the boolean {it}"),
            Yaml::Number(it) => format!("the number {it}"),
            Yaml::Text(it) => format!("the text {it:?}"),
            Yaml::List(_) => "a list".to_owned(),
            Yaml::Map(_) => "a mapping".to_owned(),
        };
        Flaw::new(self.line, Fault::Shape { expected, found })
    }

    /// Refuses keys other than `known`: a misspelt key would otherwise be ignored silently.
    pub(super) fn only(&self, known: &[&str]) -> Step<()> {
        match self.as_map()?.iter().find(|it| !known.contains(&it.key.as_str())) {
            None => Ok(()),
            Some(entry) => {
                let known = known.iter().map(|it| (*it).to_owned()).collect();
                Err(Flaw::new(entry.line, Fault::UnknownKey { key: entry.key.clone(), known }))
            }
        }
    }
}

fn not_yaml(error: ScanError) -> Box<Flaw> {
    Flaw::new(error.marker().line(), Fault::NotYaml(error.info().to_owned()))
}

struct Reader<'input> {
    events: Peekable<Parser<'input, StrInput<'input>>>,
    /// Of the event read last.
    line: usize,
}

impl<'input> Reader<'input> {
    fn next(&mut self) -> Step<Event<'input>> {
        match self.events.next() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(not_yaml(error)),
            None => Ok(Event::StreamEnd),
        }
    }

    fn node(&mut self, event: Event<'input>, depth: usize) -> Step<Node> {
        let line = self.line;
        if depth > DEEPEST {
            return Err(Flaw::new(line, Fault::NotYaml(format!("nested deeper than {DEEPEST} levels"))));
        }
        let (yaml, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_anchor(line, anchor)?;
                (scalar(&text, style, tag.is_some()), tag)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_anchor(line, anchor)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break (Yaml::List(items), tag),
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                refuse_anchor(line, anchor)?;
                (Yaml::Map(self.entries(depth)?), tag)
            }
            Event::Alias(_) => return Err(Flaw::new(line, Fault::RefusedYaml("aliases"))),
            other => return Err(Flaw::new(line, Fault::NotYaml(format!("unexpected {other:?}")))),
        };
        match tag {
            None => Ok(Node { line, yaml }),
            Some(tag) => long_form(line, &tag, yaml),
        }
    }

    fn entries(&mut self, depth: usize) -> Step<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let event = self.next()?;
            let line = self.line;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, depth + 1)?.scalar()?;
            if entries.iter().any(|it| it.key == key) {
                return Err(Flaw::new(line, Fault::TwiceTheKey(key)));
            }
            let event = self.next()?;
            let node = self.node(event, depth + 1).map_err(|flaw| flaw.within(&key))?;
            entries.push(Entry { key, line, node });
        }
    }
}

fn refuse_anchor(line: usize, anchor: usize) -> Step<()> {
    if anchor == 0 { Ok(()) } else { Err(Flaw::new(line, Fault::RefusedYaml("anchors"))) }
}

/// Plain scalars become null, booleans and numbers where they look like it; whatever was quoted is text.
fn scalar(text: &str, style: ScalarStyle, tagged: bool) -> Yaml {
    if tagged || style != ScalarStyle::Plain {
        return Yaml::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Yaml::Null,
        "true" | "True" | "TRUE" => Yaml::Bool(true),
        "false" | "False" | "FALSE" => Yaml::Bool(false),
        // JSON's numbers: so an account number such as 012345678901 stays text, as it must.
        _ => match serde_json::from_str::<Number>(text) {
            Ok(number) => Yaml::Number(number),
            Err(_) => Yaml::Text(text.to_owned()),
        },
    }
}

fn long_form(line: usize, tag: &Tag, yaml: Yaml) -> Step<Node> {
    if tag.is_yaml_core_schema() && tag.suffix == "str" {
        return Ok(Node { line, yaml });
    }
    let name = tag.suffix.as_str();
    let key = match name {
        "Ref" | "Condition" => name.to_owned(),
        _ if tag.handle == "!" && SHORT_FORMS.contains(&name) => format!("Fn::{name}"),
        _ => {
            let known = ["Ref", "Condition"].iter().chain(&SHORT_FORMS).map(|it| format!("!{it}")).collect();
            return Err(Flaw::new(line, Fault::UnknownFunction { function: tag.to_string(), known }));
        }
    };
    let yaml = match (name, yaml) {
        // `!GetAtt Queue.Arn`: the logical id has no dot, the attribute may.
        ("GetAtt", Yaml::Text(text)) => match text.split_once('.') {
            Some((id, attribute)) => Yaml::List(vec![Node::text(line, id), Node::text(line, attribute)]),
            None => Yaml::Text(text),
        },
        (_, yaml) => yaml,
    };
    Ok(Node::map(line, [(key, Node { line, yaml })]))
}
