//! Keys that contradict each other so that every object of the pipeline would fail, or none would ever match.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::delimited;
use super::walk::{Field, Reader};
use crate::destination::{Prefix, Template};
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
        for (name, place) in declared(fields, pipeline) {
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
        for (name, place) in declared(fields, pipeline) {
            if !is_numbered(name) {
                self.wrong(&place, allowed);
            }
        }
        for key in ["key", "set"] {
            let odd = in_templates(pipeline, key).into_iter().find(|name| !is_numbered(name));
            if let (Some(name), Some(field)) = (odd, fields.get(key)) {
                self.wrong(
                    field,
                    &format!("columns such as {{column_1}}, as header = false names them; `{name}` is none"),
                );
            }
        }
    }

    /// Each line is one field.
    fn one_column_is_enough(&mut self, fields: &BTreeMap<&'t str, Field<'t>>, pipeline: &Pipeline) {
        let mut names = in_templates(pipeline, "key");
        names.extend(in_templates(pipeline, "set"));
        names.extend(pipeline.columns.keys().map(|name| in_object(pipeline, name)));
        names.sort_unstable();
        names.dedup();
        let allowed = "one column at most, as delimiter = \"none\" makes each line one field";
        if let (Some(Header::Names(given)), Some(field)) = (&pipeline.delimited.header, fields.get("header"))
            && given.len() > 1
        {
            self.wrong(field, allowed);
        } else if names.len() > 1
            && let Some(field) = ["columns", "key", "set"].into_iter().find_map(|key| fields.get(key))
        {
            self.wrong(field, allowed);
        }
    }

    /// Reports conditions that no key of the watched objects meets.
    pub(super) fn never_matches(&mut self, fields: &BTreeMap<&'t str, Field<'t>>, matches: &Match) {
        let prefix = matches.prefix.as_ref().map(ToString::to_string);
        for (key, text) in [("prefix", &prefix), ("suffix", &matches.suffix)] {
            let has_star = text.as_deref().is_some_and(|text| text.contains('*'));
            if let (true, Some(field)) = (has_star, fields.get(key)) {
                self.wrong(
                    field,
                    "a text that is compared as it stands: * is no wildcard, and none is needed",
                );
            }
        }
        // What stands for a name in braces may be anything.
        let literal = matches.prefix.as_ref().map(Prefix::literal);
        let meets = |prefix: &str| {
            self.watched.iter().any(|watched| prefix.starts_with(watched) || watched.starts_with(prefix))
        };
        if let (Some(prefix), Some(field)) = (literal.as_deref(), fields.get("prefix"))
            && !self.watched.is_empty()
            && !meets(prefix)
        {
            let watched = self.watched.join(" or ");
            self.wrong(
                field,
                &format!("a prefix below {watched}: other objects are not watched, so nothing can match"),
            );
        }
    }
}

/// The columns with a declared type, as the object names them, each with its place.
fn declared<'a, 't: 'a>(
    fields: &BTreeMap<&'t str, Field<'t>>,
    pipeline: &'a Pipeline,
) -> Vec<(&'a str, Field<'t>)> {
    let Some(field) = fields.get("columns") else { return Vec::new() };
    let DeValue::Table(table) = field.value else { return Vec::new() };
    let place =
        |name: &str, value: &'t toml::Spanned<DeValue<'t>>| super::walk::below(&field.path, name, value);
    let columns = table.iter();
    columns.map(|(name, value)| (in_object(pipeline, name.get_ref()), place(name.get_ref(), value))).collect()
}

/// The columns that the templates of `key` or of `set` name, as the object names them.
fn in_templates<'a>(pipeline: &'a Pipeline, key: &str) -> Vec<&'a str> {
    let Some(destination) = &pipeline.destination else {
        return pipeline.key.iter().filter(|_| key == "key").flat_map(|key| key.columns()).collect();
    };
    let captured: Vec<&str> = pipeline.matches.prefix.iter().flat_map(|prefix| prefix.names()).collect();
    let templates = if key == "key" { &destination.keys } else { &destination.set };
    let columns = templates.values().flat_map(Template::names).filter(|name| !captured.contains(name));
    columns.map(|name| destination.name_in_object(name)).collect()
}

/// A column as the object names it.
fn in_object<'a>(pipeline: &'a Pipeline, column: &'a str) -> &'a str {
    pipeline.destination.as_ref().map_or(column, |destination| destination.name_in_object(column))
}
