//! What tasks are launched for: said to RunTask, and read back from their stops.

use domain::{
    fargate::Size,
    fleet::Slot,
    job::{Job, JobId, digest},
    settings::variables,
    verdict,
};

/// A task to be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSpec {
    /// RunTask's client token: a repeat of the same order answers with the same task.
    pub token: String,
    /// What for: [`task_purpose`] reads it back from the task's stop.
    pub started_by: String,
    /// The container's command; the task definition's own when it is empty.
    pub command: Vec<String>,
    /// Variables above the task definition's.
    pub environment: Vec<(&'static str, String)>,
    /// The revision of the task definition; the deployed one when there is none, or when it cannot be launched any more.
    pub revision: Option<String>,
    /// Its size; the task definition's own when there is none.
    pub size: Option<Size>,
    /// Whether it may run on Spot.
    pub spot: bool,
}

impl TaskSpec {
    /// The task for a job's present attempt.
    #[must_use]
    pub fn of_job(job: &Job) -> Self {
        let adjusted = verdict::adjusted(&job.history, job.pipeline.task);
        Self {
            token: job.id.launch_token(job.attempt),
            started_by: job.id.to_string(),
            command: Vec::new(),
            environment: vec![
                (variables::TIDEMILL_JOB.name(), job.id.to_string()),
                (variables::TIDEMILL_ATTEMPT.name(), job.attempt.to_string()),
            ],
            revision: job.revision.clone(),
            size: Some(adjusted.size),
            spot: !adjusted.on_demand,
        }
    }

    /// The pooled worker for a slot that is reserved. The token holds the slot's generation, as a job's holds its
    /// attempt: ECS would answer with the slot's last worker, long stopped.
    #[must_use]
    pub fn of_drain(slot: &Slot, size: Size) -> Self {
        let (number, generation) = (slot.number.to_string(), slot.generation.to_string());
        Self {
            token: digest(["drain", &number, &generation]),
            started_by: drain_name(slot.number, slot.generation),
            command: vec!["drain".to_owned()],
            environment: vec![
                (variables::TIDEMILL_SLOT.name(), number),
                (variables::TIDEMILL_GENERATION.name(), generation),
            ],
            revision: None,
            size: Some(size),
            spot: true,
        }
    }

    /// A sweep. `which` identifies it, in the characters of a schedule's name: a repeated launch is the same task.
    /// `arguments` are those after `sweep`.
    #[must_use]
    pub fn of_sweep(which: &str, arguments: &[String]) -> Self {
        Self {
            token: digest(["sweep", which]),
            started_by: format!("sweep/{which}"),
            command: std::iter::once("sweep").map(str::to_owned).chain(arguments.iter().cloned()).collect(),
            environment: Vec::new(),
            revision: None,
            size: None,
            spot: false,
        }
    }

    /// The command of the schedule of this name for one hour, such as `20261121T12`: once, however often it is ordered.
    #[must_use]
    pub fn of_command(schedule: &str, hour: &str, command: &[String]) -> Self {
        Self {
            token: digest(["command", schedule, hour]),
            started_by: format!("command/{schedule}/{hour}"),
            command: std::iter::once("exec").map(str::to_owned).chain(command.iter().cloned()).collect(),
            environment: Vec::new(),
            revision: None,
            size: None,
            spot: false,
        }
    }
}

/// The name of the pooled worker in this slot, of this generation: what its task is started by.
#[must_use]
pub fn drain_name(slot: u32, generation: u64) -> String {
    format!("drain/{slot}/{generation}")
}

/// What a task was launched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskPurpose {
    /// This attempt of a job.
    Job {
        /// The id of the job.
        job: JobId,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// To be a pooled worker.
    Drain {
        /// In this slot.
        slot: u32,
        /// Of this generation.
        generation: u64,
    },
    /// The sweep that this identifies.
    Sweep(String),
    /// The command of this schedule.
    Command(String),
}

/// What a task was launched for, from its `startedBy` and environment; `None` for another system's task.
#[must_use]
pub fn task_purpose(
    started_by: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<TaskPurpose> {
    let mut parts = started_by.unwrap_or_default().split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("drain"), Some(slot), Some(generation)) => {
            return Some(TaskPurpose::Drain {
                slot: slot.parse().ok()?,
                generation: generation.parse().ok()?,
            });
        }
        (Some("sweep"), Some(which), None) => return Some(TaskPurpose::Sweep(which.to_owned())),
        (Some("command"), Some(schedule), _) => return Some(TaskPurpose::Command(schedule.to_owned())),
        _ => {}
    }
    let job = variable(variables::TIDEMILL_JOB.name()).or_else(|| started_by.map(str::to_owned))?;
    let attempt = variable(variables::TIDEMILL_ATTEMPT.name())?;
    Some(TaskPurpose::Job { job: JobId::parse(&job)?, attempt: variables::TIDEMILL_ATTEMPT.parse(&attempt)? })
}
