//! What a key begins with: literal text, and names in braces that stand for a part of a path segment.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::braces::{Part, Unpaired, parts};

/// The beginning of a key, such as `uploads/{tenant}/orders/`. `{tenant}` stands for one or more characters other than `/`,
/// and for as few as possible; at the end, for the rest of its path segment. `{{` and `}}` are braces.
///
/// ```
/// use domain::destination::Prefix;
///
/// let prefix: Prefix = "uploads/{tenant}/orders-{day}.".parse().unwrap();
/// let found = prefix.captures("uploads/acme/orders-2026-01-02.csv").unwrap();
/// assert_eq!(found, [("tenant", "acme"), ("day", "2026-01-02")]);
/// assert_eq!(prefix.captures("uploads/acme/more/orders-1.csv"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Prefix {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Capture(String),
}

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// A brace without its other one.
    #[error("a brace stands alone; write `{{{{` or `}}}}` for a brace that means itself")]
    Brace,
    /// A name that is none.
    #[error("`{{{0}}}` is no name of a-z, 0-9 and _")]
    Name(String),
    /// A name that occurs twice.
    #[error("`{{{0}}}` occurs twice; give each a name of its own")]
    Twice(String),
    /// Two names touch.
    #[error("`{{{0}}}{{{1}}}` touch, so that it is not certain where one ends; put a character between them")]
    Touching(String, String),
}

impl Prefix {
    /// The names in braces, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The names with what they stand for in `key`; none if the key does not begin like this.
    ///
    /// As few characters as possible leave the most to what follows, so nothing is tried twice.
    #[must_use]
    pub fn captures<'p, 'k>(&'p self, key: &'k str) -> Option<Vec<(&'p str, &'k str)>> {
        let mut found = Vec::new();
        let mut rest = key;
        let mut segments = self.segments.iter().peekable();
        while let Some(segment) = segments.next() {
            match segment {
                Segment::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Segment::Capture(name) => {
                    let first = rest.chars().next()?.len_utf8();
                    let end = match segments.peek() {
                        Some(Segment::Literal(text)) => first + rest[first..].find(text.as_str())?,
                        _ => rest.find('/').unwrap_or(rest.len()),
                    };
                    let (value, after) = rest.split_at(end);
                    if value.is_empty() || value.contains('/') {
                        return None;
                    }
                    found.push((name.as_str(), value));
                    rest = after;
                }
            }
        }
        Some(found)
    }

    /// Whether keys that begin like `other` begin like this too, as far as the two texts show it.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if other.names().next().is_none() {
            return self.captures(&other.literal()).is_some();
        }
        let mut theirs = other.segments.iter();
        self.segments.iter().enumerate().all(|(at, mine)| match (mine, theirs.next()) {
            (Segment::Literal(mine), Some(Segment::Literal(theirs))) => {
                let is_last = at + 1 == self.segments.len();
                if is_last { theirs.starts_with(mine) } else { mine == theirs }
            }
            (Segment::Capture(_), Some(Segment::Capture(_))) => true,
            _ => false,
        })
    }

    /// Whether it asks for more than keys that begin with `watched`, in folders of any names.
    #[must_use]
    pub fn narrows(&self, watched: &str) -> bool {
        let is_more = |text: &str| text.chars().any(|letter| letter != '/');
        let first = self.literal();
        !watched.starts_with(&first)
            || self
                .segments
                .iter()
                .skip(1)
                .any(|segment| matches!(segment, Segment::Literal(text) if is_more(text)))
    }

    /// The text before the first name: what all keys that match begin with.
    #[must_use]
    pub fn literal(&self) -> String {
        match self.segments.first() {
            Some(Segment::Literal(text)) => text.clone(),
            _ => String::new(),
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let mut segments: Vec<Segment> = Vec::new();
        for part in parts(text) {
            match part.map_err(|Unpaired| PrefixError::Brace)? {
                Part::Literal(text) => segments.push(Segment::Literal(text)),
                Part::Inside(name) => {
                    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                    if name.is_empty() || !name.bytes().all(legal) {
                        return Err(PrefixError::Name(name));
                    }
                    if let Some(Segment::Capture(before)) = segments.last() {
                        return Err(PrefixError::Touching(before.clone(), name));
                    }
                    let capture = Segment::Capture(name.clone());
                    if segments.contains(&capture) {
                        return Err(PrefixError::Twice(name));
                    }
                    segments.push(capture);
                }
            }
        }
        Ok(Self { segments })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Segment::Capture(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

/// Stored prefixes that are older than names in braces may hold braces that mean themselves.
impl From<String> for Prefix {
    fn from(text: String) -> Self {
        text.parse().unwrap_or_else(|_| Self { segments: vec![Segment::Literal(text)] })
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn names_stand_for_parts_of_one_path_segment() {
        type Case = (&'static str, &'static str, Option<&'static [(&'static str, &'static str)]>);
        let cases: [Case; 12] = [
            ("a/", "a/b", Some(&[])),
            ("a/", "b/a/", None),
            ("{t}/", "x/y", Some(&[("t", "x")])),
            ("{t}/", "/y", None),
            ("a/{t}", "a/bc/d", Some(&[("t", "bc")])),
            ("a/{t}", "a/", None),
            ("{a}-{b}/", "x-y-z/q", Some(&[("a", "x"), ("b", "y-z")])),
            ("{a}-{b}/", "-x-y/q", Some(&[("a", "-x"), ("b", "y")])),
            ("{a}x/", "xx/", Some(&[("a", "x")])),
            ("{a}/{b}.csv", "é/ü.csv", Some(&[("a", "é"), ("b", "ü")])),
            ("{a}/{b}.csv", "é/ü/v.csv", None),
            ("a{{b/", "a{b/c", Some(&[])),
        ];
        for (text, key, found) in cases {
            assert_eq!(prefix(text).captures(key).as_deref(), found, "{text} of {key}");
        }
    }

    #[test]
    fn a_prefix_covers_what_begins_alike() {
        for (wide, narrow, covers) in [
            ("a/", "a/b/", true),
            ("a/b/", "a/", false),
            ("a/{t}/", "a/x/", true),
            ("a/{t}/", "a/x/y", true),
            ("a/{t}/", "a/", false),
            ("a/{t}/", "a/{u}/b", true),
            ("a/{t}/b", "a/{u}/", false),
            ("a/", "a/{u}/", true),
            ("a/x/", "a/{u}/", false),
        ] {
            assert_eq!(prefix(wide).covers(&prefix(narrow)), covers, "{wide} over {narrow}");
        }
    }

    #[test]
    fn folders_of_any_name_narrow_nothing() {
        let table = [
            ("uploads/", false),
            ("uploads/{a}/", false),
            ("up", false),
            ("uploads/b", true),
            ("uploads/{a}/b/", true),
        ];
        for (text, narrows) in table {
            assert_eq!(prefix(text).narrows("uploads/"), narrows, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_certain_is_refused() {
        for (text, error) in [
            ("a{", PrefixError::Brace),
            ("a}", PrefixError::Brace),
            ("{a{b}", PrefixError::Brace),
            ("{A}", PrefixError::Name("A".into())),
            ("{}", PrefixError::Name(String::new())),
            ("{a}/{a}", PrefixError::Twice("a".into())),
            ("{a}{b}", PrefixError::Touching("a".into(), "b".into())),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
        }
        // An older file could say this, and its jobs can still be read.
        assert!(Prefix::from("a{b/".to_owned()).captures("a{b/c").is_some());
    }
}
