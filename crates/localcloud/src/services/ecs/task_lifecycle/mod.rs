//! The life of one task, from PROVISIONING to STOPPED, whatever hosts its containers.
//!
//! ```text
//! PROVISIONING ─▶ PENDING ─▶ ACTIVATING ─▶ RUNNING ─▶ DEACTIVATING ─▶ STOPPING ─▶ DEPROVISIONING ─▶ STOPPED
//!       └────────────┴────────────┴── cannot start, or stopped before ──────────────────▲
//! ```
//!
//! Each arrow is one event. Orders ([`Order`]) may arrive at any time; the first reason to end is the one shown.

mod containers;

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use self::containers::{Containers, Happened, Planned};
use super::{
    definition::Definition,
    execution::Execution,
    run_task::RunTask,
    service::Inner,
    settings::Timing,
    state::State,
    task::{Ending, KillCause, Order, Status, Step, Task},
};
use crate::host::Exit;

/// What a killed container exits with: 128 + SIGKILL.
const KILLED: i32 = 137;

/// What a lifecycle needs to know, taken at the launch so that later settings are for later tasks.
pub(super) struct Plan {
    timing: Timing,
    start_failure: Option<String>,
    /// What ECS does for it, and in which role; none without one.
    execution: Option<Execution>,
    containers: Vec<Planned>,
}

impl Plan {
    /// Takes from the state what this task will need.
    pub(super) fn new(state: &mut State, request: &RunTask, definition: &Definition) -> Self {
        let role_env = state.role_env.as_ref().map(|environment| environment(request.task_role.as_deref()));
        let containers = definition.containers.iter().map(|container| {
            let given = request.containers.get(&container.name);
            let mut env = state.endpoint_env.clone();
            env.extend(role_env.clone().unwrap_or_default());
            env.extend(container.environment.clone());
            env.extend(given.map(|given| given.environment.clone()).unwrap_or_default());
            Planned {
                command: given
                    .and_then(|given| given.command.clone())
                    .unwrap_or_else(|| container.command.clone()),
                env,
                runner: state.runners.get(&container.name).cloned(),
                memory_bytes: u64::from(request.memory) << 20,
                cpu_units: request.cpu,
                container: container.clone(),
            }
        });
        let containers = containers.collect();
        let execution = Execution::of(request, definition);
        let start_failure = state.start_failures.pop_front();
        Self { timing: state.timing, start_failure, execution, containers }
    }
}

/// Runs a task from provisioning to stopped. Ends early, killing what it runs, when the service is dropped.
pub(super) async fn run(inner: Arc<Inner>, arn: String, plan: Plan, orders: UnboundedReceiver<Order>) {
    let closing = inner.closing.clone();
    let lifecycle = Lifecycle { inner, arn, timing: plan.timing, orders };
    closing.run_until_cancelled(lifecycle.go(plan)).await;
}

struct Lifecycle {
    inner: Arc<Inner>,
    arn: String,
    timing: Timing,
    orders: UnboundedReceiver<Order>,
}

impl Lifecycle {
    async fn go(mut self, plan: Plan) {
        if let Err(ending) = self.start(plan.start_failure, plan.execution.as_ref()).await {
            self.end_unstarted(ending).await;
            return;
        }
        let mut containers =
            Containers::launch(&self.inner, self.id(), plan.containers, plan.execution.as_ref());
        // The containers' first moments are part of ACTIVATING: a program that is not there never was RUNNING.
        let first = containers.running.next().now_or_never().flatten();
        if let Some((_, Exit::NotStarted(reason))) = first {
            drop(containers);
            self.end_unstarted(cannot_start(&reason)).await;
            return;
        }
        self.step(Step::Advance);
        self.run(containers, first).await;
        self.finish().await;
    }

    /// Until the image is there.
    async fn start(&mut self, failure: Option<String>, execution: Option<&Execution>) -> Result<(), Ending> {
        self.pass(self.timing.provisioning).await?;
        self.step(Step::Advance);
        self.pass(self.timing.pending).await?;
        if let Some(reason) = failure {
            return Err(Ending { code: "TaskFailedToStart", reason });
        }
        if let Some(execution) = execution {
            execution.start(self.inner.events.iam(), self.id())?;
        }
        self.step(Step::Advance);
        // Orders that came while no time passed.
        self.pass(Duration::ZERO).await
    }

    /// Lets time pass, unless an order ends the task first.
    async fn pass(&mut self, time: Duration) -> Result<(), Ending> {
        let order = if time.is_zero() {
            self.orders.try_recv().ok()
        } else {
            tokio::time::timeout(time, self.orders.recv()).await.ok().flatten()
        };
        match order {
            None => Ok(()),
            Some(Order::Stop) => Err(stop_requested()),
            Some(Order::Reclaim) => Err(spot_interruption()),
            Some(Order::Kill(_)) => Err(infrastructure()),
        }
    }

    async fn end_unstarted(self, ending: Ending) {
        let reason = ending.reason.clone();
        let failed = ending.code == "TaskFailedToStart";
        self.change(|task, now| {
            task.end(ending, now);
            if failed && reason.starts_with("Cannot") && reason.contains("Container") {
                task.containers.iter_mut().for_each(|container| container.reason = Some(reason.clone()));
            } else if failed {
                // The failure came before there were containers.
                task.containers.clear();
            }
            task.step(Step::End, now);
        });
        self.stop().await;
    }

    /// Runs the containers to their end, which is when none of them runs any more.
    async fn run(&mut self, mut containers: Containers, first: Option<(usize, Exit)>) {
        let mut first = first;
        let mut kill_at: Option<Instant> = None;
        // Set by a Spot warning: any end from then on counts as a Spot interruption.
        let mut reclaimed = false;
        loop {
            let happened = match first.take() {
                Some((n, exit)) => Happened::Exited(n, exit),
                None => containers.next(&mut self.orders, kill_at).await,
            };
            match happened {
                Happened::Exited(n, exit) => {
                    containers.left[n] = false;
                    let (essential, last) = (containers.essential[n], !containers.left.contains(&true));
                    self.note_exit(n, &exit);
                    if essential || last {
                        let ending = match exit {
                            Exit::NotStarted(reason) => cannot_start(&reason),
                            Exit::Code(_) | Exit::OutOfMemory if reclaimed => spot_interruption(),
                            Exit::Code(_) | Exit::OutOfMemory => essential_exited(),
                        };
                        self.deactivate(ending);
                        kill_at = kill_at.or(Some(containers.stop()));
                    }
                    if last {
                        return;
                    }
                }
                Happened::Ordered(Order::Stop) => {
                    self.deactivate(if reclaimed { spot_interruption() } else { stop_requested() });
                    kill_at = kill_at.or(Some(containers.stop()));
                }
                Happened::Ordered(Order::Reclaim) => {
                    reclaimed = true;
                    self.change(|task, now| task.end(termination_notice(), now));
                    kill_at = kill_at.or(Some(containers.stop()));
                }
                Happened::Ordered(Order::Kill(cause)) => {
                    self.kill(&containers.left, cause);
                    return;
                }
                Happened::TimeIsUp => {
                    let ending = if reclaimed { spot_interruption() } else { essential_exited() };
                    self.deactivate(ending);
                    self.silently(|task| killed(task, &containers.left, None));
                    return;
                }
            }
        }
    }

    /// From RUNNING on; does nothing when it is past that.
    fn deactivate(&self, ending: Ending) {
        if self.status() == Some(Status::Running) {
            self.change(|task, now| {
                // A warned task was only noticed; now the interruption is a fact.
                if task.ending.as_ref().is_some_and(|ending| ending.code == "TerminationNotice") {
                    task.ending = None;
                }
                task.end(ending, now);
                task.step(Step::End, now);
            });
            self.step(Step::Advance);
        }
    }

    fn kill(&self, left: &[bool], cause: KillCause) {
        let (ending, reason) = match cause {
            KillCause::OutOfMemory => (essential_exited(), Some(OUT_OF_MEMORY)),
            KillCause::Signal => (essential_exited(), None),
            KillCause::Infrastructure => (infrastructure(), None),
        };
        self.silently(|task| killed(task, left, reason));
        self.deactivate(ending);
    }

    /// The task's id.
    fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    async fn finish(self) {
        self.step(Step::Advance);
        self.stop().await;
    }

    /// From DEPROVISIONING to STOPPED.
    async fn stop(self) {
        tokio::time::sleep(self.timing.deprovisioning).await;
        self.step(Step::Advance);
        self.inner.stopped.notify_waiters();
    }

    fn note_exit(&self, n: usize, exit: &Exit) {
        self.silently(|task| {
            let Some(container) = task.containers.get_mut(n) else { return };
            container.stopped = true;
            match exit {
                Exit::Code(code) => container.exit_code = Some(*code),
                Exit::OutOfMemory => {
                    container.exit_code = Some(KILLED);
                    container.reason = Some(OUT_OF_MEMORY.to_owned());
                }
                Exit::NotStarted(reason) => container.reason = Some(reason.clone()),
            }
        });
    }

    fn step(&self, step: Step) {
        self.change(|task, now| task.step(step, now));
    }

    fn change(&self, change: impl FnOnce(&mut Task, jiff::Timestamp)) {
        self.inner.change(&self.arn, change);
    }

    /// Changes the task without an event; the next event shows it.
    fn silently(&self, change: impl FnOnce(&mut Task)) {
        let mut state = self.inner.lock();
        if let Some(record) = state.tasks.iter_mut().find(|record| record.task.arn == self.arn) {
            change(&mut record.task);
        }
    }

    fn status(&self) -> Option<Status> {
        let state = self.inner.lock();
        state.tasks.iter().find(|record| record.task.arn == self.arn).map(|record| record.task.status)
    }
}

/// What a container's reason is when the kernel killed it for its memory.
const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";

fn killed(task: &mut Task, left: &[bool], reason: Option<&str>) {
    for (container, _) in task.containers.iter_mut().zip(left).filter(|(_, left)| **left) {
        container.stopped = true;
        container.exit_code = Some(KILLED);
        container.reason = reason.map(str::to_owned);
    }
}

fn cannot_start(reason: &str) -> Ending {
    Ending { code: "TaskFailedToStart", reason: format!("CannotStartContainerError: {reason}") }
}

/// StopTask has written its reason into the task already, and the first reason stays.
fn stop_requested() -> Ending {
    Ending { code: "UserInitiated", reason: String::new() }
}

fn essential_exited() -> Ending {
    Ending { code: "EssentialContainerExited", reason: "Essential container in task exited".to_owned() }
}

fn termination_notice() -> Ending {
    Ending { code: "TerminationNotice", reason: "Your Spot Task was interrupted.".to_owned() }
}

fn spot_interruption() -> Ending {
    Ending { code: "SpotInterruption", reason: "Your Spot Task was interrupted.".to_owned() }
}

fn infrastructure() -> Ending {
    let reason = "The infrastructure under the task failed a health check.".to_owned();
    Ending { code: "InfrastructureHealth", reason }
}
