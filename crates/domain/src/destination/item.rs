//! From a record to the item of a table.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{
    Destination, Fact, KeyAttribute, Prefix, Source, TableSchema, Template, WriteMode, guard::Provenance,
};
use crate::{
    bad_input::Reason,
    object::Object,
    record::{self, ITEM_BYTES, Record, Value},
};

/// How many attributes one UpdateItem can set: an update expression has at most 300 operators, and one sets the provenance.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub const MERGED_ATTRIBUTES: usize = 280;

/// Makes items of the rows of one job.
#[derive(Debug)]
pub struct ItemMaker {
    destination: Destination,
    schema: TableSchema,
    /// The key templates, in the order of the table's keys. Without one, the column of the key's name.
    keys: Vec<(KeyAttribute, Option<Template>)>,
    captures: Vec<(String, String)>,
    object: Object,
    /// The size of the provenance of this job's rows.
    provenance_bytes: usize,
}

/// An item on its way into the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableItem {
    /// The row it comes from.
    pub row: u64,
    /// The key, the partition key first.
    pub key: Record,
    /// All other attributes but the provenance.
    pub attributes: Record,
    /// The size of the item with its provenance.
    pub bytes: usize,
}

/// A hash of a key by which equal keys are found. No two keys have the same one.
pub type KeyHash = [u8; 16];

/// A row that cannot become an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Why.
    pub reason: Reason,
    /// The same as a sentence.
    pub message: String,
    /// The record, with its new names.
    pub record: Record,
}

impl ItemMaker {
    /// One for the rows of this object, whose pipeline has this prefix and destination, and a table with this schema.
    ///
    /// # Errors
    /// Why the table is not the one that the pipeline is made for, and what to do about it.
    pub fn new(
        object: &Object,
        prefix: Option<&Prefix>,
        destination: &Destination,
        schema: TableSchema,
    ) -> Result<Self, String> {
        destination.fits(&schema)?;
        let keys = schema.keys().map(|key| (key.clone(), destination.keys.get(&key.name).cloned())).collect();
        let captures = prefix.and_then(|prefix| prefix.captures(&object.key));
        let captures =
            captures.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let provenance = Provenance::of(object, i64::MAX, u64::MAX, u64::MAX).value().size_bytes();
        Ok(Self {
            destination: destination.clone(),
            keys,
            captures: captures.collect(),
            provenance_bytes: destination.provenance.as_ref().map_or(0, |name| name.len() + provenance),
            schema,
            object: object.clone(),
        })
    }

    /// The table's keys and their types.
    #[must_use]
    pub fn schema(&self) -> &TableSchema {
        &self.schema
    }

    /// The item of row `row`.
    ///
    /// # Errors
    /// The row cannot be in the table.
    pub fn item(&self, row: u64, mut record: Record) -> Result<TableItem, Box<RefusedRow>> {
        let made = self.rename(&mut record).and_then(|()| {
            let key = self.key(row, &record)?;
            let set = self.set(row, &record)?;
            Ok((key, set))
        });
        let (key, set) = match made {
            Ok(made) => made,
            Err((reason, message)) => return Err(Box::new(RefusedRow { reason, message, record })),
        };
        let destination = &self.destination;
        record.retain(|(name, value)| {
            // An index passes over an item that lacks its key; a null there is refused.
            let is_null_key =
                *value == Value::Null && self.schema.index_keys.iter().any(|key| *key.name == **name);
            !destination.omit.contains(&**name)
                && !destination.set.contains_key(&**name)
                && !self.schema.has(name)
                && !is_null_key
        });
        record.extend(set);
        let bytes = self.provenance_bytes
            + record::size_bytes(&record)
            + key.iter().map(|(name, value)| name.len() + value.size_bytes()).sum::<usize>();
        match self.verify(&record, bytes) {
            Ok(()) => Ok(TableItem { row, key, attributes: record, bytes }),
            Err((reason, message)) => Err(Box::new(RefusedRow { reason, message, record })),
        }
    }

    fn verify(&self, attributes: &Record, bytes: usize) -> Result<(), (Reason, String)> {
        if bytes > ITEM_BYTES {
            let message = format!("the item has {bytes} bytes; at most {ITEM_BYTES} are allowed");
            return Err((Reason::ItemTooLarge, message));
        }
        let provenance = self.destination.provenance.as_deref();
        if let Some((name, _)) = attributes.iter().find(|(name, _)| Some(&**name) == provenance) {
            let message = format!(
                "{name} is the attribute that says where an item comes from; rename or omit the column, or give provenance another name"
            );
            return Err((Reason::ReservedName, message));
        }
        if self.destination.write == WriteMode::Merge && attributes.len() > MERGED_ATTRIBUTES {
            let message = format!(
                "the record has {} attributes; write = \"merge\" can put at most {MERGED_ATTRIBUTES} into an item",
                attributes.len()
            );
            return Err((Reason::BadValue, message));
        }
        attributes.iter().try_for_each(|(name, value)| {
            self.schema.allows(name, value).map_err(|message| (Reason::BadValue, message))
        })
    }

    fn rename(&self, record: &mut Record) -> Result<(), (Reason, String)> {
        for (old, new) in &self.destination.rename {
            let Some(at) = record.iter().position(|(name, _)| **name == **old) else { continue };
            if record.iter().any(|(name, _)| **name == **new) {
                let message = format!("there is a column {new} already, so {old} cannot be renamed to it");
                return Err((Reason::ReservedName, message));
            }
            record[at].0 = new.as_str().into();
        }
        Ok(())
    }

    fn key(&self, row: u64, record: &Record) -> Result<Record, (Reason, String)> {
        let part = |(key, template): &(KeyAttribute, Option<Template>)| {
            let value = match template {
                Some(template) => template.render(|source| {
                    // A column without text in it would put all such rows under one key.
                    self.value(source, row, record)
                        .filter(|value| !matches!(&**value, Value::Text(text) if text.is_empty()))
                })?,
                None => record.iter().find(|(name, _)| **name == *key.name).map(|(_, value)| value.clone()),
            };
            let missing = || match template {
                Some(template) => {
                    format!("the key attribute {} needs a value in each column of {template}", key.name)
                }
                None => {
                    format!("the key attribute {} has no value: there is no column of this name", key.name)
                }
            };
            Ok((key.name.as_str().into(), self.schema.key(key, value.ok_or_else(missing)?)?))
        };
        self.keys.iter().map(part).collect::<Result<_, String>>().map_err(|message| (Reason::BadKey, message))
    }

    /// The attributes of `set` whose values are there.
    fn set(&self, row: u64, record: &Record) -> Result<Record, (Reason, String)> {
        let mut set = Record::new();
        for (name, template) in &self.destination.set {
            let value = template.render(|source| self.value(source, row, record));
            if let Some(value) = value.map_err(|why| (Reason::BadValue, format!("{name}: {why}")))? {
                set.push((name.as_str().into(), value));
            }
        }
        Ok(set)
    }

    fn value<'r>(&'r self, source: &Source, row: u64, record: &'r Record) -> Option<Cow<'r, Value>> {
        let object = &self.object;
        let text = |text: &str| Some(Cow::Owned(Value::Text(text.to_owned())));
        match source {
            Source::Name(wanted) => match self.captures.iter().find(|(name, _)| name == wanted) {
                Some((_, value)) => text(value),
                None => {
                    record.iter().find(|(name, _)| **name == **wanted).map(|(_, value)| Cow::Borrowed(value))
                }
            },
            Source::Object(Fact::Bucket) => text(&object.bucket),
            Source::Object(Fact::Key) => text(&object.key),
            Source::Object(Fact::VersionId) => object.version_id.as_deref().and_then(text),
            Source::Object(Fact::Etag) => object.etag.as_deref().and_then(text),
            Source::Object(Fact::Row) => Some(Cow::Owned(Value::Number(row.to_string()))),
        }
    }
}

impl TableItem {
    /// The hash of its key.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        let mut hash = Sha256::new();
        for (_, value) in &self.key {
            let bytes = match value {
                Value::Text(text) | Value::Number(text) => text.as_bytes(),
                Value::Binary(bytes) => bytes,
                _ => &[],
            };
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        let mut short = KeyHash::default();
        short.copy_from_slice(&hash.finalize()[..16]);
        short
    }
}

#[cfg(test)]
mod tests;
