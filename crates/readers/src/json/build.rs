//! From the text of one record to a [`Record`]: exact numbers, no name twice, the table's limits.

use std::sync::Arc;

use domain::record::{self, FIELD_BYTES, LEVELS, NAME_BYTES, Record, Value, number};

use super::super::options::{Limits, RESERVED_NAMES};
use super::super::reason::{Reason, shown};
use super::refused::{Refused, too_deep};
use super::scan::{Fault, Scanner, Step, Stopped};
use super::{dynamodb, is_space, syntax_message};

/// The name a record gets for its value when it is no object.
const VALUE_NAME: &str = "value";

/// Names no longer than this are shared between records.
const SHARED_NAME_BYTES: usize = 256;

/// What numbers may be in JavaScript and Python and not in JSON, as programs of both write them.
const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Builds records, and shares the names that one has with the one before.
pub(crate) struct Builder {
    names: Vec<Arc<str>>,
    value_name: Option<Arc<str>>,
    rules: Rules,
    /// Each record is an item of an export, with its types.
    dynamodb: bool,
}

/// What a text may hold.
#[derive(Debug, Clone, Copy)]
struct Rules {
    levels: usize,
    field_bytes: usize,
    /// Which of [`NOT_FINITE`] are null.
    nulls: [bool; NOT_FINITE.len()],
}

impl Builder {
    /// A builder of records as they stand, which reads those of [`NOT_FINITE`] that are in `nulls` as null.
    pub(crate) fn new(nulls: &[String]) -> Self {
        let nulls = NOT_FINITE.map(|word| nulls.iter().any(|null| null == word));
        let rules = Rules { levels: LEVELS, field_bytes: FIELD_BYTES, nulls };
        Self { names: Vec::new(), value_name: None, rules, dynamodb: false }
    }

    /// A builder of items that DynamoDB has exported.
    pub(crate) fn dynamodb() -> Self {
        let plain = Self::new(&[]);
        let rules =
            Rules { levels: dynamodb::TYPED_LEVELS, field_bytes: dynamodb::TYPED_FIELD_BYTES, ..plain.rules };
        Self { rules, dynamodb: true, ..plain }
    }

    /// Whether its records are items that DynamoDB has exported.
    pub(crate) fn is_dynamodb(&self) -> bool {
        self.dynamodb
    }

    /// The builder, with another of its kind left in its place.
    pub(crate) fn take(&mut self) -> Self {
        let fresh = Self { names: Vec::new(), value_name: None, ..*self };
        std::mem::replace(self, fresh)
    }

    /// Builds the record of a text that may be anything: a line.
    pub(crate) fn line(&mut self, text: &[u8], limits: &Limits) -> Result<Record, Refused> {
        if memchr::memchr(0, text).is_some() {
            return Err((Reason::NulByte, "a NUL byte in the line".to_owned()));
        }
        let mut scanner = Scanner::default();
        let mut at = 0;
        while at < text.len() {
            match scanner.step(&text[at..]) {
                Ok((_, Step::More)) => break,
                Ok((taken, _)) => at += taken,
                Err(Stopped { fault: Fault::Syntax(what), at: more }) => {
                    let at = at + more;
                    let message = syntax_message(what, text, at);
                    return Err((Reason::JsonSyntax, format!("{message}, at byte {at} of the line")));
                }
                Err(Stopped { fault: Fault::Trailing, at: more }) => {
                    let at = at + more;
                    let message = syntax_message("the line holds more than one value", text, at);
                    return Err((
                        Reason::JsonSyntax,
                        format!("{message}, at byte {at} of the line; format = \"json\" reads such lines"),
                    ));
                }
                Err(Stopped { fault: Fault::TooDeep, .. }) => return Err(too_deep()),
            }
        }
        if !scanner.finish() && !scanner.is_done() {
            return Err((Reason::JsonSyntax, "not valid JSON: the line ends in the middle".to_owned()));
        }
        self.record(text, limits)
    }

    /// Builds the record of a text that the scanner has found to be one JSON value.
    pub(crate) fn record(&mut self, text: &[u8], limits: &Limits) -> Result<Record, Refused> {
        let text = std::str::from_utf8(text).map_err(|error| {
            (Reason::InvalidUtf8, format!("no UTF-8 at byte {} of the record", error.valid_up_to()))
        })?;
        let mut walk = Walk { text, at: 0, rules: self.rules };
        walk.space();
        let record = if walk.peek() == b'{' {
            let mut record = Record::new();
            walk.object(&mut |walk, name| {
                let value = walk.value(1).map_err(|(reason, message)| {
                    (reason, format!("in the field {}: {message}", shown(&name)))
                })?;
                let name = self.shared(record.len(), name);
                record.push((name, value));
                Ok(())
            })?;
            refuse_twice(record.iter().map(|(name, _)| &**name))?;
            if self.dynamodb {
                record = dynamodb::untyped(record)?;
            }
            if let Some((name, _)) = record.iter().find(|(name, _)| RESERVED_NAMES.contains(&&**name)) {
                return Err((
                    Reason::ReservedName,
                    format!("{} is a name that the pipeline uses itself", shown(name)),
                ));
            }
            record
        } else if self.dynamodb {
            return Err((Reason::NotDynamodbJson, "the line is no object".to_owned()));
        } else {
            let name = Arc::clone(self.value_name.get_or_insert_with(|| VALUE_NAME.into()));
            vec![(name, walk.value(1)?)]
        };
        let size = record::size_bytes(&record);
        if size > limits.item_bytes {
            return Err((
                Reason::ItemTooLarge,
                format!("the record takes {size} bytes of {}", limits.item_bytes),
            ));
        }
        Ok(record)
    }

    /// The name as the record before had it at this place, if it is the same.
    fn shared(&mut self, place: usize, name: String) -> Arc<str> {
        if let Some(shared) = self.names.get(place)
            && **shared == *name
        {
            return Arc::clone(shared);
        }
        let name: Arc<str> = name.into();
        if name.len() <= SHARED_NAME_BYTES {
            if place < self.names.len() {
                self.names[place] = Arc::clone(&name);
            } else if place == self.names.len() && place < usize::from(u8::MAX) {
                self.names.push(Arc::clone(&name));
            }
        }
        name
    }
}

/// Whether the text of one value is an item of an export of DynamoDB, all of it.
pub(crate) fn is_exported_item(text: &[u8]) -> bool {
    let may = text.iter().filter(|byte| !is_space(**byte)).take(8).eq(b"{\"Item\":");
    may && Builder::dynamodb().line(text, &Limits::default()).is_ok()
}

/// Whether a text whose first value is not all in sight begins as an item of an export of DynamoDB does: `{"Item":`, a
/// name, and a type.
pub(crate) fn begins_like_an_exported_item(text: &[u8]) -> bool {
    const TYPES: [&str; 10] = ["S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"];
    let mut signs = text.iter().copied().filter(|byte| !is_space(*byte));
    if !signs.by_ref().take(9).eq(*b"{\"Item\":{") || signs.next() != Some(b'"') {
        return false;
    }
    let mut is_escaped = false;
    signs.by_ref().find(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    let rest: Vec<u8> = signs.take(9).collect();
    TYPES.iter().any(|kind| rest.starts_with(format!(":{{\"{kind}\":").as_bytes()))
}

/// A walk through text that is known to be valid JSON. What cannot be in such text reads as its end.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    rules: Rules,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// A value inside `level` lists and maps, itself counted if it is one.
    fn value(&mut self, level: usize) -> Result<Value, Refused> {
        self.space();
        let first = self.peek();
        if matches!(first, b'{' | b'[') && level > self.rules.levels {
            return Err(too_deep());
        }
        match first {
            b'{' => {
                let mut entries = Vec::new();
                self.object(&mut |walk, name| {
                    entries.push((name, walk.value(level + 1)?));
                    Ok(())
                })?;
                refuse_twice(entries.iter().map(|(name, _)| name.as_str()))?;
                Ok(Value::Map(entries))
            }
            b'[' => {
                let mut values = Vec::new();
                self.at += 1;
                self.space();
                while !matches!(self.peek(), b']' | 0) {
                    values.push(self.value(level + 1)?);
                    self.separator();
                }
                self.at += 1;
                Ok(Value::List(values))
            }
            b'"' => {
                let text = self.string()?;
                let most = self.rules.field_bytes;
                if text.len() > most {
                    return Err((
                        Reason::FieldTooLarge,
                        format!("a text takes {} bytes of {most}", text.len()),
                    ));
                }
                Ok(Value::Text(text))
            }
            _ => match self.word() {
                word if first.is_ascii_uppercase() || word.ends_with('y') => self.not_finite(word),
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                "null" => Ok(Value::Null),
                figures => match number::check(figures) {
                    Ok(()) => Ok(Value::Number(figures.to_owned())),
                    Err(error) => {
                        Err((Reason::NumberOutOfRange, format!("the number {} has {error}", shown(figures))))
                    }
                },
            },
        }
    }

    /// The value of a word that is no number of JSON.
    fn not_finite(&self, word: &str) -> Result<Value, Refused> {
        let null = NOT_FINITE.iter().zip(self.rules.nulls).any(|(known, null)| *known == word && null);
        if null {
            return Ok(Value::Null);
        }
        Err((
            Reason::NotFinite,
            format!("{word} is no number of JSON, at byte {} of the record", self.at - word.len()),
        ))
    }

    fn object(
        &mut self,
        entry: &mut dyn FnMut(&mut Self, String) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.at += 1;
        self.space();
        while !matches!(self.peek(), b'}' | 0) {
            let name = self.string()?;
            if name.is_empty() {
                return Err((Reason::EmptyName, "a name is empty".to_owned()));
            }
            if name.len() > NAME_BYTES {
                return Err((
                    Reason::NameTooLong,
                    format!("a name takes {} bytes of {NAME_BYTES}", name.len()),
                ));
            }
            self.space();
            // The colon.
            self.at += 1;
            entry(self, name)?;
            self.separator();
        }
        self.at += 1;
        Ok(())
    }

    /// Past the comma after a value, if there is one.
    fn separator(&mut self) {
        self.space();
        if self.peek() == b',' {
            self.at += 1;
            self.space();
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest
            .bytes()
            .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A string in quotes, its escapes undone.
    fn string(&mut self) -> Result<String, Refused> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        self.at += 1;
        while let Some(next) = memchr::memchr2(b'"', b'\\', &bytes[self.at.min(bytes.len())..]) {
            self.at += next;
            if bytes[self.at] == b'"' {
                break;
            }
            escaped = true;
            self.at += 2;
        }
        self.at = (self.at + 1).min(bytes.len());
        let quoted = &self.text[start..self.at];
        if !escaped {
            return Ok(quoted.trim_matches('"').to_owned());
        }
        serde_json::from_str(quoted).map_err(|_| {
            (Reason::LoneSurrogate, format!("{} has a \\u escape that is half a character", shown(quoted)))
        })
    }
}

fn refuse_twice<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Result<(), Refused> {
    /// Up to this number of names, comparing each with each is quicker than sorting.
    const FEW: usize = 12;
    let count = names.clone().count();
    let twice = if count <= FEW {
        names
            .clone()
            .enumerate()
            .find(|(at, name)| names.clone().take(*at).any(|before| before == *name))
            .map(|(_, name)| name)
    } else {
        let mut sorted: Vec<&str> = names.collect();
        sorted.sort_unstable();
        sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    };
    twice.map_or(Ok(()), |name| Err((Reason::DuplicateKey, format!("the name {} occurs twice", shown(name)))))
}
