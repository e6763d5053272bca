//! Keys that contradict each other so that every object of the pipeline would fail, or none would ever match.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::delimited;
use super::walk::{Field, Reader};
use crate::manifest::RESERVED;
use crate::pipelines::{Format, Header, Match, NO_DELIMITER, Pipeline};
use crate::volume::cost_of_writing;

/// Keys that say how delimited text is written, and nothing about JSON, where `nulls` means something too.
fn table_keys() -> impl Iterator<Item = &'static str> {
    ["delimiter", "sheet"].into_iter().chain(delimited::KEYS.into_iter().filter(|key| *key != "nulls"))
}

impl<'t> Reader<'t> {
    /// Reports what could not be met by any object, whatever it holds.
    pub(super) fn impossible(&mut self, fields: &BTreeMap<&'t str, Field<'t>>, pipeline: &Pipeline) {
        if pipeline.records.is_some() {
            for field in table_keys().filter_map(|key| fields.get(key)) {
                self.wrong(field, "not with records, which reads JSON");
            }
        }
        for (name, place) in declared(fields) {
            if RESERVED.contains(&name) {
                self.wrong(
                    &place,
                    "a column of objects; no object may have this name, which records use themselves",
                );
            }
        }
        if pipeline.delimited.header == Some(Header::InFirstRow(false)) {
            self.names_are_numbered(fields, pipeline);
        }
        if pipeline.delimiter == Some(NO_DELIMITER) {
            self.one_column_is_enough(fields, pipeline);
        }
        if let (Some(most), Some(field)) = (pipeline.max_cost, fields.get("max_cost"))
            && pipeline.format != Format::Object
            && most < cost_of_writing(1)
        {
            self.wrong(field, &format!("{} or more, which one record costs", cost_of_writing(1)));
        }
    }

    /// Without a header, columns are `column_1`, `column_2` and so on, and have no other names.
    fn names_are_numbered(&mut self, fields: &BTreeMap<&'t str, Field<'t>>, pipeline: &Pipeline) {
        let is_numbered = |name: &str| {
            let number = name.strip_prefix("column_").and_then(|number| number.parse::<u32>().ok());
            number.is_some_and(|number| number > 0 && name == format!("column_{number}"))
        };
        let allowed = "a name such as column_1, as header = false names the columns";
        for (name, place) in declared(fields) {
            if !is_numbered(name) {
                self.wrong(&place, allowed);
            }
        }
        let odd = pipeline.key.as_ref().and_then(|key| key.columns().find(|name| !is_numbered(name)));
        if let (Some(name), Some(field)) = (odd, fields.get("key")) {
            self.wrong(
                field,
                &format!("columns such as {{column_1}}, as header = false names them; `{name}` is none"),
            );
        }
    }

    /// Each line is one field.
    fn one_column_is_enough(&mut self, fields: &BTreeMap<&'t str, Field<'t>>, pipeline: &Pipeline) {
        let mut names: Vec<&str> = pipeline.key.iter().flat_map(|key| key.columns()).collect();
        names.extend(pipeline.columns.keys().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        let allowed = "one column at most, as delimiter = \"none\" makes each line one field";
        if let (Some(Header::Names(given)), Some(field)) = (&pipeline.delimited.header, fields.get("header"))
            && given.len() > 1
        {
            self.wrong(field, allowed);
        } else if names.len() > 1
            && let Some(field) = fields.get("columns").or_else(|| fields.get("key"))
        {
            self.wrong(field, allowed);
        }
    }

    /// Reports conditions that no key of the watched objects meets.
    pub(super) fn never_matches(&mut self, fields: &BTreeMap<&'t str, Field<'t>>, matches: &Match) {
        for (key, text) in [("prefix", &matches.prefix), ("suffix", &matches.suffix)] {
            let has_star = text.as_deref().is_some_and(|text| text.contains('*'));
            if let (true, Some(field)) = (has_star, fields.get(key)) {
                self.wrong(
                    field,
                    "a text that is compared as it stands: * is no wildcard, and none is needed",
                );
            }
        }
        if let (Some(watched), Some(prefix), Some(field)) =
            (self.watched, matches.prefix.as_deref(), fields.get("prefix"))
            && !prefix.starts_with(watched)
            && !watched.starts_with(prefix)
        {
            self.wrong(
                field,
                &format!("a prefix below {watched}: other objects are not watched, so nothing can match"),
            );
        }
    }
}

/// The columns with a declared type, each with its place.
fn declared<'t>(fields: &BTreeMap<&'t str, Field<'t>>) -> Vec<(&'t str, Field<'t>)> {
    let Some(field) = fields.get("columns") else { return Vec::new() };
    let DeValue::Table(table) = field.value else { return Vec::new() };
    let place =
        |name: &str, value: &'t toml::Spanned<DeValue<'t>>| super::walk::below(&field.path, name, value);
    table.iter().map(|(name, value)| (&**name.get_ref(), place(name.get_ref(), value))).collect()
}
