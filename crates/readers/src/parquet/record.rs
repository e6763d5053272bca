//! From the levels and values of all columns to records, one after the other.
//!
//! The definition level of a value says how much of the way down to it is there, the repetition level which list on that
//! way goes on with it. See Dremel: Interactive Analysis of Web-Scale Datasets (2010), section 4.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::record::{Record, Value};

use super::super::reason::{BadInput, Reason, shown};
use super::chunk::Chunk;
use super::schema::{Group, Node, Repeated, Shape};
use super::value::{NotFinite, Refused, shown_raw, value};

/// A record, and the first of its values that the table cannot have, if there is one: in its place stands what is shown of
/// it.
pub(super) type Assembled = (Record, Option<Refused>);

/// Takes the next record from the columns, which all hold it.
pub(super) fn next(shape: &Shape, columns: &mut [Chunk], nulls: NotFinite) -> Result<Assembled, BadInput> {
    let mut assembly = Assembly { columns, nulls, refused: None };
    let mut record = Record::with_capacity(shape.nodes.len());
    for (name, node) in shape.names.iter().zip(&shape.nodes) {
        let before = assembly.refused.is_some();
        record.push((name.clone(), assembly.value(node)?));
        if !before && let Some((_, message)) = &mut assembly.refused {
            *message = format!("in the field {}: {message}", shown(name));
        }
    }
    Ok((record, assembly.refused))
}

struct Assembly<'a> {
    columns: &'a mut [Chunk],
    nulls: NotFinite,
    refused: Option<Refused>,
}

impl Assembly<'_> {
    fn value(&mut self, node: &Node) -> Result<Value, BadInput> {
        match node {
            Node::Leaf { column, kind, as_text, .. } => {
                let chunk = &mut self.columns[*column];
                match chunk.take() {
                    None => Err(chunk.damaged("it has fewer values than the other columns")),
                    Some(None) => Ok(Value::Null),
                    Some(Some(raw)) => {
                        Ok(value(raw, *kind, *as_text, self.nulls).unwrap_or_else(|refused| {
                            self.refused.get_or_insert(refused);
                            shown_raw(raw)
                        }))
                    }
                }
            }
            Node::Fields(group, fields) => {
                if self.is_null(group)? {
                    return self.pass(group, Value::Null);
                }
                let fields = fields.iter().map(|(name, node)| Ok((name.clone(), self.value(node)?)));
                fields.collect::<Result<_, _>>().map(Value::Map)
            }
            Node::List(group, repeated, element) => {
                if self.is_null(group)? {
                    return self.pass(group, Value::Null);
                }
                let mut values = Vec::new();
                if self.definition(group)? < repeated.filled {
                    return self.pass(group, Value::List(values));
                }
                loop {
                    values.push(self.value(element)?);
                    if !self.goes_on(group, *repeated)? {
                        return Ok(Value::List(values));
                    }
                }
            }
            Node::Map(group, repeated, key, value) => {
                if self.is_null(group)? {
                    return self.pass(group, Value::Null);
                }
                let mut entries = Vec::new();
                if self.definition(group)? < repeated.filled {
                    return self.pass(group, Value::Map(Vec::new()));
                }
                loop {
                    let key = self.value(key)?;
                    let value = value.as_ref().map_or(Ok(Value::Null), |value| self.value(value))?;
                    entries.push((key, value));
                    if !self.goes_on(group, *repeated)? {
                        return Ok(self.map(entries));
                    }
                }
            }
        }
    }

    /// A map of the table, whose keys are text. If a key is itself made of several values, a list of keys and values.
    fn map(&mut self, entries: Vec<(Value, Value)>) -> Value {
        let made_of_several = |key: &Value| matches!(key, Value::List(_) | Value::Map(_) | Value::Set(_));
        if entries.iter().any(|(key, _)| made_of_several(key)) {
            let pair = |(key, value)| Value::Map(vec![("key".to_owned(), key), ("value".to_owned(), value)]);
            return Value::List(entries.into_iter().map(pair).collect());
        }
        let mut map: Vec<(String, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let name = match key {
                Value::Text(text) | Value::Number(text) => text,
                Value::Bool(bool) => bool.to_string(),
                Value::Binary(bytes) => {
                    String::from_utf8(bytes).unwrap_or_else(|error| BASE64_STANDARD.encode(error.as_bytes()))
                }
                _ => String::new(),
            };
            if name.is_empty() {
                self.refuse(Reason::EmptyName, || "a key of a map is empty or null".to_owned());
            }
            map.push((name, value));
        }
        let mut names: Vec<&str> = map.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("the key {} occurs twice in a map", shown(twice[0]));
            self.refused.get_or_insert((Reason::DuplicateKey, message));
        }
        Value::Map(map)
    }

    fn refuse(&mut self, reason: Reason, message: impl FnOnce() -> String) {
        self.refused.get_or_insert_with(|| (reason, message()));
    }

    fn first(&self, group: &Group) -> &Chunk {
        &self.columns[group.columns.start]
    }

    fn definition(&self, group: &Group) -> Result<i16, BadInput> {
        let chunk = self.first(group);
        chunk.definition().ok_or_else(|| chunk.damaged("it has fewer values than the other columns"))
    }

    fn is_null(&self, group: &Group) -> Result<bool, BadInput> {
        // Without a level of its own a group is there wherever the one around it is.
        Ok(self.definition(group)? < group.level)
    }

    /// Whether the list or map has another element.
    fn goes_on(&self, group: &Group, repeated: Repeated) -> Result<bool, BadInput> {
        match self.first(group).repetition() {
            Some(level) if level > repeated.again => {
                Err(self.first(group).damaged("its repetition levels contradict its schema"))
            }
            Some(level) => Ok(level == repeated.again),
            None => Ok(false),
        }
    }

    /// Passes the one level that all columns below the group have where there is nothing.
    fn pass(&mut self, group: &Group, value: Value) -> Result<Value, BadInput> {
        for chunk in &mut self.columns[group.columns.clone()] {
            let there_is_none = matches!(chunk.take(), Some(None));
            if !there_is_none {
                return Err(chunk.damaged("its levels contradict those of its neighbours"));
            }
        }
        Ok(value)
    }
}
