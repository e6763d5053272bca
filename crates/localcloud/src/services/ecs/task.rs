//! A task: its data, and the one function that says which state follows which.

use jiff::Timestamp;
use pricing::{Architecture, TaskUse};
use serde_json::Value;

use super::{
    definition::Container,
    run_task::{Provider, Tag},
};

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Its network interface is being made.
    Provisioning,
    /// Its image is being pulled.
    Pending,
    /// Its containers are being started.
    Activating,
    /// Its containers run.
    Running,
    /// It leaves.
    Deactivating,
    /// Its containers got SIGTERM.
    Stopping,
    /// Its network interface is being taken down.
    Deprovisioning,
    /// It has ended.
    Stopped,
}

/// What moves a task on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The work of this state is done.
    Advance,
    /// It ends, whatever its state.
    End,
}

impl Status {
    /// The state after this one; `None` where the step makes no sense.
    pub(super) fn next(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Provisioning, Step::Advance) => Some(Self::Pending),
            (Self::Pending, Step::Advance) => Some(Self::Activating),
            (Self::Activating, Step::Advance) => Some(Self::Running),
            (Self::Running, Step::End) => Some(Self::Deactivating),
            (Self::Deactivating, Step::Advance) => Some(Self::Stopping),
            (Self::Stopping, Step::Advance) => Some(Self::Deprovisioning),
            (Self::Deprovisioning, Step::Advance) => Some(Self::Stopped),
            // Nothing runs yet that would have to be stopped; only the network interface is taken down.
            (Self::Provisioning | Self::Pending | Self::Activating, Step::End) => Some(Self::Deprovisioning),
            (Self::Running | Self::Stopped, Step::Advance)
            | (Self::Deactivating | Self::Stopping | Self::Deprovisioning | Self::Stopped, Step::End) => None,
        }
    }

    /// As ECS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// What kills a task from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillCause {
    /// The kernel, for memory: 137 and the reason that says so.
    OutOfMemory,
    /// A bare SIGKILL: 137 and no reason.
    Signal,
    /// The machine under it is gone.
    Infrastructure,
}

/// What happens to a task from outside.
#[derive(Debug)]
pub(super) enum Order {
    /// StopTask was called; the task knows its reason already.
    Stop,
    /// Its Spot capacity goes.
    Reclaim,
    /// It dies without being asked.
    Kill(KillCause),
}

/// Why a task ends. The first reason stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

/// A task as the service knows it.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) cluster_arn: String,
    pub(super) definition_arn: String,
    pub(super) group: String,
    pub(super) started_by: Option<String>,
    pub(super) provider: Provider,
    pub(super) by_strategy: bool,
    pub(super) execute_command: bool,
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pub(super) zone: String,
    pub(super) interface: Interface,
    pub(super) overrides: Value,
    pub(super) tags: Vec<Tag>,
    pub(super) containers: Vec<TaskContainer>,
    pub(super) status: Status,
    pub(super) ending: Option<Ending>,
    pub(super) version: u64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) connected_at: Option<Timestamp>,
    pub(super) pull_started_at: Option<Timestamp>,
    pub(super) pull_stopped_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) stopping_at: Option<Timestamp>,
    pub(super) execution_stopped_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
}

/// The task's network interface.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    pub(super) attachment: String,
    pub(super) id: String,
    pub(super) subnet: String,
    pub(super) mac: String,
    pub(super) address: String,
}

/// A container of a task.
#[derive(Debug, Clone)]
pub(super) struct TaskContainer {
    pub(super) arn: String,
    pub(super) definition: Container,
    pub(super) runtime_id: Option<String>,
    pub(super) started: bool,
    pub(super) stopped: bool,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
}

impl Task {
    /// Moves on, and writes down when.
    pub(super) fn step(&mut self, step: Step, now: Timestamp) {
        let Some(next) = self.status.next(step) else {
            debug_assert!(false, "a task cannot {step:?} from {:?}", self.status);
            return;
        };
        self.status = next;
        match next {
            Status::Pending => {
                self.connected_at = Some(now);
                self.pull_started_at = Some(now);
            }
            Status::Activating => self.pull_stopped_at = Some(now),
            Status::Running => {
                self.started_at = Some(now);
                let id = self.id().to_owned();
                for container in &mut self.containers {
                    container.started = true;
                    container.runtime_id = Some(format!("{id}-{:010}", fastrand::u32(..)));
                }
            }
            Status::Deactivating => self.stopping_at = self.stopping_at.or(Some(now)),
            Status::Deprovisioning => {
                self.stopping_at = self.stopping_at.or(Some(now));
                self.execution_stopped_at = Some(now);
                self.containers.iter_mut().for_each(|container| container.stopped = true);
            }
            Status::Stopped => self.stopped_at = Some(now),
            Status::Provisioning | Status::Stopping => {}
        }
    }

    /// Wants it to end for this reason, unless it ends already.
    pub(super) fn end(&mut self, ending: Ending, now: Timestamp) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.stopping_at = self.stopping_at.or(Some(now));
        }
    }

    pub(super) fn desired_status(&self) -> &'static str {
        if self.ending.is_some() { "STOPPED" } else { "RUNNING" }
    }

    /// The last part of its ARN.
    pub(super) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn is_named(&self, arn_or_id: &str) -> bool {
        self.arn == arn_or_id || self.id() == arn_or_id
    }

    /// What it is paid for by now; nothing, if its image never began to come.
    pub(super) fn used(&self, now: Timestamp) -> Option<TaskUse> {
        let ran = self.stopped_at.unwrap_or(now).duration_since(self.pull_started_at?);
        Some(TaskUse {
            cpu_units: self.cpu,
            memory_mib: self.memory,
            // What the template asks for by default, whatever this machine is.
            architecture: Architecture::Arm,
            spot: self.provider == Provider::Spot,
            public_ip: true,
            seconds: u64::try_from(ran.as_secs()).unwrap_or_default(),
            count: 1,
        })
    }

    pub(super) fn snapshot(&self) -> TaskSnapshot {
        TaskSnapshot {
            arn: self.arn.clone(),
            definition_arn: self.definition_arn.clone(),
            started_by: self.started_by.clone(),
            provider: self.provider,
            cpu: self.cpu,
            memory: self.memory,
            subnet: self.interface.subnet.clone(),
            status: self.status,
            stop_code: self.ending.as_ref().map(|ending| ending.code.to_owned()),
            stopped_reason: self.ending.as_ref().map(|ending| ending.reason.clone()),
            exit_codes: self.containers.iter().map(|container| container.exit_code).collect(),
            created_at: self.created_at,
            started_at: self.started_at,
            stopped_at: self.stopped_at,
        }
    }
}

/// What others may know of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSnapshot {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its definition's revision.
    pub definition_arn: String,
    /// The launcher's name for it.
    pub started_by: Option<String>,
    /// What pays for it.
    pub provider: Provider,
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
    /// The subnet it is in.
    pub subnet: String,
    /// Where it is in its life.
    pub status: Status,
    /// Why it ends or ended, for programs.
    pub stop_code: Option<String>,
    /// Why it ends or ended, for people.
    pub stopped_reason: Option<String>,
    /// Of each container, in the definition's order; `None` while it runs or when it never started.
    pub exit_codes: Vec<Option<i32>>,
    /// When RunTask made it.
    pub created_at: Timestamp,
    /// When it was RUNNING.
    pub started_at: Option<Timestamp>,
    /// When it was STOPPED.
    pub stopped_at: Option<Timestamp>,
}
