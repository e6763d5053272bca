//! Objects with much the same columns, and what those were.

use std::collections::{BTreeMap, HashSet};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{Change, Drifts, Kinds};
use crate::{
    job::{Job, JobId},
    pipelines::ColumnType,
    text::shortened,
};

/// The most characters of an object's URI that are kept of it.
const OBJECT_CHARS: usize = 200;

/// What stands for the name of an object that was forgotten.
const FORGOTTEN: &str = "(forgotten)";

/// What a column takes in the document besides its name: the names of its attributes, its numbers and its date.
pub(super) const COLUMN_BYTES: usize = 96;

/// What a source takes in the document besides its texts.
const SOURCE_BYTES: usize = 64;

/// What is known of objects that are compared with each other: all of a pipeline, or those with much the same columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The objects that changed something here. The first is the one that all others are compared with.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// The columns by name.
    #[serde(default)]
    pub columns: BTreeMap<String, KnownColumn>,
}

/// An object that changed what is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its job, by which a later attempt recognises its own changes.
    pub job: JobId,
    /// `s3://bucket/key`, shortened if it is very long.
    pub object: String,
    /// When that was.
    pub at: Timestamp,
}

impl Source {
    /// The object of this job.
    #[must_use]
    pub fn of(job: &Job, now: Timestamp) -> Self {
        Self { job: job.id.clone(), object: shortened(&job.object.uri(), OBJECT_CHARS), at: now }
    }

    pub(super) fn bytes(&self) -> usize {
        self.object.len() + self.job.as_str().len() + SOURCE_BYTES
    }
}

/// What is known of a column. Numbers are places in [`Group::sources`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownColumn {
    /// What its values were, in all objects together.
    #[serde(default)]
    pub kinds: Kinds,
    /// Some record, or a whole object, did not have it.
    #[serde(default)]
    pub is_optional: bool,
    /// The object that first had it.
    pub first: u32,
    /// The last change of its kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<TypeChange>,
    /// The first object without it that was compared with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u32>,
    /// The last day on which an object had it. A day, so that the document is not written for every object.
    pub last_day: Date,
}

/// How a column came to have values of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeChange {
    /// The object that had them, as a place in [`Group::sources`].
    pub by: u32,
    /// What the values were before.
    pub before: Kinds,
    /// What they are in that object.
    pub found: Kinds,
}

impl Group {
    /// How columns of delimited text are read because of earlier objects.
    #[must_use]
    pub fn types(&self) -> BTreeMap<String, ColumnType> {
        let typed =
            self.columns.iter().filter_map(|(name, column)| Some((name, column.kinds.column_type()?)));
        typed.map(|(name, kind)| (name.clone(), kind)).collect()
    }

    /// Forgets what only the object of these jobs has shown. Its name goes in any case; its place stays, which later ones count on.
    pub(super) fn forget(&mut self, jobs: &[&JobId]) -> u64 {
        let columns = self.columns.len();
        for (place, source) in (0_u32..).zip(&mut self.sources) {
            if !jobs.contains(&&source.job) {
                continue;
            }
            FORGOTTEN.clone_into(&mut source.object);
            let day = source.at.to_zoned(TimeZone::UTC).date();
            self.columns.retain(|_, column| column.first != place || column.last_day > day);
        }
        (columns - self.columns.len()) as u64
    }

    /// Whether this job changed something here.
    pub(super) fn is_of(&self, job: &JobId) -> bool {
        self.sources.iter().any(|source| source.job == *job)
    }

    /// How many of these names are known here, of a thousand: of all that the object or each object here has.
    pub(super) fn likeness(&self, names: &HashSet<&str>) -> usize {
        let shared = names.iter().filter(|name| self.columns.contains_key(**name)).count();
        let is_lacking =
            |(name, column): &(&String, &KnownColumn)| !column.is_optional && !names.contains(name.as_str());
        let lacking = self.columns.iter().filter(is_lacking).count();
        shared * 1_000 / (names.len() + lacking).max(1)
    }

    /// The drifts of an object that has no column at all.
    pub(super) fn all_missing(&self) -> Drifts {
        let mut drifts = Drifts::default();
        for (name, _) in self.columns.iter().filter(|(_, column)| !column.is_optional) {
            drifts.push(name, Change::Missing);
        }
        drifts
    }

    /// The drifts of this object: those it has just made, `fresh`, or those that an earlier attempt of its job made.
    pub(super) fn drifts_of(&self, source: &Source, fresh: Drifts) -> Drifts {
        // The first object makes none.
        let place = self.sources.iter().skip(1).position(|known| known.job == source.job);
        let Some(place) = place.and_then(|at| u32::try_from(at + 1).ok()) else { return fresh };
        let mut made = Drifts::default();
        for (name, column) in &self.columns {
            if column.first == place {
                made.push(name, Change::New);
            }
            if column.missing == Some(place) {
                made.push(name, Change::Missing);
            }
            if let Some(TypeChange { by, before, found }) = column.changed
                && by == place
            {
                made.push(name, Change::Type { before, found });
            }
        }
        // What did not fit into the document is only among the fresh ones.
        if fresh.total > made.total { fresh } else { made }
    }

    /// About how many bytes it takes in the document.
    pub(super) fn bytes(&self) -> usize {
        self.sources.iter().map(Source::bytes).sum::<usize>()
            + self.columns.keys().map(|name| name.len() + COLUMN_BYTES).sum::<usize>()
    }
}
