//! Which names JSON records have, and what their values are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::drift::{Kind, Kinds, Observed, ObservedColumn};
use domain::record::Record;

use super::schema::ColumnType;

/// How many names are kept, and how many bytes of them. JSON may give every record names of its own.
const MOST_NAMES: usize = 4_096;
const MOST_BYTES: usize = 256 << 10;

/// The names at the top of the records so far.
#[derive(Debug)]
pub struct SeenNames<'a> {
    declared: &'a BTreeMap<String, ColumnType>,
    names: Vec<SeenName>,
    places: HashMap<Arc<str>, usize>,
    bytes: usize,
    records: u64,
    is_partial: bool,
}

#[derive(Debug)]
struct SeenName {
    name: Arc<str>,
    kinds: Kinds,
    records: u64,
}

impl<'a> SeenNames<'a> {
    /// No record so far. Values of columns with a declared type are what they are declared to be, so nothing is found out
    /// about them.
    #[must_use]
    pub fn new(declared: &'a BTreeMap<String, ColumnType>) -> Self {
        Self { declared, names: Vec::new(), places: HashMap::new(), bytes: 0, records: 0, is_partial: false }
    }

    /// Notes the names of a record.
    pub fn note(&mut self, record: &Record) {
        self.records += 1;
        for (at, (name, value)) in record.iter().enumerate() {
            // Records of one kind have their names in the same order.
            let is_there = self.names.get(at).is_some_and(|seen| seen.name == *name);
            let Some(place) = (if is_there { Some(at) } else { self.place_of(name) }) else { continue };
            let seen = &mut self.names[place];
            seen.records += 1;
            if let Some(kind) = Kind::of(value) {
                seen.kinds.insert(kind);
            }
        }
    }

    fn place_of(&mut self, name: &Arc<str>) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        if self.names.len() == MOST_NAMES || self.bytes + name.len() > MOST_BYTES {
            self.is_partial = true;
            return None;
        }
        self.bytes += name.len();
        self.places.insert(Arc::clone(name), self.names.len());
        self.names.push(SeenName { name: Arc::clone(name), kinds: Kinds::NONE, records: 0 });
        Some(self.names.len() - 1)
    }

    /// What was seen.
    #[must_use]
    pub fn observed(self) -> Observed {
        let columns = self.names.into_iter().map(|seen| ObservedColumn {
            kinds: if self.declared.contains_key(&*seen.name) { Kinds::NONE } else { seen.kinds },
            in_every_record: seen.records == self.records,
            name: seen.name,
        });
        Observed { columns: columns.collect(), is_table: false, is_partial: self.is_partial }
    }
}
