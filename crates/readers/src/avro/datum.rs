//! One record of an Avro block: from its bytes to values.
//!
//! A value that cannot be stored refuses the record, and decoding goes on to find the next one. Bytes that do not follow
//! the schema leave nothing to go on with.

use std::sync::Arc;

use domain::record::{FIELD_BYTES, LEVELS, NAME_BYTES, Record, Value, number};

use super::super::floats::shortest;
use super::super::json::refused::{Refused, too_deep};
use super::super::options::RESERVED_NAMES;
use super::super::reason::{Reason, shown};
use super::calendar::{duration, in_words};
use super::schema::{Schema, Type};

/// The name a record gets for its value when its type is no record.
const VALUE_NAME: &str = "value";

/// How many types may be open at once: twice what [`LEVELS`] needs, as a union in between is one too.
const MOST_OPEN: usize = 3 * LEVELS;

/// How many values without a byte of their own a record may have.
const MOST_EMPTY: u64 = 1 << 20;

/// Why bytes do not follow the schema.
pub(super) type Damage = &'static str;

const CUT: Damage = "a record runs over the end of its block";

/// Reads the records of a block, one after the other.
pub(super) struct Decoder<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    item_bytes: usize,
    /// Which of NaN, Infinity and -Infinity are null.
    nulls: &'a [String],
    refused: Option<Refused>,
    /// About what the record takes so far.
    size: usize,
    empty: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(schema: &'a Schema, bytes: &'a [u8], item_bytes: usize, nulls: &'a [String]) -> Self {
        Self { schema, bytes, item_bytes, nulls, refused: None, size: 0, empty: 0 }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The next record.
    pub(super) fn record(&mut self) -> Result<Result<Record, Refused>, Damage> {
        (self.refused, self.size, self.empty) = (None, 0, 0);
        let record = match self.branch(0)? {
            Some(Type::Record(fields)) => {
                let mut record = Record::with_capacity(fields.len());
                for (name, kind) in fields {
                    let before = self.refused.is_some();
                    let value = self.value(*kind, 1)?;
                    if !before && let Some((reason, message)) = self.refused.take() {
                        self.refused = Some((reason, format!("in the field {}: {message}", shown(name))));
                    }
                    if RESERVED_NAMES.contains(&&**name) {
                        self.refuse(Reason::ReservedName, || {
                            format!("{} is a name that the pipeline uses itself", shown(name))
                        });
                    }
                    record.push((Arc::clone(name), value));
                }
                record
            }
            Some(kind) => vec![(VALUE_NAME.into(), self.typed(kind, 1)?)],
            None => return Err("a union has no such branch"),
        };
        Ok(match self.refused.take() {
            Some(refused) => Err(refused),
            None => Ok(record),
        })
    }

    /// The type at `at`, or the branch of a union there that the bytes choose.
    fn branch(&mut self, at: usize) -> Result<Option<&'a Type>, Damage> {
        let schema = self.schema;
        let Some(Type::Union(branches)) = schema.types.get(at) else { return Ok(schema.types.get(at)) };
        let chosen = usize::try_from(self.long()?).ok().and_then(|chosen| branches.get(chosen));
        Ok(chosen.and_then(|branch| schema.types.get(*branch)))
    }

    /// A value inside `open` types, itself counted.
    fn value(&mut self, at: usize, open: usize) -> Result<Value, Damage> {
        let kind = self.branch(at)?.ok_or("a union has no such branch")?;
        self.typed(kind, open)
    }

    fn typed(&mut self, kind: &'a Type, open: usize) -> Result<Value, Damage> {
        let value = self.plain(kind, open)?;
        self.size = self.size.saturating_add(match &value {
            Value::List(_) | Value::Map(_) => 3,
            other => other.size_bytes(),
        });
        if self.size > self.item_bytes {
            let most = self.item_bytes;
            self.refuse(Reason::ItemTooLarge, || format!("the record takes more than {most} bytes"));
        }
        // What is refused is only passed over.
        Ok(if self.refused.is_some() { Value::Null } else { value })
    }

    fn plain(&mut self, kind: &'a Type, open: usize) -> Result<Value, Damage> {
        Ok(match kind {
            Type::Null => Value::Null,
            Type::Boolean => match self.take(1)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err("a boolean is neither 0 nor 1"),
            },
            Type::Integer(unit) => {
                let count = self.long()?;
                match in_words(*unit, count) {
                    Some(value) => value,
                    None => {
                        self.refuse(Reason::NumberOutOfRange, || {
                            format!("{count} is beyond the dates from year -9999 to 9999, or no time of day")
                        });
                        Value::Null
                    }
                }
            }
            Type::Float => {
                let [a, b, c, d] = *self.take(4)? else { return Err(CUT) };
                let value = f32::from_le_bytes([a, b, c, d]);
                self.float(f64::from(value), shortest(value, value.abs().into()))
            }
            Type::Double => {
                let [a, b, c, d, e, f, g, h] = *self.take(8)? else { return Err(CUT) };
                let value = f64::from_le_bytes([a, b, c, d, e, f, g, h]);
                self.float(value, shortest(value, value.abs()))
            }
            Type::Bytes => {
                let bytes = self.sized()?;
                self.binary(bytes)
            }
            Type::Fixed(size) => {
                let bytes = self.take(*size)?;
                self.binary(bytes)
            }
            Type::Text => {
                let bytes = self.sized()?;
                self.text(bytes)
            }
            Type::Decimal { scale, size } => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                self.decimal(bytes, *scale)
            }
            Type::Uuid => {
                let hex: String = self.take(16)?.iter().map(|byte| format!("{byte:02x}")).collect();
                let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                Value::Text(parts.join("-"))
            }
            Type::Duration => {
                let bytes = self.take(12)?;
                let part = |at: usize| {
                    bytes[at..at + 4].iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte))
                };
                Value::Text(duration(part(0), part(4), part(8)))
            }
            Type::Enum(symbols) => {
                let symbol = usize::try_from(self.long()?).ok().and_then(|at| symbols.get(at));
                Value::Text(symbol.ok_or("an enum has no such symbol")?.clone())
            }
            Type::Array(of) => self.array(*of, open)?,
            Type::Map(of) => self.map(*of, open)?,
            Type::Record(fields) => {
                self.open(open)?;
                let mut entries = Vec::with_capacity(fields.len());
                for (name, kind) in fields {
                    let value = self.value(*kind, open + 1)?;
                    self.push(&mut entries, (name.to_string(), value), name.len());
                }
                Value::Map(entries)
            }
            // A union directly inside a union cannot be written.
            Type::Union(_) => return Err("a union stands inside a union"),
        })
    }

    fn array(&mut self, of: usize, open: usize) -> Result<Value, Damage> {
        self.open(open)?;
        let mut values = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(Value::List(values));
            }
            for _ in 0..count {
                let before = self.bytes.len();
                let value = self.value(of, open + 1)?;
                self.is_empty(before)?;
                self.push(&mut values, value, 0);
            }
        }
    }

    fn map(&mut self, of: usize, open: usize) -> Result<Value, Damage> {
        self.open(open)?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let name = self.sized()?;
                let name = match std::str::from_utf8(name) {
                    Ok(name) => name,
                    Err(_) => {
                        self.refuse(Reason::InvalidUtf8, || "a name in a map is not UTF-8".to_owned());
                        ""
                    }
                };
                if name.is_empty() {
                    self.refuse(Reason::EmptyName, || "a name in a map is empty".to_owned());
                } else if name.len() > NAME_BYTES {
                    self.refuse(Reason::NameTooLong, || {
                        format!("a name takes {} bytes of {NAME_BYTES}", name.len())
                    });
                }
                let value = self.value(of, open + 1)?;
                self.push(&mut entries, (name.to_owned(), value), name.len());
            }
        }
        let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let twice = shown(twice[0]);
            self.refuse(Reason::DuplicateKey, || format!("the name {twice} occurs twice"));
        }
        Ok(Value::Map(entries))
    }

    /// Keeps a member of a list or a map, unless the record is refused.
    fn push<T>(&mut self, members: &mut Vec<T>, member: T, name_bytes: usize) {
        self.size = self.size.saturating_add(1 + name_bytes);
        if self.refused.is_none() {
            members.push(member);
        }
    }

    /// Counts the members that have no byte of their own, of which a few bytes could announce any number.
    fn is_empty(&mut self, before: usize) -> Result<(), Damage> {
        self.empty += u64::from(before == self.bytes.len());
        if self.empty > MOST_EMPTY { Err("a record has millions of empty values") } else { Ok(()) }
    }

    /// A list or a map begins inside `open` types, itself counted.
    fn open(&mut self, open: usize) -> Result<(), Damage> {
        if open > LEVELS {
            let (reason, message) = too_deep();
            self.refuse(reason, || message);
        }
        if open > MOST_OPEN { Err("types are nested too deep to be followed") } else { Ok(()) }
    }

    /// How many members follow in a list or a map; 0 at its end.
    fn block(&mut self) -> Result<u64, Damage> {
        let count = self.long()?;
        if count < 0 {
            // The size of the members in bytes, for readers that pass over them.
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    fn refuse(&mut self, reason: Reason, message: impl FnOnce() -> String) {
        if self.refused.is_none() {
            self.refused = Some((reason, message()));
        }
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.bytes.split_at_checked(bytes).ok_or(CUT)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Bytes with their length before them.
    fn sized(&mut self) -> Result<&'a [u8], Damage> {
        let length = usize::try_from(self.long()?).map_err(|_| "a length is negative")?;
        self.take(length)
    }

    fn long(&mut self) -> Result<i64, Damage> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { return Err(CUT) };
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(unzigzag(bits));
            }
        }
        Err("a number has more than ten bytes")
    }

    fn text(&mut self, bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) if self.fits(bytes.len()) => Value::Text(text.to_owned()),
            Ok(_) => Value::Null,
            Err(_) => {
                self.refuse(Reason::InvalidUtf8, || "a text is not UTF-8".to_owned());
                Value::Null
            }
        }
    }

    fn binary(&mut self, bytes: &[u8]) -> Value {
        if self.fits(bytes.len()) { Value::Binary(bytes.to_vec()) } else { Value::Null }
    }

    fn fits(&mut self, bytes: usize) -> bool {
        if bytes > FIELD_BYTES {
            self.refuse(Reason::FieldTooLarge, || format!("a field takes {bytes} bytes of {FIELD_BYTES}"));
        }
        self.refused.is_none()
    }

    fn float(&mut self, value: f64, text: String) -> Value {
        if value.is_finite() {
            return self.number(text);
        }
        let word = match value {
            _ if value.is_nan() => "NaN",
            _ if value > 0.0 => "Infinity",
            _ => "-Infinity",
        };
        if !self.nulls.iter().any(|null| null == word) {
            self.refuse(Reason::NotFinite, || format!("{word} is no number of the table"));
        }
        Value::Null
    }

    /// An unscaled number, big end first, with a sign.
    fn decimal(&mut self, bytes: &[u8], scale: u32) -> Value {
        let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
        let part = &bytes[bytes.iter().take_while(|byte| **byte == sign).count()..];
        if part.len() > 16 || (part.len() == 16 && (part[0] & 0x80 != 0) != (sign == 0xff)) {
            self.refuse(Reason::NumberOutOfRange, || "a decimal has more than 38 digits".to_owned());
            return Value::Null;
        }
        let start: i128 = if sign == 0xff { -1 } else { 0 };
        let unscaled = part.iter().fold(start, |sum, byte| sum << 8 | i128::from(*byte));
        let scale = usize::try_from(scale).unwrap_or_default();
        let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let (minus, dot) = (if unscaled < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
        self.number(format!("{minus}{whole}{dot}{fraction}"))
    }

    fn number(&mut self, text: String) -> Value {
        if let Err(error) = number::check(&text) {
            self.refuse(Reason::NumberOutOfRange, || format!("the number {} has {error}", shown(&text)));
            return Value::Null;
        }
        Value::Number(text)
    }
}

pub(super) fn unzigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}
