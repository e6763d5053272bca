//! From the schema of a file to the shape of its records.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use domain::pipelines::Delimited;
use domain::record::{LEVELS, NAME_BYTES};
use domain::text::{count, grouped};

use super::super::delimited::{columns::unknown_column, names};
use super::super::options::Options;
use super::super::reason::{BadInput, Reason, shown};
use super::super::schema::ColumnType;
use super::value::{Kind, Unit};

/// A field of the records, or something inside it.
#[derive(Debug)]
pub(super) enum Node {
    /// A value of the column of this number. It is there where the definition level is `level`.
    Leaf { column: usize, level: i16, kind: Kind, as_text: bool },
    /// Named fields.
    Fields(Group, Vec<(String, Node)>),
    /// A list. It has an element where the definition level is `filled` or above, and another one follows where the
    /// repetition level is `again`.
    List(Group, Repeated, Box<Node>),
    /// Keys with values, which without a value are null.
    Map(Group, Repeated, Box<Node>, Option<Box<Node>>),
}

/// What every node that is no leaf has.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The columns below it, one at least.
    pub(super) columns: Range<usize>,
    /// It is null where the definition level is below this.
    pub(super) level: i16,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Repeated {
    pub(super) filled: i16,
    pub(super) again: i16,
}

/// The fields of a file's records.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) names: Vec<Arc<str>>,
    pub(super) nodes: Vec<Node>,
}

/// The shape of the records of a file with this schema.
pub(super) fn shape(schema: &SchemaDescriptor, options: &Options) -> Result<Shape, BadInput> {
    let columns = schema.num_columns();
    if columns > options.limits.columns {
        let (columns, most) = (count(columns, "column"), grouped(options.limits.columns as u64));
        return Err(BadInput::new(Reason::TooManyColumns, format!("{columns}; at most {most} are read")));
    }
    let fields = schema.root_schema().get_fields();
    let names = column_names(fields, &options.table)?;
    if let Some(unknown) = options.columns.keys().find(|name| !names.iter().any(|it| **it == ***name)) {
        return Err(unknown_column(unknown, names.iter().map(|name| &**name)));
    }
    let mut walk = Walk { column: 0 };
    let mut nodes = Vec::with_capacity(fields.len());
    for (field, name) in fields.iter().zip(&names) {
        let node = walk.field(field, Levels::default(), 0)?;
        nodes.push(declared(node, name, &options.columns));
    }
    if nodes.is_empty() {
        return Err(BadInput::new(Reason::NoTable, "the Parquet file has no columns"));
    }
    Ok(Shape { names, nodes })
}

fn declared(node: Node, name: &str, columns: &BTreeMap<String, ColumnType>) -> Node {
    match node {
        Node::Leaf { column, level, kind, .. } => {
            Node::Leaf { column, level, kind, as_text: columns.get(name) == Some(&ColumnType::Text) }
        }
        other => other,
    }
}

fn column_names(fields: &[Arc<Type>], said: &Delimited) -> Result<Vec<Arc<str>>, BadInput> {
    let texts: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    names::settle(&texts, texts.len(), said, false, &|| "the schema".to_owned())
}

/// The levels above a field.
#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    definition: i16,
    repetition: i16,
}

struct Walk {
    /// The number of the next column.
    column: usize,
}

impl Walk {
    /// A field as it stands in a group: if it is repeated without being in a list or a map, it is a list.
    fn field(&mut self, field: &Type, above: Levels, depth: usize) -> Result<Node, BadInput> {
        if repetition(field) != Repetition::REPEATED {
            return self.single(field, above, depth);
        }
        let start = self.column;
        let inner = Levels { definition: above.definition + 1, repetition: above.repetition + 1 };
        let element = self.value(field, inner, nested(depth)?)?;
        let group = self.group(start, above.definition, field)?;
        let repeated = Repeated { filled: inner.definition, again: inner.repetition };
        Ok(Node::List(group, repeated, Box::new(element)))
    }

    fn single(&mut self, field: &Type, above: Levels, depth: usize) -> Result<Node, BadInput> {
        let optional = i16::from(repetition(field) == Repetition::OPTIONAL);
        self.value(field, Levels { definition: above.definition + optional, ..above }, depth)
    }

    /// What a field holds where it is there, which is where the definition level is `levels.definition`.
    fn value(&mut self, field: &Type, levels: Levels, depth: usize) -> Result<Node, BadInput> {
        if field.is_primitive() {
            let column = self.column;
            self.column += 1;
            return Ok(Node::Leaf { column, level: levels.definition, kind: kind(field)?, as_text: false });
        }
        let depth = nested(depth)?;
        let info = field.get_basic_info();
        let inside = match field.get_fields() {
            [inside] if repetition(inside) == Repetition::REPEATED => Some(inside),
            _ => None,
        };
        let start = self.column;
        match (info.logical_type_ref(), info.converted_type(), inside) {
            (Some(LogicalType::List), _, Some(inside)) | (None, ConvertedType::LIST, Some(inside)) => {
                let inner = Levels { definition: levels.definition + 1, repetition: levels.repetition + 1 };
                let element = match element(field, inside) {
                    Some(element) => self.field(element, inner, depth)?,
                    None => self.value(inside, inner, depth)?,
                };
                let group = self.group(start, levels.definition, field)?;
                let repeated = Repeated { filled: inner.definition, again: inner.repetition };
                Ok(Node::List(group, repeated, Box::new(element)))
            }
            (Some(LogicalType::Map), _, Some(inside))
            | (None, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, Some(inside))
                if !inside.is_primitive() && matches!(inside.get_fields().len(), 1 | 2) =>
            {
                let inner = Levels { definition: levels.definition + 1, repetition: levels.repetition + 1 };
                let mut parts = inside.get_fields().iter().map(|part| self.field(part, inner, depth));
                let (key, value) = (parts.next().transpose()?, parts.next().transpose()?);
                drop(parts);
                let Some(key) = key else { return Err(odd("a map without keys")) };
                let group = self.group(start, levels.definition, field)?;
                let repeated = Repeated { filled: inner.definition, again: inner.repetition };
                Ok(Node::Map(group, repeated, Box::new(key), value.map(Box::new)))
            }
            _ => {
                let mut fields = Vec::with_capacity(field.get_fields().len());
                for inside in field.get_fields() {
                    let name = inside.name();
                    check_name(name, &fields)?;
                    let node = self.field(inside, levels, depth)?;
                    fields.push((name.to_owned(), node));
                }
                Ok(Node::Fields(self.group(start, levels.definition, field)?, fields))
            }
        }
    }

    fn group(&self, start: usize, level: i16, field: &Type) -> Result<Group, BadInput> {
        if self.column == start {
            return Err(odd(&format!("the group {} has no columns", shown(field.name()))));
        }
        Ok(Group { columns: start..self.column, level })
    }
}

fn repetition(field: &Type) -> Repetition {
    let info = field.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

/// One level deeper, if an item of the table nests so deep.
fn nested(depth: usize) -> Result<usize, BadInput> {
    if depth == LEVELS {
        let message = format!("the schema nests lists, maps and groups more than {LEVELS} levels deep");
        return Err(BadInput::new(Reason::JsonTooDeep, message));
    }
    Ok(depth + 1)
}

/// The element of a list whose repeated field is `inside`; none if that is the element itself, as older writers have it.
///
/// <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists>
fn element<'a>(list: &Type, inside: &'a Type) -> Option<&'a Type> {
    if inside.is_primitive() {
        return None;
    }
    let [only] = inside.get_fields() else { return None };
    let is_element = repetition(only) == Repetition::REPEATED
        || inside.name() == "array"
        || inside.name() == format!("{}_tuple", list.name());
    (!is_element).then_some(only)
}

fn check_name(name: &str, before: &[(String, Node)]) -> Result<(), BadInput> {
    if name.is_empty() {
        return Err(BadInput::new(Reason::EmptyName, "a field inside a group has no name"));
    }
    if name.len() > NAME_BYTES {
        let message = format!("a name takes {} bytes of {NAME_BYTES}", name.len());
        return Err(BadInput::new(Reason::NameTooLong, message));
    }
    if before.iter().any(|(other, _)| other == name) {
        let message = format!("the name {} occurs twice in one group", shown(name));
        return Err(BadInput::new(Reason::DuplicateKey, message));
    }
    Ok(())
}

fn odd(what: &str) -> BadInput {
    BadInput::new(Reason::DamagedFile, format!("the schema of the Parquet file is invalid: {what}"))
}

/// What the values of a column are: its logical type, else the older converted one, which is of UTC where it is a time.
fn kind(field: &Type) -> Result<Kind, BadInput> {
    let info = field.get_basic_info();
    let physical = field.get_physical_type();
    let scale = match physical {
        Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => {
            field.get_scale()
        }
        _ => 0,
    };
    let plain = || match physical {
        Physical::BOOLEAN => Kind::Boolean,
        Physical::INT32 | Physical::INT64 => Kind::Integer,
        Physical::INT96 => Kind::Int96,
        Physical::FLOAT | Physical::DOUBLE => Kind::Float,
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => Kind::Binary,
    };
    let is_int = matches!(physical, Physical::INT32 | Physical::INT64);
    let is_bytes = matches!(physical, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY);
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => Unit::Milliseconds,
        TimeUnit::MICROS => Unit::Microseconds,
        TimeUnit::NANOS => Unit::Nanoseconds,
    };
    let fixed = |length| physical == Physical::FIXED_LEN_BYTE_ARRAY && type_length(field) == length;
    let kind = match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _) if is_bytes => Kind::Text,
        (Some(LogicalType::Decimal(_)), _) if is_int || is_bytes => Kind::Decimal { scale },
        (Some(LogicalType::Date), _) if is_int => Kind::Date,
        (Some(LogicalType::Time(time)), _) if is_int => {
            Kind::Time { unit: unit(&time.unit), utc: time.is_adjusted_to_u_t_c }
        }
        (Some(LogicalType::Timestamp(time)), _) if is_int => {
            Kind::Timestamp { unit: unit(&time.unit), utc: time.is_adjusted_to_u_t_c }
        }
        (Some(LogicalType::Integer(int)), _) if is_int && !int.is_signed => Kind::Unsigned,
        (Some(LogicalType::Uuid), _) if fixed(16) => Kind::Uuid,
        (Some(LogicalType::Float16), _) if fixed(2) => Kind::Float16,
        (Some(_), _) => plain(),
        (None, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) if is_bytes => Kind::Text,
        (None, ConvertedType::DECIMAL) if is_int || is_bytes => Kind::Decimal { scale },
        (None, ConvertedType::DATE) if is_int => Kind::Date,
        (None, ConvertedType::TIME_MILLIS) if is_int => Kind::Time { unit: Unit::Milliseconds, utc: true },
        (None, ConvertedType::TIME_MICROS) if is_int => Kind::Time { unit: Unit::Microseconds, utc: true },
        (None, ConvertedType::TIMESTAMP_MILLIS) if is_int => {
            Kind::Timestamp { unit: Unit::Milliseconds, utc: true }
        }
        (None, ConvertedType::TIMESTAMP_MICROS) if is_int => {
            Kind::Timestamp { unit: Unit::Microseconds, utc: true }
        }
        (
            None,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
        ) if is_int => Kind::Unsigned,
        (None, ConvertedType::INTERVAL) if fixed(12) => Kind::Interval,
        (None, _) => plain(),
    };
    Ok(kind)
}

fn type_length(field: &Type) -> i32 {
    match field {
        Type::PrimitiveType { type_length, .. } => *type_length,
        Type::GroupType { .. } => 0,
    }
}
