//! What jobs and tasks cost, by the [price list](pricing).

use pricing::{Architecture, Bill, Dollars, TaskUse, Usage};

use crate::{events::TaskStateChange, job::Job, verdict::adjusted};

/// About what one run of a job costs: the task of its last attempt, on demand on x86, and all its writes.
#[must_use]
pub fn job_cost(job: &Job) -> Dollars {
    let seconds = match (job.claimed_at(), job.settled_at()) {
        (Some(start), Some(end)) => u64::try_from(end.duration_since(start).as_secs()).unwrap_or(0),
        _ => 0,
    };
    let size = adjusted(&job.history, job.pipeline.task).size;
    let task = TaskUse {
        cpu_units: size.cpu(),
        memory_mib: size.memory(),
        architecture: Architecture::X86,
        spot: false,
        public_ip: false,
        seconds,
        count: 1,
    };
    let usage = Usage { tasks: vec![task], write_units: job.write_units(), ..Usage::default() };
    Bill::of(&usage).total()
}

/// What a stopped task cost; none if its event does not name its size, or its image pull never started. The event does
/// not say whether the task had a public address: it is priced as if it had.
#[must_use]
pub fn task_cost(change: &TaskStateChange) -> Option<Dollars> {
    let size = change.size()?;
    let task = TaskUse {
        cpu_units: size.cpu(),
        memory_mib: size.memory(),
        architecture: if change.is_arm() { Architecture::Arm } else { Architecture::X86 },
        spot: change.is_spot(),
        public_ip: true,
        seconds: change.paid_for()?.as_secs(),
        count: 1,
    };
    Some(task.cost())
}
