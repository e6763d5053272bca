//! What a deployment or a test sets of the service, apart from the account's [limits](super::limits).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::run_task::{Failure, RunTask};

/// How long the parts of a task's life take that are AWS's. All zero by default, as for processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// From RunTask until the network interface is attached.
    pub provisioning: Duration,
    /// The image pull.
    pub pending: Duration,
    /// From the end of the containers until the task is STOPPED.
    pub deprovisioning: Duration,
}

/// Environment that every task of a role gets, such as its credentials.
pub type RoleEnvironment = Arc<dyn Fn(Option<&str>) -> BTreeMap<String, String> + Send + Sync>;

/// Looks at a legal RunTask call and may fail some of its tasks.
pub type RunTaskHook = Arc<dyn Fn(&RunTask) -> Option<Vec<Failure>> + Send + Sync>;
