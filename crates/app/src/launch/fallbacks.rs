//! One task, launched wherever Fargate has capacity for it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws::{
    CallError, Clients,
    tasks::{LaunchError, Launched, TaskSpec, TaskStatus, Tasks},
};
use domain::{
    fallbacks::{Fallback, LaunchTarget, Provider, Shortage, fallbacks},
    settings::{Settings, SettingsError, Variable},
};
use telemetry::metrics::{self, Metric};
use tokio::time::Instant;
use tracing::{info, warn};

/// After no fallback had capacity, only the first choice is tried for this long: what was short for one task is short
/// for the next, and each try is a RunTask call.
const STILL_SHORT: Duration = Duration::from_secs(15);

/// Launches tasks of one task definition. Clones share RunTask's rate and what they know of shortages.
#[derive(Debug, Clone)]
pub struct Launcher {
    tasks: Tasks,
    /// When no fallback had capacity.
    short_at: Arc<Mutex<Option<Instant>>>,
}

impl Launcher {
    /// For the workers' task definition.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self { tasks: Tasks::new(clients, settings)?, short_at: Arc::default() })
    }

    /// For the task definition that this variable names.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn of_definition(
        clients: &Clients,
        settings: &Settings,
        variable: Variable<String>,
    ) -> Result<Self, SettingsError> {
        Ok(Self { tasks: Tasks::of_definition(clients, settings, variable)?, short_at: Arc::default() })
    }

    /// Launches a task, after a wait if there are many. Where Fargate has no capacity, the fallbacks are tried: one
    /// RunTask call each, with the same client token, since a call that was answered with failures has launched nothing.
    /// A client token that was used with other parameters, before a deploy or in another fallback, names the task that
    /// exists, which is adopted.
    ///
    /// # Errors
    /// [`LaunchError`]: after [`LaunchError::Call`] the task may exist; a repeat finds it.
    pub async fn launch(&self, spec: &TaskSpec) -> Result<Launched, LaunchError> {
        let mut launched = self.launch_somewhere(spec, spec.revision.as_deref()).await;
        // Somebody has deregistered the image of the first attempt. Another is better than none.
        if let (Err(error), Some(revision)) = (&launched, &spec.revision)
            && error.is_refusal()
            && *revision != self.tasks.definition()
        {
            warn!(
                started_by = spec.started_by,
                revision,
                error = telemetry::causes(error),
                "the task definition's revision cannot be launched any more: launching the deployed one"
            );
            let again = self.launch_somewhere(spec, None).await;
            launched = again.map(|launched| Launched { other_revision: true, ..launched });
        }
        if launched.is_err() {
            metrics::put(Metric::LaunchesFailed, 1);
        }
        launched
    }

    /// The revision of the task definition that is deployed.
    #[must_use]
    pub fn definition(&self) -> &str {
        self.tasks.definition()
    }

    /// What ECS knows of these tasks: [`Tasks::describe`].
    pub(crate) async fn describe(&self, tasks: &[String]) -> Result<Vec<TaskStatus>, CallError> {
        self.tasks.describe(tasks).await
    }

    /// Asks ECS to stop a task: [`Tasks::stop`].
    pub(crate) async fn stop(&self, task: &str, reason: &str) -> Result<(), CallError> {
        self.tasks.stop(task, reason).await
    }

    async fn launch_somewhere(
        &self,
        spec: &TaskSpec,
        revision: Option<&str>,
    ) -> Result<Launched, LaunchError> {
        let revision = revision.unwrap_or(self.tasks.definition());
        let mut short: Option<String> = None;
        for (fallback, target) in self.targets(spec) {
            let helps = short.as_deref().is_none_or(|words| fallback.helps(Shortage::of(words)));
            if !helps || (fallback != Fallback::First && self.is_still_short()) {
                continue;
            }
            match self.tasks.run(spec, revision, target).await {
                Err(LaunchError::Unavailable { reason }) => {
                    info!(started_by = spec.started_by, %target, reason, "Fargate has no capacity here");
                    short = Some(reason);
                }
                answered => {
                    self.note_shortage(false);
                    return answered;
                }
            }
        }
        self.note_shortage(true);
        Err(LaunchError::Unavailable { reason: short.unwrap_or_default() })
    }

    /// Where to try, best first. Which tasks are tried on Spot their tokens say: the same for every repeat.
    fn targets(&self, spec: &TaskSpec) -> Vec<(Fallback, LaunchTarget)> {
        let share = self.tasks.spot_share();
        let lot = spec.token.bytes().fold(0_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 10_007) % 100;
        let spot = spec.spot && lot < u32::from(share);
        let provider = if spot { Provider::Spot } else { Provider::OnDemand };
        let either = spec.spot && share > 0;
        fallbacks(LaunchTarget { subnet: None, provider, size: spec.size }, either, self.tasks.subnets())
    }

    fn is_still_short(&self) -> bool {
        let short_at = *self.short_at.lock().unwrap_or_else(PoisonError::into_inner);
        short_at.is_some_and(|at| at.elapsed() < STILL_SHORT)
    }

    fn note_shortage(&self, is_short: bool) {
        let mut short_at = self.short_at.lock().unwrap_or_else(PoisonError::into_inner);
        match (is_short, *short_at) {
            // Counted from the last time that all fallbacks were tried.
            (true, Some(at)) if at.elapsed() < STILL_SHORT => {}
            (true, _) => *short_at = Some(Instant::now()),
            (false, _) => *short_at = None,
        }
    }
}
