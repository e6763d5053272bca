//! The columns that a pipeline's objects had so far, as one document of the fleet table.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Drifts, Group, Observed, Policy, Source, adding::Adding};
use crate::{document::StoredDocument, job::JobId, pipelines::ColumnType};

/// How much alike the columns of two objects of a mixed pipeline are at least, of a thousand, if they are compared: half.
const ALIKE: usize = 500;

/// The columns of a pipeline's objects, with where each was seen first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownColumns {
    /// One, or of a mixed pipeline one for objects with much the same columns.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// There were more columns than fit. Those are not known, and are reported only with the object that first had them.
    #[serde(default)]
    pub is_full: bool,
}

impl StoredDocument for KnownColumns {
    const NAME: &'static str = "columns";
}

impl KnownColumns {
    /// The group that an object with these columns is compared with; none if it is the first of its own.
    fn group_of(&self, names: &HashSet<&str>, policy: Policy, job: &JobId) -> Option<usize> {
        // A later attempt finds what an earlier one changed, whatever others have changed since.
        if let Some(own) = self.groups.iter().position(|group| group.is_of(job)) {
            return Some(own);
        }
        let likeness = self.groups.iter().map(|group| group.likeness(names)).enumerate();
        let (place, likeness) = likeness.max_by_key(|(place, likeness)| (*likeness, Reverse(*place)))?;
        (likeness >= ALIKE || !policy.is_mixed).then_some(place)
    }

    /// Adds the columns of an object. Returns its group, if there is room for one, and what is new about them: nothing if
    /// the object is the first of its group.
    pub(super) fn add(
        &mut self,
        observed: &Observed,
        policy: Policy,
        source: &Source,
    ) -> (Option<usize>, Drifts) {
        let names = observed.columns.iter().map(|column| &*column.name).collect();
        let place = self.group_of(&names, policy, &source.job);
        let bytes = self.groups.iter().map(Group::bytes).sum();
        let mut group = place.map(|place| std::mem::take(&mut self.groups[place])).unwrap_or_default();
        let is_first = group.sources.is_empty();
        let mut adding = Adding::new(&mut group, source, bytes, self.is_full);
        if is_first && adding.place().is_none() {
            self.is_full = true;
            return (None, Drifts::default());
        }
        adding.all(observed, &names);
        let (drifts, is_full) = adding.end();
        self.is_full |= is_full;
        let place = match place {
            Some(place) => {
                self.groups[place] = group;
                place
            }
            None => {
                self.groups.push(group);
                self.groups.len() - 1
            }
        };
        (Some(place), if is_first { Drifts::default() } else { drifts })
    }
}

impl KnownColumns {
    /// Forgets the object of these jobs, and the columns that came with it and that no object has had on a later day. Returns
    /// how many those are.
    pub fn forget(&mut self, jobs: &[&JobId]) -> u64 {
        let forgotten = self.groups.iter_mut().map(|group| group.forget(jobs)).sum();
        self.groups.retain(|group| !group.columns.is_empty());
        forgotten
    }
}

/// What is known while one object is read.
#[derive(Debug, Clone)]
pub struct Known {
    /// The columns of the pipeline's objects.
    pub columns: Arc<KnownColumns>,
    /// How they are compared.
    pub policy: Policy,
    /// The object's job.
    pub job: JobId,
}

impl Known {
    /// Which of an object's columns were text in earlier objects.
    #[must_use]
    pub fn text_columns<'n>(&self, names: impl Iterator<Item = &'n str>) -> BTreeSet<&'n str> {
        let names: HashSet<&str> = names.collect();
        let place = self.columns.group_of(&names, self.policy, &self.job);
        let Some(group) = place.and_then(|place| self.columns.groups.get(place)) else {
            return BTreeSet::new();
        };
        let is_text = |name: &&str| {
            let known = group.columns.get(*name);
            known.and_then(|column| column.kinds.column_type()) == Some(ColumnType::Text)
        };
        names.into_iter().filter(is_text).collect()
    }
}
