//! ECS on Fargate: clusters, task definitions, and tasks that really run.
//!
//! ```text
//! RunTask ─▶ request (is it legal?) ─▶ launch (tokens, limits, failures) ─▶ task_lifecycle, one spawned task each
//!                                                                            │  PROVISIONING … STOPPED
//!                                              EventBridge ◀── an event each ┘  runs host::Runner per container
//! ```
//!
//! The lifecycle is the same whatever hosts the containers (processes, or futures in a test), because a host is only a
//! [`Runner`]. `docs`: [RunTask](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html),
//! [task lifecycle](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html).

mod arn;
mod definition;
mod describe;
mod execution;
mod launch;
mod limits;
mod queries;
mod request;
pub(crate) mod required_actions;
pub(crate) mod resources;
mod run_task;
mod service;
mod settings;
mod size;
mod state;
mod task;
mod task_lifecycle;
mod token;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clock::Clock;
use pricing::TaskUse;
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use self::{definition::Definition, limits::Meters, service::Inner, state::Cluster, task::Order};
pub use self::{
    definition::DefinitionError,
    limits::{Limits, Rate},
    run_task::{Failure, Provider, RunTask},
    settings::{RoleEnvironment, RunTaskHook, Timing},
    task::{KillCause, Status, TaskSnapshot},
};
use crate::{
    host::Runner,
    services::{events::EventBridge, logs::Logs},
    wire::{ApiError, Caller},
};

/// The ECS service. Clones share it; when the last one is dropped, all that runs is killed.
#[derive(Clone)]
pub struct Ecs {
    inner: Arc<Inner>,
    _closing: Arc<DropGuard>,
}

impl Ecs {
    /// A service without clusters.
    #[must_use]
    pub fn new(clock: Clock, events: EventBridge, logs: Logs) -> Self {
        let inner = Inner::new(clock, events, logs);
        let closing = inner.closing.clone().drop_guard();
        Self { inner: Arc::new(inner), _closing: Arc::new(closing) }
    }

    /// Makes a cluster with its capacity providers (`FARGATE`, `FARGATE_SPOT`) and returns its ARN. One that is
    /// there already gets the providers.
    pub fn create_cluster(&self, name: &str, capacity_providers: &[&str]) -> String {
        let providers = capacity_providers.iter().map(|&provider| provider.to_owned()).collect();
        self.inner.lock().clusters.insert(name.to_owned(), Cluster { name: name.to_owned(), providers });
        arn::cluster(name)
    }

    /// Registers the next revision of a task definition and returns its ARN. The properties are those of the API
    /// or, in PascalCase, of a template's `AWS::ECS::TaskDefinition` with all functions resolved.
    ///
    /// # Errors
    /// Whatever Fargate would refuse, such as a size that does not exist.
    pub fn register_task_definition(&self, properties: Value) -> Result<String, DefinitionError> {
        let mut state = self.inner.lock();
        let mut definition = Definition::parse(properties)?;
        let revisions = state.definitions.entry(definition.family.clone()).or_default();
        definition.number(revisions.len() + 1, self.inner.clock.now());
        let arn = definition.arn.clone();
        revisions.push(Arc::new(definition));
        Ok(arn)
    }

    /// Says what runs the containers of this name.
    pub fn set_runner(&self, container: &str, runner: Runner) {
        self.inner.lock().runners.insert(container.to_owned(), runner);
    }

    /// Says how long AWS's part of a task's life takes, for tasks launched from now on.
    pub fn set_timing(&self, timing: Timing) {
        self.inner.lock().timing = timing;
    }

    /// Environment for every task, below the definition's own: the endpoint, the region, credentials.
    pub fn set_endpoint_env(&self, env: BTreeMap<String, String>) {
        self.inner.lock().endpoint_env = env;
    }

    /// Environment by task role (its ARN, if the task has one), asked at each launch; it goes above the endpoint's
    /// and below the definition's.
    pub fn set_role_environment(&self, environment: RoleEnvironment) {
        self.inner.lock().role_env = Some(environment);
    }

    /// The account's limits; none by default.
    pub fn set_limits(&self, limits: Limits) {
        let mut state = self.inner.lock();
        state.meters = Meters::default();
        state.limits = limits;
    }

    /// Lets a test fail launches: of the tasks asked for, as many as there are failures do not start, and the
    /// answer is a 200 that carries them.
    pub fn on_run_task(&self, hook: impl Fn(&RunTask) -> Option<Vec<Failure>> + Send + Sync + 'static) {
        self.inner.lock().hook = Some(Arc::new(hook));
    }

    /// How long DescribeTasks and ListTasks do not know a task that RunTask has returned: eventual consistency.
    pub fn set_visibility_delay(&self, delay: Duration) {
        self.inner.lock().invisible = delay;
    }

    /// Each of the next `times` tasks fails to start for this reason. A reason that blames a container
    /// (`CannotPullContainerError: …`) leaves the containers without exit code; any other (such as
    /// `ResourceInitializationError: …`) leaves no containers at all.
    pub fn fail_to_start(&self, reason: &str, times: usize) {
        self.inner.lock().start_failures.extend(std::iter::repeat_n(reason.to_owned(), times));
    }

    /// Warns a running task that its Spot capacity goes: the event, SIGTERM, and after its `stopTimeout` (which is
    /// at most the two minutes of the warning) the end. False if no such task runs.
    pub fn spot_warning(&self, task: &str) -> bool {
        self.inner.order(task, Order::Reclaim)
    }

    /// Kills a task without asking it. False if no such task is live.
    pub fn kill(&self, task: &str, cause: KillCause) -> bool {
        self.inner.order(task, Order::Kill(cause))
    }

    /// All tasks that are live or stopped within the hour, in the order of their launch.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskSnapshot> {
        self.inner.lock().tasks.iter().map(|record| record.task.snapshot()).collect()
    }

    /// The most tasks of this task definition family that were ever live at once.
    #[must_use]
    pub fn peak(&self, family: &str) -> usize {
        self.inner.lock().peaks.get(family).copied().unwrap_or_default()
    }

    /// What all tasks so far have used, those that are live until now.
    #[must_use]
    pub fn usage(&self) -> Vec<TaskUse> {
        let (state, now) = (self.inner.lock(), self.inner.clock.now());
        let known = state.tasks.iter().filter_map(|record| record.task.used(now));
        state.forgotten.iter().copied().chain(known).collect()
    }

    /// Resolves when no task is live.
    pub async fn quiet(&self) {
        loop {
            let mut stopped = std::pin::pin!(self.inner.stopped.notified());
            // Enabled before the look, so that a task which stops in between is not missed.
            stopped.as_mut().enable();
            if self.inner.lock().tasks.iter().all(|record| record.task.status == Status::Stopped) {
                return;
            }
            stopped.await;
        }
    }

    /// Kills all tasks and lets go of what ran them; a task launched later is killed at once. What ran them may
    /// hold the cloud's clients, and so the cloud: without this it would outlive its last owner.
    pub(crate) fn close(&self) {
        self.inner.closing.cancel();
        let mut state = self.inner.lock();
        let hosts = (std::mem::take(&mut state.runners), state.role_env.take(), state.hook.take());
        drop(state);
        // Outside the lock, since the last of them may bring down more.
        drop(hosts);
    }

    /// Kills all tasks, and returns when none of them runs any more.
    pub async fn shutdown(&self) {
        self.close();
        self.inner.lifecycles.close();
        self.inner.lifecycles.wait().await;
    }

    /// What a task definition would hand over, by whatever name a call gives it.
    pub(crate) fn handed_over(&self, named: &str) -> Option<required_actions::Definition> {
        let found = self.inner.lock().definition(named)?;
        Some(required_actions::Definition {
            arn: found.arn.clone(),
            task_role: found.task_role.clone(),
            execution_role: found.execution_role.clone(),
        })
    }

    /// Answers a wire operation (`AmazonEC2ContainerServiceV20141113`, JSON 1.1). A caller marked with
    /// [`Partial::LaunchFailures`](crate::faults::Partial::LaunchFailures) gets all its tasks as failures.
    ///
    /// # Errors
    /// What ECS refuses, with its code.
    pub async fn call(&self, operation: &str, input: Value, caller: &Caller) -> Result<Value, ApiError> {
        let inner = &self.inner;
        match operation {
            "RunTask" => inner.run_task(&input, caller),
            "StopTask" => inner.stop_task(input),
            "DescribeTasks" => inner.describe_tasks(input),
            "ListTasks" => inner.list_tasks(input),
            "DescribeClusters" => inner.describe_clusters(input),
            "ListClusters" => Ok(inner.list_clusters()),
            "DescribeTaskDefinition" => inner.describe_task_definition(input),
            "RegisterTaskDefinition" => {
                let tags = input.get("tags").cloned().unwrap_or(json!([]));
                let refused = |error: DefinitionError| ApiError::client("ClientException", error.to_string());
                let registered = self.register_task_definition(input).map_err(refused)?;
                let shown = inner.lock().definition(&registered).map(|found| found.document.clone());
                Ok(json!({ "taskDefinition": shown, "tags": tags }))
            }
            "ListTagsForResource" => inner.list_tags(input),
            "TagResource" => inner.tag(input),
            _ => Err(ApiError::unsupported("ecs", operation)),
        }
    }

    /// The events so far.
    #[cfg(test)]
    fn emitted(&self) -> Vec<Value> {
        self.inner.emitted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Ecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ecs").field("tasks", &self.inner.lock().tasks.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
