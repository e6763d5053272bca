//! Adding one object's columns to those that are known.

use std::collections::HashSet;

use jiff::{civil::Date, tz::TimeZone};

use super::{Change, Drifts, Group, Kinds, KnownColumn, Observed, Source, TypeChange, group::COLUMN_BYTES};
use crate::pipelines::ColumnType;

/// The most bytes that the document may take, by a careful estimate. An item of DynamoDB has 400 KB at most, and every
/// job of the pipeline reads this one.
const MOST_BYTES: usize = 256 << 10;

/// Adds one object to its group.
pub(super) struct Adding<'a> {
    group: &'a mut Group,
    source: &'a Source,
    /// What the document takes so far.
    bytes: usize,
    was_full: bool,
    is_full: bool,
    place: Option<u32>,
    drifts: Drifts,
}

impl<'a> Adding<'a> {
    /// Begins with a document that takes `bytes`, and into which something did not fit if it `was_full`.
    pub(super) fn new(group: &'a mut Group, source: &'a Source, bytes: usize, was_full: bool) -> Self {
        let drifts = Drifts::default();
        Self { group, source, bytes, was_full, is_full: was_full, place: None, drifts }
    }

    /// The place of this object among the sources, which it takes with its first change, if there is room.
    pub(super) fn place(&mut self) -> Option<u32> {
        if self.place.is_none() {
            let sources = &mut self.group.sources;
            let at = sources.iter().position(|known| known.job == self.source.job);
            let at = at.or_else(|| {
                let bytes = self.bytes + self.source.bytes();
                (bytes <= MOST_BYTES).then(|| {
                    self.bytes = bytes;
                    sources.push(self.source.clone());
                    sources.len() - 1
                })
            });
            self.place = at.and_then(|at| u32::try_from(at).ok());
        }
        self.place
    }

    /// Adds the object's columns, and notes which it lacks. `names` are theirs.
    pub(super) fn all(&mut self, observed: &Observed, names: &HashSet<&str>) {
        for column in &observed.columns {
            self.column(&column.name, column.kinds, observed.is_table, !column.in_every_record);
        }
        if !observed.is_partial {
            self.others(names);
        }
    }

    /// The changes, and whether some column did not fit.
    pub(super) fn end(self) -> (Drifts, bool) {
        (self.drifts, self.is_full)
    }

    fn column(&mut self, name: &str, found: Kinds, is_table: bool, is_optional: bool) {
        let last_day = self.source.at.to_zoned(TimeZone::UTC).date();
        let Some(before) = self.group.columns.get(name).map(|column| column.kinds) else {
            return self.new_column(name, found, is_optional, last_day);
        };
        let is_text = is_table && before.column_type() == Some(ColumnType::Text);
        let now = if is_text { before } else { before.union(found) };
        let is_changed = !before.is_empty() && now != before;
        let place = if is_changed { self.place() } else { None };
        if let Some(column) = self.group.columns.get_mut(name) {
            column.kinds = now;
            column.is_optional |= is_optional;
            column.last_day = column.last_day.max(last_day);
            if let Some(by) = place {
                column.changed = Some(TypeChange { by, before, found });
            }
        }
        if is_changed {
            self.drifts.push(name, Change::Type { before, found });
        }
    }

    fn new_column(&mut self, name: &str, kinds: Kinds, is_optional: bool, last_day: Date) {
        let bytes = name.len() + COLUMN_BYTES;
        match self.place() {
            Some(first) if self.bytes + bytes <= MOST_BYTES => {
                self.bytes += bytes;
                let (changed, missing) = (None, None);
                let column = KnownColumn { kinds, is_optional, first, changed, missing, last_day };
                self.group.columns.insert(name.to_owned(), column);
            }
            _ => {
                self.is_full = true;
                // A name that never fits would be new in every object.
                if self.was_full {
                    return;
                }
            }
        }
        self.drifts.push(name, Change::New);
    }

    /// The columns that the object does not have.
    fn others(&mut self, names: &HashSet<&str>) {
        let is_missing =
            |(name, column): &(&String, &KnownColumn)| !column.is_optional && !names.contains(name.as_str());
        let missing: Vec<String> =
            self.group.columns.iter().filter(is_missing).map(|(name, _)| name.clone()).collect();
        for name in missing {
            let place = self.place();
            if let Some(column) = self.group.columns.get_mut(&name) {
                column.is_optional = true;
                column.missing = place;
            }
            self.drifts.push(&name, Change::Missing);
        }
    }
}
