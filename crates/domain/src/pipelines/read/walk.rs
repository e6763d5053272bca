//! Walking a TOML document: values with their places, and what is wrong with them.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::Problem;
use super::super::nearest::nearest;

/// A value with its place and its name.
pub(super) struct Field<'t> {
    pub(super) path: String,
    pub(super) span: Range<usize>,
    pub(super) value: &'t DeValue<'t>,
}

pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    /// What the keys of watched objects begin with; none where that is not known.
    pub(super) watched: &'t [&'t str],
    pub(super) problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// The entries of the table in `field`; a report and nothing if it is none.
    pub(super) fn table(
        &mut self,
        field: &Field<'t>,
        known: &[&'static str],
    ) -> BTreeMap<&'t str, Field<'t>> {
        if let DeValue::Table(table) = field.value {
            self.fields(&field.path, table, known)
        } else {
            self.wrong(field, &format!("a table of {}", known.join(", ")));
            BTreeMap::new()
        }
    }

    /// The entries of a table by key; keys not known are reported with the nearest that is.
    pub(super) fn fields(
        &mut self,
        path: &str,
        table: &'t DeTable<'t>,
        known: &[&'static str],
    ) -> BTreeMap<&'t str, Field<'t>> {
        let mut fields = BTreeMap::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let field = below(path, name, value);
            if known.contains(&name) {
                fields.insert(name, field);
            } else {
                let guess =
                    nearest(name, known).map_or_else(String::new, |word| format!("did you mean `{word}`? "));
                let words = format!("unknown key; {guess}allowed: {}", known.join(", "));
                self.problem(&key.span(), &field.path, words);
            }
        }
        fields
    }

    pub(super) fn one_of<T: Copy>(&mut self, field: &Field<'t>, words: &[(&'static str, T)]) -> Option<T> {
        let found = string(field.value);
        let value = words.iter().find(|(word, _)| found == Some(word)).map(|(_, value)| *value);
        if value.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let guess = found.and_then(|found| nearest(found, &all));
            let guess = guess.map_or_else(String::new, |word| format!(" (did you mean \"{word}\"?)"));
            let all: Vec<String> = all.iter().map(|word| format!("\"{word}\"")).collect();
            self.wrong(field, &format!("{}{guess}", all.join(", ")));
        }
        value
    }

    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &Field<'t>,
        allowed: &str,
    ) -> Option<T> {
        let Some(text) = string(field.value) else {
            self.wrong(field, allowed);
            return None;
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(field, &format!("{allowed}: {error}"));
                None
            }
        }
    }

    pub(super) fn wrong(&mut self, field: &Field<'t>, allowed: &str) {
        let words = format!("found {}; allowed: {allowed}", in_words(field.value));
        self.problem(&field.span, &field.path, words);
    }

    pub(super) fn problem(&mut self, span: &Range<usize>, key: &str, words: String) {
        // A span may end in the middle of a character only if the parser is wrong; do not panic then.
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.problems.push(Problem { line, column, key: key.to_owned(), words });
    }
}

pub(super) fn below<'t>(path: &str, key: &str, value: &'t Spanned<DeValue<'t>>) -> Field<'t> {
    let dot = if path.is_empty() { "" } else { "." };
    Field { path: format!("{path}{dot}{key}"), span: value.span(), value: value.get_ref() }
}

pub(super) fn string<'t>(value: &'t DeValue<'t>) -> Option<&'t str> {
    if let DeValue::String(text) = value { Some(text) } else { None }
}

pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(integer) = value else { return None };
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What stands there, short enough for one line.
pub(super) fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => {
            let short: String = text.chars().take(40).flat_map(char::escape_default).collect();
            let more = if text.chars().count() > 40 { "…" } else { "" };
            format!("\"{short}{more}\"")
        }
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
