//! Templates: text with values of the record, of the object and of its key, some of them through filters.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    KeyType,
    braces::{Part, Unpaired, parts},
};
use crate::{
    record::{Value, number},
    text::duration,
};

/// A template such as `ORDER#{order_id}` or `{order_date|epoch|+90d}`. `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Value(Source, Vec<Filter>),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The name in braces of the pipeline's prefix, or else the column.
    Name(String),
    /// What is known of the object.
    Object(Fact),
}

/// What is known of every row's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The bucket's name.
    Bucket,
    /// The whole key.
    Key,
    /// The version id, where the bucket has versions.
    VersionId,
    /// The entity tag.
    Etag,
    /// The number of the row, from 1.
    Row,
}

const FACTS: [(&str, Fact); 5] = [
    ("s3.bucket", Fact::Bucket),
    ("s3.key", Fact::Key),
    ("s3.version_id", Fact::VersionId),
    ("s3.etag", Fact::Etag),
    ("s3.row", Fact::Row),
];

/// What becomes of a value on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Lower,
    Upper,
    Trim,
    /// A date or a time as seconds since 1970.
    Epoch,
    /// Seconds more or less.
    Shift(i64),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A brace without its other one.
    #[error("a brace stands alone; write `{{{{` or `}}}}` for a brace that means itself")]
    Brace,
    /// `{}`, or nothing before a filter.
    #[error("`{{}}` names no column")]
    Nameless,
    /// `s3.` and something unknown.
    #[error("`{{{0}}}` is not known; known are s3.bucket, s3.key, s3.version_id, s3.etag and s3.row")]
    Fact(String),
    /// An unknown filter.
    #[error(
        "`|{0}` is no filter; known are lower, upper, trim, epoch and, after epoch, a duration such as +90d"
    )]
    Filter(String),
    /// Two values touch.
    #[error("`{{{0}}}{{{1}}}` touch, so that 1+23 and 12+3 would be one text; put a character between them")]
    Touching(String, String),
}

impl Template {
    /// The values that it is made of, in order of appearance.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Value(source, _) => Some(source),
            Segment::Literal(_) => None,
        })
    }

    /// The columns and names of the prefix that it is made of.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources().filter_map(|source| match source {
            Source::Name(name) => Some(name.as_str()),
            Source::Object(_) => None,
        })
    }

    /// Whether a key of this type can come of it: its own text makes it text, and only digits and the like may be a number.
    pub(super) fn may_make(&self, kind: KeyType) -> bool {
        let in_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
        self.segments.iter().all(|segment| match (segment, kind) {
            (Segment::Value(..), _) | (Segment::Literal(_), KeyType::S) => true,
            (Segment::Literal(text), KeyType::N) => text.chars().all(in_number),
            (Segment::Literal(_), KeyType::B) => false,
        })
    }

    /// The value, from those that `value_of` knows. A template that is one value only keeps its type; any other is text.
    /// None if a value is missing or null.
    ///
    /// # Errors
    /// What is wrong with a value, as a sentence.
    pub fn render<'r>(
        &self,
        value_of: impl Fn(&Source) -> Option<Cow<'r, Value>>,
    ) -> Result<Option<Value>, String> {
        if let [Segment::Value(source, filters)] = self.segments.as_slice() {
            return Ok(filtered(source, filters, value_of(source))?.map(Cow::into_owned));
        }
        let mut text = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Value(source, filters) => {
                    let Some(value) = filtered(source, filters, value_of(source))? else { return Ok(None) };
                    text.push_str(&as_text(source, &value)?);
                }
            }
        }
        Ok(Some(Value::Text(text)))
    }
}

fn filtered<'r>(
    source: &Source,
    filters: &[Filter],
    value: Option<Cow<'r, Value>>,
) -> Result<Option<Cow<'r, Value>>, String> {
    let Some(mut value) = value.filter(|value| **value != Value::Null) else { return Ok(None) };
    for filter in filters {
        value = Cow::Owned(match filter {
            Filter::Lower => Value::Text(as_text(source, &value)?.to_lowercase()),
            Filter::Upper => Value::Text(as_text(source, &value)?.to_uppercase()),
            Filter::Trim => Value::Text(as_text(source, &value)?.trim().to_owned()),
            // An empty field is no date.
            Filter::Epoch if matches!(&*value, Value::Text(text) if text.is_empty()) => return Ok(None),
            Filter::Epoch => Value::Number(
                epoch(&as_text(source, &value)?).map_err(|why| format!("`{source}` {why}"))?.to_string(),
            ),
            Filter::Shift(seconds) => {
                let before: Option<i64> = as_text(source, &value)?.parse().ok();
                let after = before.and_then(|before| before.checked_add(*seconds));
                Value::Number(after.ok_or_else(|| format!("`{source}` is no time"))?.to_string())
            }
        });
    }
    Ok(Some(value))
}

/// A single value as text: equal numbers have equal text.
fn as_text<'v>(source: &Source, value: &'v Value) -> Result<Cow<'v, str>, String> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        Value::Number(text) => Ok(number::canonical(text).map_or(Cow::Borrowed(text), Cow::Owned)),
        Value::Bool(true) => Ok(Cow::Borrowed("true")),
        Value::Bool(false) => Ok(Cow::Borrowed("false")),
        Value::Null | Value::Binary(_) | Value::Set(_) | Value::List(_) | Value::Map(_) => {
            Err(format!("`{source}` is no single value"))
        }
    }
}

/// Above this, a number of seconds is beyond the year 5000: it must be milliseconds.
const LATEST: i64 = 99_999_999_999;

/// The seconds since 1970 of a date, a time with its offset, a time without one (which is taken as UTC), or such seconds.
fn epoch(text: &str) -> Result<i64, &'static str> {
    if let Ok(seconds) = text.parse::<i64>() {
        return match (-LATEST..=LATEST).contains(&seconds) {
            true => Ok(seconds),
            false => Err("is too large for seconds since 1970; divide milliseconds by 1,000"),
        };
    }
    let zoned = |time: civil::DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let time = text.parse::<Timestamp>().ok();
    let time = time.or_else(|| text.parse::<civil::DateTime>().ok().and_then(zoned));
    time.map(Timestamp::as_second).ok_or(
        "is no date such as 2026-01-31, no time such as 2026-01-31T12:00:00Z, and no seconds since 1970",
    )
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut segments: Vec<Segment> = Vec::new();
        for part in parts(text) {
            match part.map_err(|Unpaired| TemplateError::Brace)? {
                Part::Literal(text) => segments.push(Segment::Literal(text)),
                Part::Inside(inside) => {
                    let (source, filters) = value(&inside)?;
                    if let Some(Segment::Value(before, _)) = segments.last() {
                        return Err(TemplateError::Touching(before.to_string(), source.to_string()));
                    }
                    segments.push(Segment::Value(source, filters));
                }
            }
        }
        Ok(Self { segments })
    }
}

/// What stands between two braces.
fn value(inside: &str) -> Result<(Source, Vec<Filter>), TemplateError> {
    let mut parts = inside.split('|');
    let name = parts.next().unwrap_or_default();
    let source = match FACTS.iter().find(|(fact, _)| *fact == name) {
        Some((_, fact)) => Source::Object(*fact),
        None if name.is_empty() => return Err(TemplateError::Nameless),
        None if name.starts_with("s3.") => return Err(TemplateError::Fact(name.to_owned())),
        None => Source::Name(name.to_owned()),
    };
    let mut filters = Vec::new();
    for part in parts {
        let is_time = matches!(filters.last(), Some(Filter::Epoch | Filter::Shift(_)));
        filters.push(match part {
            "lower" => Filter::Lower,
            "upper" => Filter::Upper,
            "trim" => Filter::Trim,
            "epoch" => Filter::Epoch,
            shift => match shifted(shift) {
                Some(seconds) if is_time => Filter::Shift(seconds),
                _ => return Err(TemplateError::Filter(part.to_owned())),
            },
        });
    }
    Ok((source, filters))
}

fn shifted(text: &str) -> Option<i64> {
    let (sign, amount) = text.split_at_checked(1)?;
    let seconds = i64::try_from(duration(amount)?.as_secs()).ok()?;
    match sign {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Segment::Value(source, filters) => {
                    write!(f, "{{{source}")?;
                    filters.iter().try_for_each(|filter| write!(f, "|{filter}"))?;
                    f.write_str("}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Object(fact) => {
                let word = FACTS.iter().find(|(_, other)| other == fact).map_or("", |(word, _)| word);
                f.write_str(word)
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lower => f.write_str("lower"),
            Self::Upper => f.write_str("upper"),
            Self::Trim => f.write_str("trim"),
            Self::Epoch => f.write_str("epoch"),
            Self::Shift(seconds) => write!(f, "{seconds:+}s"),
        }
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn number(text: &str) -> Value {
        Value::Number(text.to_owned())
    }

    fn render(template: &str, value: Value) -> Result<Option<Value>, String> {
        let template: Template = template.parse().unwrap();
        assert_eq!(template.to_string().parse(), Ok(template.clone()));
        template.render(|source| match source {
            Source::Name(name) if name == "a" => Some(Cow::Owned(value.clone())),
            Source::Object(Fact::Row) => Some(Cow::Owned(number("3"))),
            _ => None,
        })
    }

    #[test]
    fn one_value_keeps_its_type_and_several_are_text() {
        let cases = [
            ("{a}", number("7.0"), Some(number("7.0"))),
            ("n#{a}", number("7.0"), Some(text("n#7"))),
            ("n#{a}", number("07e0"), Some(text("n#7"))),
            ("{{{a}}}", Value::Bool(true), Some(text("{true}"))),
            ("{a}/{s3.row}", text(""), Some(text("/3"))),
            ("{a|lower}", text("ÅB"), Some(text("åb"))),
            ("{a|trim|upper}", text(" é "), Some(text("É"))),
            ("{a|epoch}", text("1970-01-02"), Some(number("86400"))),
            ("{a|epoch}", text("1970-01-01 00:00:07"), Some(number("7"))),
            ("{a|epoch}", text("1970-01-01T02:00:00+02:00"), Some(number("0"))),
            ("{a|epoch}", number("86400.0"), Some(number("86400"))),
            ("{a|epoch|+90d}", text("1970-01-01"), Some(number("7776000"))),
            ("{a|epoch|+1d|-1h}", text("1970-01-01T00:00:00Z"), Some(number("82800"))),
            ("{a|epoch}", text(""), None),
            ("{a}", Value::Null, None),
            ("x{b}", text("y"), None),
            ("{a}", Value::List(vec![]), Some(Value::List(vec![]))),
        ];
        for (template, value, made) in cases {
            assert_eq!(render(template, value.clone()), Ok(made), "{template} of {value:?}");
        }
        for (template, value) in [
            ("x{a}", Value::List(vec![])),
            ("{a|epoch}", text("31.12.2026")),
            ("{a|epoch}", number("1767225600000")),
        ] {
            assert!(render(template, value).unwrap_err().starts_with("`a` is "), "{template}");
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        for (text, error) in [
            ("{a", TemplateError::Brace),
            ("a}", TemplateError::Brace),
            ("{}", TemplateError::Nameless),
            ("{|lower}", TemplateError::Nameless),
            ("{s3.name}", TemplateError::Fact("s3.name".into())),
            ("{a|epoc}", TemplateError::Filter("epoc".into())),
            ("{a|+90d}", TemplateError::Filter("+90d".into())),
            ("{a|lower|+1h}", TemplateError::Filter("+1h".into())),
            ("{a}{b}", TemplateError::Touching("a".into(), "b".into())),
        ] {
            assert_eq!(text.parse::<Template>(), Err(error), "{text}");
        }
    }
}
