//! Drift: how an object's columns differ from those of the pipeline's earlier objects.
//!
//! ```text
//! check ─▶ Observed ─┐
//!                    ├─▶ decide ─▶ the next KnownColumns, the drifts, the types to read with
//! KnownColumns ──────┘
//! ```
//! [`KnownColumns`] is one document for each pipeline, by the pipeline's name. It only grows: a name is added, a name gets
//! another kind of values, a name turns out to be optional. So the order in which jobs add to it does not matter, and a job
//! that comes late adds nothing wrong. Every change carries the job that made it. A job that is tried again after it was
//! remembered therefore finds its own drifts again, and its object is reported once and not never.
//!
//! The first object of a pipeline is what the others are compared with. A pipeline that takes whatever comes gets files
//! that have nothing to do with each other; there the first object of each [`Group`] is: see [`Policy`].

mod adding;
mod change;
mod group;
mod kinds;
mod known;
mod observed;
mod on_drift;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::change::{Change, Drift, Drifts};
pub use self::group::{Group, KnownColumn, Source, TypeChange};
pub use self::kinds::{Kind, Kinds};
pub use self::known::{Known, KnownColumns};
pub use self::observed::{Observed, ObservedColumn};
pub use self::on_drift::OnDrift;
pub use self::policy::Policy;
use crate::pipelines::ColumnType;

/// What follows from an object's columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The columns known from now on.
    pub next: KnownColumns,
    /// How the object differs from those before it; nothing where that is accepted.
    pub drifts: Drifts,
    /// The object is to fail for its drifts. Nothing of it is remembered.
    pub is_rejected: bool,
    /// How columns of delimited text are read, as far as earlier objects or this one settle that.
    pub types: BTreeMap<String, ColumnType>,
}

impl Decision {
    /// The same for an object without records whose older version has `records`: those would become invisible, which
    /// nobody asked for by deleting the object. `known` is what was known before.
    #[must_use]
    pub fn emptying(self, records: u64, known: &KnownColumns, policy: Policy) -> Self {
        if records == 0 || policy.on_drift == OnDrift::Accept {
            return self;
        }
        let drifts = Drifts { emptied: Some(records), ..self.drifts };
        match policy.on_drift {
            OnDrift::Reject => Self { next: known.clone(), drifts, is_rejected: true, ..self },
            OnDrift::Accept | OnDrift::Notify => Self { drifts, ..self },
        }
    }
}

/// Decides about an object of which `observed` was found by a check. `source` is the object and its job.
///
/// A repeat for the same job, with what the first call returned, changes nothing and returns the same drifts.
#[must_use]
pub fn decide(known: &KnownColumns, observed: &Observed, policy: Policy, source: &Source) -> Decision {
    if observed.columns.is_empty() {
        return decide_on_nothing(known, policy);
    }
    let mut next = known.clone();
    let (place, fresh) = next.add(observed, policy, source);
    let types = |columns: &KnownColumns| {
        place.and_then(|place| columns.groups.get(place)).map(Group::types).unwrap_or_default()
    };
    match policy.on_drift {
        OnDrift::Reject if !fresh.is_empty() => {
            Decision { next: known.clone(), drifts: fresh, is_rejected: true, types: types(known) }
        }
        OnDrift::Accept => Decision { types: types(&next), next, ..Decision::default() },
        OnDrift::Notify | OnDrift::Reject => {
            let group = place.and_then(|place| next.groups.get(place));
            let drifts = match group {
                Some(group) => group.drifts_of(source, fresh),
                None => fresh,
            };
            Decision { types: types(&next), next, drifts, is_rejected: false }
        }
    }
}

/// An empty object, such as a file of 0 bytes, lacks every column. It is reported, each time, and not remembered: the
/// columns of other objects are no less expected. Where objects are of several kinds, it may be of any.
fn decide_on_nothing(known: &KnownColumns, policy: Policy) -> Decision {
    let group = known.groups.first().filter(|_| !policy.is_mixed && policy.on_drift != OnDrift::Accept);
    let drifts = group.map(Group::all_missing).unwrap_or_default();
    let is_rejected = policy.on_drift == OnDrift::Reject && !drifts.is_empty();
    Decision { next: known.clone(), drifts, is_rejected, ..Decision::default() }
}
