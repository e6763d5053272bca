//! What the service knows: clusters, task definitions and tasks, and what a test has set.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use pricing::TaskUse;
use tokio::sync::mpsc;

use super::{
    definition::Definition,
    limits::{Limits, Meters},
    settings::{RoleEnvironment, RunTaskHook, Timing},
    task::{Order, Status, Task},
    token::Token,
};
use crate::{host::Runner, wire::ApiError};

#[derive(Default)]
pub(super) struct State {
    pub(super) clusters: BTreeMap<String, Cluster>,
    /// By family; index 0 is revision 1.
    pub(super) definitions: BTreeMap<String, Vec<Arc<Definition>>>,
    pub(super) runners: BTreeMap<String, Runner>,
    pub(super) timing: Timing,
    pub(super) endpoint_env: BTreeMap<String, String>,
    pub(super) role_env: Option<RoleEnvironment>,
    pub(super) hook: Option<RunTaskHook>,
    pub(super) limits: Limits,
    pub(super) meters: Meters,
    /// How long after its launch the API does not know a task yet.
    pub(super) invisible: Duration,
    pub(super) start_failures: VecDeque<String>,
    /// In the order of launch, which is also the order of every listing.
    pub(super) tasks: Vec<Record>,
    /// What was used by those that are no longer among them.
    pub(super) forgotten: Vec<TaskUse>,
    /// By cluster and client token.
    pub(super) tokens: BTreeMap<(String, String), Token>,
    /// The zone letter of each subnet, in order of appearance.
    pub(super) subnets: Vec<String>,
    pub(super) launched: u64,
    /// The most tasks that were live at once, by task definition family.
    pub(super) peaks: BTreeMap<String, usize>,
    pub(super) tags: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) providers: Vec<String>,
}

/// A task and the way to give it orders.
pub(super) struct Record {
    pub(super) task: Task,
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

impl State {
    /// The cluster of this name or ARN; `default` when none is named.
    pub(super) fn cluster(&self, named: Option<&str>) -> Result<&Cluster, ApiError> {
        let named = named.unwrap_or("default");
        let name = named.rsplit_once(":cluster/").map_or(named, |(_, name)| name);
        self.clusters
            .get(name)
            .ok_or_else(|| ApiError::client("ClusterNotFoundException", "Cluster not found."))
    }

    /// Notes how many tasks of this family are live now.
    pub(super) fn note_peak(&mut self, family: &str) {
        let of_family = |record: &&Record| {
            record.task.status != Status::Stopped
                && record.task.definition_arn.contains(&format!("/{family}:"))
        };
        let live = self.tasks.iter().filter(of_family).count();
        let peak = self.peaks.entry(family.to_owned()).or_default();
        *peak = (*peak).max(live);
    }

    /// The definition of this ARN, `family:revision` or `family` (the newest).
    pub(super) fn definition(&self, named: &str) -> Option<Arc<Definition>> {
        let name = named.rsplit_once(":task-definition/").map_or(named, |(_, name)| name);
        let (family, revision) = name.rsplit_once(':').map_or((name, None), |(f, r)| (f, Some(r)));
        let revisions = self.definitions.get(family)?;
        match revision {
            None => revisions.last().cloned(),
            Some(revision) => revisions.get(revision.parse::<usize>().ok()?.checked_sub(1)?).cloned(),
        }
    }
}
