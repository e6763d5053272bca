//! A table of the user's own as the place of records: its name and keys, the items that records become, and the order in
//! which versions of objects may write one item.
//!
//! ```text
//! Prefix::captures ─┐
//! Template ─────────┼─▶ ItemMaker::item ─▶ TableItem ─▶ the writer, under the condition of guard
//! TableSchema ──────┘
//! ```
//!
//! Everything here is a plain function. The calls are in `aws`, and their order in `app`.

mod braces;
mod counts;
pub mod guard;
mod item;
mod key_set;
mod prefix;
mod schema;
mod table_name;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use counts::TableCounts;
pub use item::{ItemMaker, KeyHash, MERGED_ATTRIBUTES, RefusedRow, TableItem};
pub use key_set::{KEYS_PER_PASS, KeySet, RowSet, passes};
pub use prefix::{Prefix, PrefixError};
pub use schema::{KeyAttribute, KeyType, TableDefinition, TableSchema};
pub use table_name::{TableName, TableNameError};
pub use template::{Fact, Source, Template, TemplateError};

/// The attribute that says where an item comes from, unless the pipeline names another.
pub const PROVENANCE: &str = "_tidemill";

/// Where a pipeline's records go, if not to the stack's own table, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The table.
    pub table: TableName,
    /// What each key attribute is made of. Empty: the columns that are called like the table's key attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Template>,
    /// What a record does to the item of its key.
    #[serde(default)]
    pub write: WriteMode,
    /// Further attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Template>,
    /// New names of columns, by the names that they have in the object. Everything else uses the new names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Columns that no item gets.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub omit: BTreeSet<String>,
    /// The attribute that says which object version wrote the item. None: items have no such attribute, and writes are
    /// not conditional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
    /// What a key means that several rows of one object have.
    #[serde(default)]
    pub duplicate_keys: DuplicateKeys,
}

impl Destination {
    /// The column as the object names it.
    #[must_use]
    pub fn name_in_object<'a>(&'a self, column: &'a str) -> &'a str {
        self.rename.iter().find(|(_, new)| *new == column).map_or(column, |(old, _)| old)
    }

    /// Whether the keys are those of a table with this schema, or what to do about it.
    ///
    /// # Errors
    /// A sentence that names the table and the line of the pipelines file.
    pub fn fits(&self, schema: &TableSchema) -> Result<(), String> {
        let names: Vec<&str> = schema.keys().map(|key| key.name.as_str()).collect();
        let is_same =
            self.keys.len() == names.len() && names.iter().all(|name| self.keys.contains_key(*name));
        if !self.keys.is_empty() && !is_same {
            let ours: Vec<&str> = self.keys.keys().map(String::as_str).collect();
            return Err(format!(
                "table {} has the key {}, and the pipeline makes {}; correct key in the pipelines file",
                self.table,
                names.join(", "),
                ours.join(", ")
            ));
        }
        for key in schema.keys() {
            let Some(template) = self.keys.get(&key.name).filter(|template| !template.may_make(key.kind))
            else {
                continue;
            };
            return Err(format!(
                "the key attribute {} of table {} is {}, and {template} always makes text; correct key in the pipelines file",
                key.name,
                self.table,
                key.kind.in_words()
            ));
        }
        let taken = self.provenance.as_deref().filter(|name| schema.has(name));
        if let Some(name) = taken {
            return Err(format!(
                "{name} is a key attribute of table {}; give provenance another name in the pipelines file",
                self.table
            ));
        }
        Ok(())
    }
}

/// What a record does to the item of its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteMode {
    /// It becomes the item.
    #[default]
    Upsert,
    /// As upsert; and items of an older version of the same object whose keys this version lacks are deleted.
    Replace,
    /// Its attributes are put into the item; others stay.
    Merge,
    /// It becomes the item where there is none; an item that is there stays.
    Insert,
}

/// What a key means that several rows of one object have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DuplicateKeys {
    /// The last row counts. The others are counted as duplicates.
    #[default]
    Last,
    /// Every row after the first is a bad row.
    Reject,
}
