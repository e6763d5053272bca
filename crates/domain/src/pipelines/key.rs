//! Natural keys: a template that makes a record's partition key from its columns.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::record::{Record, Value, number};
use crate::text::{escaped, shortened};

/// A template such as `customer#{customer_id}`: literal text and `{column}`s; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyTemplate {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Column(String),
}

/// Why a text is no key template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyTemplateError {
    /// A `{` without its `}`.
    #[error("`{{` is never closed; write `{{{{` for a brace that means itself")]
    Unclosed,
    /// A `}` without its `{`.
    #[error("`}}` closes nothing; write `}}}}` for a brace that means itself")]
    Stray,
    /// `{}`.
    #[error("`{{}}` names no column")]
    Nameless,
    /// Literal text only.
    #[error("it has no {{column}}, so all records would get the same key")]
    Constant,
    /// Two columns touch.
    #[error("`{{{0}}}{{{1}}}` touch, so that 1+23 and 12+3 would be one key; put a character between them")]
    Touching(String, String),
}

/// A record has nothing in a column its key needs. An empty value counts as nothing: DynamoDB
/// refuses empty keys, and `customer#` would collect every record without a customer. So do null, a
/// list and a map.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the key needs column `{column}`, which is missing, empty or no single value{others}")]
pub struct MissingColumn {
    /// The column's name.
    pub column: String,
    /// Behind a semicolon, the first columns there are, if the record has none of this name.
    pub others: String,
}

/// The names of a record that does not have `column`, as they may stand in a message.
fn others(record: &Record, column: &str) -> String {
    const LISTED: usize = 6;
    const NAME_CHARS: usize = 64;
    if record.iter().any(|(name, _)| **name == *column) {
        return String::new();
    }
    let names = record.iter().take(LISTED);
    let mut names: Vec<String> =
        names.map(|(name, _)| format!("\"{}\"", shortened(&escaped(name), NAME_CHARS))).collect();
    if record.len() > LISTED {
        names.push("…".to_owned());
    }
    if names.is_empty() { String::new() } else { format!("; there are {}", names.join(", ")) }
}

impl KeyTemplate {
    /// The columns the key is made of, in order of appearance.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Column(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The key of a record. Equal numbers make equal keys, however they are spelled.
    ///
    /// # Errors
    /// Names the first column that has no single value in it.
    pub fn of(&self, record: &Record) -> Result<String, MissingColumn> {
        self.render(|column| {
            match record.iter().find(|(name, _)| **name == *column).map(|(_, value)| value)? {
                Value::Text(text) => Some(Cow::Borrowed(text)),
                // 7 and 7.0 are one number, and so one key.
                Value::Number(text) => Some(number::canonical(text).map_or(Cow::Borrowed(text), Cow::Owned)),
                Value::Bool(true) => Some(Cow::Borrowed("true")),
                Value::Bool(false) => Some(Cow::Borrowed("false")),
                Value::Null | Value::Binary(_) | Value::Set(_) | Value::List(_) | Value::Map(_) => None,
            }
        })
        .map_err(|missing| MissingColumn { others: others(record, &missing.column), ..missing })
    }

    /// The key of one record, whose columns `value_of` knows.
    ///
    /// # Errors
    /// Names the first column that is missing or empty.
    pub fn render<'r>(
        &self,
        value_of: impl Fn(&str) -> Option<Cow<'r, str>>,
    ) -> Result<String, MissingColumn> {
        let mut key = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => key.push_str(text),
                Segment::Column(name) => match value_of(name).filter(|value| !value.is_empty()) {
                    Some(value) => key.push_str(&value),
                    None => return Err(MissingColumn { column: name.clone(), others: String::new() }),
                },
            }
        }
        Ok(key)
    }
}

impl FromStr for KeyTemplate {
    type Err = KeyTemplateError;

    fn from_str(text: &str) -> Result<Self, KeyTemplateError> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '{' if rest.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' if rest.next_if_eq(&'}').is_some() => literal.push('}'),
                '}' => return Err(KeyTemplateError::Stray),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some('{') | None => return Err(KeyTemplateError::Unclosed),
                            Some(other) => name.push(other),
                        }
                    }
                    if name.is_empty() {
                        return Err(KeyTemplateError::Nameless);
                    }
                    if !literal.is_empty() {
                        segments.push(Segment::Literal(std::mem::take(&mut literal)));
                    }
                    if let Some(Segment::Column(before)) = segments.last() {
                        return Err(KeyTemplateError::Touching(before.clone(), name));
                    }
                    segments.push(Segment::Column(name));
                }
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal));
        }
        let template = Self { segments };
        if template.columns().next().is_none() { Err(KeyTemplateError::Constant) } else { Ok(template) }
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Segment::Column(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for KeyTemplate {
    type Error = KeyTemplateError;

    fn try_from(text: String) -> Result<Self, KeyTemplateError> {
        text.parse()
    }
}

impl From<KeyTemplate> for String {
    fn from(template: KeyTemplate) -> Self {
        template.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String, MissingColumn> {
        template.parse::<KeyTemplate>().unwrap().render(|column| match column {
            "id" => Some("7".into()),
            "shop name" => Some("Åre".into()),
            "blank" => Some("".into()),
            _ => None,
        })
    }

    fn missing(column: &str, others: &str) -> MissingColumn {
        MissingColumn { column: column.into(), others: others.into() }
    }

    #[test]
    fn columns_are_filled_in_and_doubled_braces_are_braces() {
        assert_eq!(render("{id}").unwrap(), "7");
        assert_eq!(render("shop#{shop name}#{id}").unwrap(), "shop#Åre#7");
        assert_eq!(render("{{{id}}}").unwrap(), "{7}");
    }

    #[test]
    fn a_missing_and_an_empty_column_are_both_refused() {
        assert_eq!(render("a#{nope}").unwrap_err(), missing("nope", ""));
        assert_eq!(render("a#{blank}").unwrap_err(), missing("blank", ""));
    }

    #[test]
    fn a_records_single_values_make_its_key() {
        let template: KeyTemplate = "{n}/{ok}/{name}".parse().unwrap();
        let mut record: Record = vec![
            ("n".into(), Value::Number("0012.50".into())),
            ("ok".into(), Value::Bool(false)),
            ("name".into(), Value::Text("Åre".into())),
        ];
        assert_eq!(template.of(&record).unwrap(), "12.5/false/Åre");
        for same in ["12.5", "12.500", "1.25e1"] {
            record[0].1 = Value::Number(same.into());
            assert_eq!(template.of(&record).unwrap(), "12.5/false/Åre", "{same}");
        }
        for none in [Value::Null, Value::List(Vec::new()), Value::Map(Vec::new())] {
            record[2].1 = none;
            assert_eq!(template.of(&record).unwrap_err(), missing("name", ""));
        }
        record.pop();
        let error = template.of(&record).unwrap_err().to_string();
        assert!(
            error.ends_with("`name`, which is missing, empty or no single value; there are \"n\", \"ok\""),
            "{error}"
        );
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        let table = [
            ("{id", KeyTemplateError::Unclosed),
            ("{a{b}", KeyTemplateError::Unclosed),
            ("id}", KeyTemplateError::Stray),
            ("x{}", KeyTemplateError::Nameless),
            ("same", KeyTemplateError::Constant),
            ("", KeyTemplateError::Constant),
            ("{{id}}", KeyTemplateError::Constant),
            ("{a}{b}", KeyTemplateError::Touching("a".into(), "b".into())),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<KeyTemplate>(), Err(error), "{text}");
        }
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        for text in ["{id}", "a{{b}}c{id}-{x}", "{{{id}}}"] {
            assert_eq!(text.parse::<KeyTemplate>().unwrap().to_string(), text);
        }
    }
}
