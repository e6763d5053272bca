//! From TOML to a table of the user's own as the place of records, and to the definitions of such tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::walk::{Field, Reader, below, string};
use crate::destination::{
    Destination, DuplicateKeys, Fact, KeyAttribute, KeyType, PROVENANCE, Source, TableDefinition, TableName,
    TableSchema, Template, WriteMode,
};
use crate::pipelines::{Format, Header, KeyTemplate, OnDelete, Pipeline};

/// The keys that say something about a table of the user's own.
pub(super) const KEYS: [&str; 7] =
    ["table", "write", "set", "rename", "omit", "provenance", "duplicate_keys"];

const WRITE_MODES: [(&str, WriteMode); 4] = [
    ("upsert", WriteMode::Upsert),
    ("replace", WriteMode::Replace),
    ("merge", WriteMode::Merge),
    ("insert", WriteMode::Insert),
];
const DUPLICATE_KEYS: [(&str, DuplicateKeys); 2] =
    [("last", DuplicateKeys::Last), ("reject", DuplicateKeys::Reject)];
const KEY_TYPES: [(&str, KeyType); 3] = [("S", KeyType::S), ("N", KeyType::N), ("B", KeyType::B)];

type Fields<'t> = BTreeMap<&'t str, Field<'t>>;

impl<'t> Reader<'t> {
    /// The template of natural keys in the records table.
    pub(super) fn natural_key(&mut self, field: &Field<'t>, has_table: bool) -> Option<KeyTemplate> {
        match field.value {
            DeValue::Table(_) if !has_table => {
                self.wrong(
                    field,
                    "a template such as \"{customer_id}\"; a template for each key attribute only with table",
                );
                None
            }
            // The templates of the table's key attributes: see `keys`.
            _ if has_table => None,
            _ => self.parsed(field, "a template such as \"{customer_id}\""),
        }
    }

    /// Where the records go, if the pipeline names a table.
    pub(super) fn destination(&mut self, fields: &Fields<'t>) -> Option<Destination> {
        let get = |key: &str| fields.get(key);
        let Some(table) = get("table") else {
            for field in KEYS.iter().filter_map(|key| fields.get(key)) {
                self.wrong(field, "only with table, the name of a table of your own");
            }
            return None;
        };
        let table = self.parsed::<TableName>(table, "a table's name or ARN, such as \"shop\"");
        let provenance =
            get("provenance").map_or_else(|| Some(PROVENANCE.to_owned()), |field| self.provenance(field));
        Some(Destination {
            keys: get("key").map(|field| self.keys(field)).unwrap_or_default(),
            write: get("write").and_then(|field| self.one_of(field, &WRITE_MODES)).unwrap_or_default(),
            set: get("set")
                .map(|field| self.texts(field, "a table such as { day = \"{day}\" }"))
                .unwrap_or_default(),
            rename: get("rename").map(|field| self.rename(field)).unwrap_or_default(),
            omit: get("omit").map(|field| self.omit(field)).unwrap_or_default(),
            duplicate_keys: get("duplicate_keys")
                .and_then(|field| self.one_of(field, &DUPLICATE_KEYS))
                .unwrap_or_default(),
            provenance,
            table: table?,
        })
    }

    fn keys(&mut self, field: &Field<'t>) -> BTreeMap<String, Template> {
        const ALLOWED: &str = "a template for each of the table's one or two key attributes, such as { PK = \"ORDER#{order_id}\" }";
        let keys = self.texts(field, ALLOWED);
        if let DeValue::Table(table) = field.value
            && !(1..=2).contains(&table.len())
        {
            self.wrong(field, ALLOWED);
        }
        keys
    }

    /// A table of names and what is parsed from the text of each.
    fn texts<T: FromStr<Err: Display>>(&mut self, field: &Field<'t>, allowed: &str) -> BTreeMap<String, T> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.entries(field, allowed) {
            if let Some(value) = self.parsed(&value, "a template such as \"ORDER#{order_id}\"") {
                texts.insert(name, value);
            }
        }
        texts
    }

    fn entries(&mut self, field: &Field<'t>, allowed: &str) -> Vec<(String, Field<'t>)> {
        let DeValue::Table(table) = field.value else {
            self.wrong(field, allowed);
            return Vec::new();
        };
        let table: &'t DeTable<'t> = table;
        let named = table
            .iter()
            .map(|(name, value)| (name.get_ref().to_string(), below(&field.path, name.get_ref(), value)));
        let (named, nameless): (Vec<_>, Vec<_>) = named.partition(|(name, _)| !name.is_empty());
        for (_, field) in nameless {
            self.wrong(&field, "only under a name that is not empty");
        }
        named
    }

    fn rename(&mut self, field: &Field<'t>) -> BTreeMap<String, String> {
        let mut renamed = BTreeMap::new();
        for (old, value) in self.entries(field, "a table such as { \"Order Total\" = \"total\" }") {
            let new = string(value.value).filter(|new| !new.is_empty() && *new != old);
            match new {
                Some(new) if !renamed.values().any(|other| other == new) => {
                    renamed.insert(old, new.to_owned());
                }
                Some(_) => self.wrong(&value, "a name that no other column gets"),
                None => self.wrong(&value, "another name for the column, such as \"total\""),
            }
        }
        renamed
    }

    fn omit(&mut self, field: &Field<'t>) -> BTreeSet<String> {
        let names = match field.value {
            DeValue::Array(names) => {
                names.iter().map(|name| string(name.get_ref()).map(str::to_owned)).collect::<Option<_>>()
            }
            _ => None,
        };
        if names.is_none() {
            self.wrong(field, "a list of columns such as [\"comment\"]");
        }
        names.unwrap_or_default()
    }

    fn provenance(&mut self, field: &Field<'t>) -> Option<String> {
        match string(field.value) {
            Some("none") => None,
            Some(name) if (1..=255).contains(&name.len()) => Some(name.to_owned()),
            _ => {
                self.wrong(field, "the name of an attribute such as \"_tidemill\", or \"none\"");
                None
            }
        }
    }

    /// What would fail every object, or would be wrong without a word.
    pub(super) fn table_contradictions(
        &mut self,
        fields: &Fields<'t>,
        pipeline: &Pipeline,
        above: &[Pipeline],
        tables: &[TableDefinition],
    ) {
        let Some(destination) = &pipeline.destination else { return };
        let Some(table) = fields.get("table") else { return };
        let field = |key: &str| fields.get(key).unwrap_or(table);
        self.guard_contradictions(fields, pipeline, destination);
        self.attributes_meet_once(fields, destination);
        self.values_are_known(fields, pipeline, destination);
        if !destination.keys.is_empty() && !tells_rows_apart(pipeline, destination) {
            self.wrong(
                field("key"),
                "at least one column, or {s3.row}: all rows of an object would have one key",
            );
        }
        let definition = tables.iter().find(|definition| definition.name == destination.table.name());
        if let Some(definition) = definition
            && let Err(why) = destination.fits(&definition.schema)
        {
            self.wrong(field("key"), &format!("keys as [[table]] defines them: {why}"));
        }
        let other = above.iter().find(|other| {
            other.destination.as_ref().is_some_and(|other| {
                [other.write, destination.write] == [WriteMode::Merge; 2]
                    && other.table == destination.table
                    && other.provenance == destination.provenance
            })
        });
        if let Some(other) = other {
            let words = format!(
                "another attribute than that of pipeline \"{}\", which merges into the same table: of two objects, the later \
                 one would keep the other's columns out",
                other.name
            );
            self.wrong(field("provenance"), &words);
        }
    }

    fn guard_contradictions(&mut self, fields: &Fields<'t>, pipeline: &Pipeline, destination: &Destination) {
        let is_command = pipeline.format == Format::Command;
        if let Some(field) = fields.get("provenance")
            && destination.provenance.is_none()
            && string(field.value) == Some("none")
        {
            if destination.write != WriteMode::Upsert {
                self.wrong(
                    field,
                    "\"none\" only with write \"upsert\", which needs to know nothing of an item",
                );
            } else if is_command {
                self.wrong(
                    field,
                    "not with format \"command\": a program may print other rows at the next attempt",
                );
            }
        }
        if let Some(field) = fields.get("write")
            && destination.write == WriteMode::Replace
        {
            if is_command {
                self.wrong(field, "not \"replace\" with format \"command\": what it printed for an older version is not known");
            } else if pipeline.format == Format::Object {
                self.wrong(
                    field,
                    "not \"replace\" with format \"object\", which makes one record of each object",
                );
            }
        }
        if let Some(field) = fields.get("on_delete")
            && pipeline.on_delete == OnDelete::Remove
        {
            if destination.provenance.is_none() {
                self.wrong(
                    field,
                    "only \"keep\" with provenance \"none\": items do not say which object wrote them",
                );
            } else if destination.write == WriteMode::Merge {
                self.wrong(
                    field,
                    "only \"keep\" with write \"merge\": what your application has put into an item would go with it",
                );
            } else if destination.write == WriteMode::Insert {
                self.wrong(
                    field,
                    "only \"keep\" with write \"insert\": a newer version leaves out the keys that are about to be removed",
                );
            }
        }
        if let Some(field) = fields.get("duplicate_keys")
            && destination.duplicate_keys == DuplicateKeys::Reject
            && is_command
        {
            self.wrong(field, "only \"last\" with format \"command\", whose output is written as it comes");
        }
    }

    /// No attribute of an item is said twice.
    fn attributes_meet_once(&mut self, fields: &Fields<'t>, destination: &Destination) {
        let is_key = |name: &str| destination.keys.contains_key(name);
        let is_provenance = |name: &str| destination.provenance.as_deref() == Some(name);
        if let Some(field) = fields.get("set") {
            for name in destination.set.keys() {
                if is_key(name) {
                    self.wrong(field, &format!("attributes other than the keys; `{name}` is in key"));
                } else if is_provenance(name) {
                    self.wrong(field, &format!("attributes other than the one of provenance, `{name}`"));
                }
            }
        }
        if let Some(field) = fields.get("omit") {
            for name in &destination.omit {
                if destination.set.contains_key(name) {
                    self.wrong(field, &format!("columns that set does not make; `{name}` is in set"));
                } else if destination.rename.contains_key(name) {
                    self.wrong(field, &format!("columns by their new names; `{name}` is renamed"));
                }
            }
        }
        if let Some(field) = fields.get("rename") {
            for name in destination.rename.values().filter(|name| is_provenance(name)) {
                self.wrong(field, &format!("names other than the one of provenance, `{name}`"));
            }
        }
        if let Some(field) = destination
            .provenance
            .as_deref()
            .filter(|name| is_key(name))
            .and_then(|_| fields.get("provenance").or_else(|| fields.get("key")))
        {
            self.wrong(field, "another attribute than those of key");
        }
        if let Some(field) = fields.get("columns")
            && let DeValue::Table(columns) = field.value
        {
            for (name, new) in destination.rename.iter().filter(|(old, _)| columns.contains_key(old.as_str()))
            {
                self.wrong(field, &format!("columns by their new names; `{name}` is renamed to `{new}`"));
            }
        }
    }

    /// Every name in a template is one of the prefix or may be a column.
    fn values_are_known(&mut self, fields: &Fields<'t>, pipeline: &Pipeline, destination: &Destination) {
        let captured: Vec<&str> = pipeline.matches.prefix.iter().flat_map(|prefix| prefix.names()).collect();
        if let Some(name) = captured.iter().find(|name| pipeline.columns.contains_key(**name))
            && let Some(field) = fields.get("match")
        {
            self.wrong(field, &format!("names in braces that are no columns; `{name}` is in columns"));
        }
        let header: Option<Vec<&str>> = match &pipeline.delimited.header {
            Some(Header::Names(names)) => {
                Some(names.iter().map(|name| destination.rename.get(name).unwrap_or(name).as_str()).collect())
            }
            _ => None,
        };
        for (key, templates) in [("key", &destination.keys), ("set", &destination.set)] {
            for name in templates.values().flat_map(Template::names) {
                let Some(field) = fields.get(key) else { continue };
                if captured.contains(&name) {
                    continue;
                }
                if let Some(new) = destination.rename.get(name) {
                    self.wrong(field, &format!("columns by their new names; `{name}` is renamed to `{new}`"));
                } else if let Some(header) = &header
                    && !header.contains(&name)
                {
                    let words = format!(
                        "columns that header names ({}) and names of match.prefix; `{name}` is none of them",
                        header.join(", ")
                    );
                    self.wrong(field, &words);
                }
            }
        }
    }

    /// The tables that the file defines.
    pub(super) fn tables(&mut self, field: Option<&Field<'t>>) -> Vec<TableDefinition> {
        let Some(list) = field else { return Vec::new() };
        let DeValue::Array(entries) = list.value else {
            self.wrong(list, "[[table]], in two brackets each, as there may be several");
            return Vec::new();
        };
        let mut tables: Vec<TableDefinition> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let place =
                Field { path: format!("table[{}]", index + 1), span: entry.span(), value: entry.get_ref() };
            let fields = self.table(&place, &["name", "partition_key", "sort_key"]);
            let name = match fields.get("name") {
                Some(field) => match self.parsed::<TableName>(field, "a table's name such as \"shop\"") {
                    Some(name) if tables.iter().any(|other| other.name == name.name()) => {
                        self.wrong(field, "a name that no table above has");
                        None
                    }
                    name => name,
                },
                None => self.missing(&place, "name"),
            };
            let partition_key = match fields.get("partition_key") {
                Some(field) => self.key_attribute(field),
                None => self.missing(&place, "partition_key"),
            };
            let sort_key = fields.get("sort_key").map(|field| self.key_attribute(field));
            if let (Some(name), Some(partition_key), None | Some(Some(_))) = (name, partition_key, &sort_key)
            {
                let schema =
                    TableSchema { partition_key, sort_key: sort_key.flatten(), index_keys: Vec::new() };
                tables.push(TableDefinition { name: name.name().to_owned(), schema });
            }
        }
        tables
    }

    fn key_attribute(&mut self, field: &Field<'t>) -> Option<KeyAttribute> {
        let fields = self.table(field, &["name", "type"]);
        let name = match fields.get("name") {
            Some(name) => {
                let legal = string(name.value).filter(|name| (1..=255).contains(&name.len()));
                if legal.is_none() {
                    self.wrong(name, "the name of an attribute, of up to 255 bytes");
                }
                legal
            }
            None if matches!(field.value, DeValue::Table(_)) => self.missing(field, "name"),
            None => None,
        };
        let kind = match fields.get("type") {
            Some(kind) => self.one_of(kind, &KEY_TYPES),
            None if matches!(field.value, DeValue::Table(_)) => self.missing(field, "type"),
            None => None,
        };
        Some(KeyAttribute { name: name?.to_owned(), kind: kind? })
    }

    fn missing<T>(&mut self, place: &Field<'t>, key: &str) -> Option<T> {
        self.problem(&place.span, &format!("{}.{key}", place.path), "it is missing".to_owned());
        None
    }
}

/// Whether the keys of two rows of an object can differ.
fn tells_rows_apart(pipeline: &Pipeline, destination: &Destination) -> bool {
    let captured: Vec<&str> = pipeline.matches.prefix.iter().flat_map(|prefix| prefix.names()).collect();
    let mut sources = destination.keys.values().flat_map(Template::sources);
    sources.any(|source| match source {
        Source::Name(name) => pipeline.format == Format::Object || !captured.contains(&name.as_str()),
        Source::Object(Fact::Row) => true,
        // An object without rows is one record.
        Source::Object(_) => pipeline.format == Format::Object,
    })
}
