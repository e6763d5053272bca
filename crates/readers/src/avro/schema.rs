//! The schema of an Avro file: types in a list that refer to each other by number, as a type may contain itself.
//!
//! <https://avro.apache.org/docs/1.12.0/specification/>

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::reason::{BadInput, Reason, shown};

/// The most types a schema may have. Each reference by name counts as none.
const MOST_TYPES: usize = 20_000;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Boolean,
    /// An int or a long, which are written alike.
    Integer(Unit),
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    /// A number with this many digits behind the point; of fixed size, or bytes with a length before them.
    Decimal {
        scale: u32,
        size: Option<usize>,
    },
    /// A UUID of sixteen bytes. One that is written as text is a text.
    Uuid,
    /// Months, days and milliseconds.
    Duration,
    Enum(Vec<String>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<(Arc<str>, usize)>),
}

/// What an integer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Plain,
    /// Days since 1970.
    Date,
    /// A time of day, counted in parts of a second: this number of them makes a second.
    Time(i64),
    /// A moment, in parts of a second since 1970.
    Timestamp(i64),
    /// A date and time of an unknown place.
    LocalTimestamp(i64),
}

/// A schema: its types, the first of which is that of a record.
#[derive(Debug, PartialEq)]
pub(super) struct Schema {
    pub(super) types: Vec<Type>,
}

impl Schema {
    /// Reads the JSON text of a schema.
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadInput> {
        let json: Value =
            serde_json::from_slice(text).map_err(|error| bad(&format!("is no JSON: {error}")))?;
        let mut parser = Parser { types: Vec::new(), names: HashMap::new() };
        let root = parser.parse(&json, "")?;
        // A root that is a name or was read behind its parts stands first all the same.
        if root != 0 {
            return Err(bad("does not begin with the type of its records"));
        }
        Ok(Self { types: parser.types })
    }
}

fn bad(what: &str) -> BadInput {
    BadInput::new(Reason::DamagedFile, format!("the schema of the Avro file {what}"))
}

struct Parser {
    types: Vec<Type>,
    names: HashMap<String, usize>,
}

impl Parser {
    /// Adds the type of `json`, inside `namespace`: its number.
    fn parse(&mut self, json: &Value, namespace: &str) -> Result<usize, BadInput> {
        match json {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => {
                let at = self.add(Type::Union(Vec::new()))?;
                let branches = branches.iter().map(|branch| self.parse(branch, namespace));
                self.types[at] = Type::Union(branches.collect::<Result<_, _>>()?);
                Ok(at)
            }
            Value::Object(object) => self.object(object, namespace),
            _ => Err(bad("has something that is no type")),
        }
    }

    fn add(&mut self, kind: Type) -> Result<usize, BadInput> {
        if self.types.len() == MOST_TYPES {
            return Err(bad(&format!("has more than {MOST_TYPES} types")));
        }
        self.types.push(kind);
        Ok(self.types.len() - 1)
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<usize, BadInput> {
        if let Some(kind) = primitive(name) {
            return self.add(kind);
        }
        let known = self.names.get(&full(name, namespace)).or_else(|| self.names.get(name));
        known.copied().ok_or_else(|| bad(&format!("has the type {}, which it does not define", shown(name))))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str) -> Result<usize, BadInput> {
        let Some(kind) = object.get("type") else { return Err(bad("has a type without the name of one")) };
        let Value::String(kind) = kind else { return self.parse(kind, namespace) };
        match kind.as_str() {
            "array" | "map" => {
                let member = if kind == "array" { "items" } else { "values" };
                let of = object.get(member).ok_or_else(|| bad(&format!("has an {kind} without {member}")))?;
                let at = self.add(Type::Null)?;
                let of = self.parse(of, namespace)?;
                self.types[at] = if kind == "array" { Type::Array(of) } else { Type::Map(of) };
                Ok(at)
            }
            "record" | "error" | "enum" | "fixed" => self.define(kind, object, namespace),
            name => match primitive(name) {
                Some(plain) => self.add(logical(plain, object)),
                None => self.named(name, namespace),
            },
        }
    }

    /// A type that has a name.
    fn define(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        namespace: &str,
    ) -> Result<usize, BadInput> {
        let name =
            object.get("name").and_then(Value::as_str).ok_or_else(|| bad("has a type without a name"))?;
        let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let name = full(name, own);
        let inside = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let at = self.add(Type::Null)?;
        self.names.insert(name.clone(), at);
        let list = |member: &str| {
            object
                .get(member)
                .and_then(Value::as_array)
                .ok_or_else(|| bad(&format!("defines the {kind} {} without its {member}", shown(&name))))
        };
        let defined = match kind {
            "enum" => {
                let symbols = list("symbols")?.iter().map(|symbol| symbol.as_str().map(str::to_owned));
                let symbols: Option<Vec<String>> = symbols.collect();
                Type::Enum(symbols.ok_or_else(|| bad("has a symbol that is no text"))?)
            }
            "fixed" => {
                let size =
                    object.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(|| bad("has a fixed without its size"))?;
                logical(Type::Fixed(size), object)
            }
            _ => {
                let mut fields: Vec<(Arc<str>, usize)> = Vec::new();
                for field in list("fields")? {
                    let name = field.get("name").and_then(Value::as_str);
                    let kind = field.get("type");
                    let (Some(name), Some(kind)) = (name, kind) else {
                        return Err(bad("has a field without a name or a type"));
                    };
                    if name.is_empty() || fields.iter().any(|(known, _)| **known == *name) {
                        return Err(bad(&format!("has the field {} twice", shown(name))));
                    }
                    fields.push((name.into(), self.parse(kind, &inside)?));
                }
                Type::Record(fields)
            }
        };
        self.types[at] = defined;
        Ok(at)
    }
}

/// A name with its namespace.
fn full(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn primitive(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" | "long" => Type::Integer(Unit::Plain),
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::Text,
        _ => return None,
    })
}

/// What a type means. A meaning that is unknown or does not fit the type is none, as the specification has it.
fn logical(plain: Type, object: &Map<String, Value>) -> Type {
    const MILLIS: i64 = 1_000;
    const MICROS: i64 = 1_000_000;
    const NANOS: i64 = 1_000_000_000;
    let unit = |unit| Type::Integer(unit);
    match (object.get("logicalType").and_then(Value::as_str), &plain) {
        (Some("decimal"), Type::Bytes | Type::Fixed(_)) => {
            let scale = object.get("scale").and_then(Value::as_u64).unwrap_or_default();
            let size = if let Type::Fixed(size) = plain { Some(size) } else { None };
            match u32::try_from(scale) {
                Ok(scale) if scale <= 1_000 => Type::Decimal { scale, size },
                _ => plain,
            }
        }
        (Some("uuid"), Type::Fixed(16)) => Type::Uuid,
        (Some("duration"), Type::Fixed(12)) => Type::Duration,
        (Some("date"), Type::Integer(_)) => unit(Unit::Date),
        (Some("time-millis"), Type::Integer(_)) => unit(Unit::Time(MILLIS)),
        (Some("time-micros"), Type::Integer(_)) => unit(Unit::Time(MICROS)),
        (Some("timestamp-millis"), Type::Integer(_)) => unit(Unit::Timestamp(MILLIS)),
        (Some("timestamp-micros"), Type::Integer(_)) => unit(Unit::Timestamp(MICROS)),
        (Some("timestamp-nanos"), Type::Integer(_)) => unit(Unit::Timestamp(NANOS)),
        (Some("local-timestamp-millis"), Type::Integer(_)) => unit(Unit::LocalTimestamp(MILLIS)),
        (Some("local-timestamp-micros"), Type::Integer(_)) => unit(Unit::LocalTimestamp(MICROS)),
        (Some("local-timestamp-nanos"), Type::Integer(_)) => unit(Unit::LocalTimestamp(NANOS)),
        _ => plain,
    }
}
