//! How many commands run at once, and how much memory each may use.
//!
//! | | |
//! | --- | --- |
//! | the container has | the limit of its cgroup, if it has one, and at most the size of its task |
//! | the worker reserves | 288 MiB: the most that its own memory budget uses |
//! | a command may use | `task.memory` of its pipeline, one size larger for every time it ran out of memory, minus those 288 MiB; in a pooled worker at most what that worker has left |
//! | a pooled worker runs at once | as many commands as it has processors, and as fit into the memory that is left |
//!
//! The others wait, and their timeout does not run yet.

use std::{
    fs,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use domain::{
    fargate::Size,
    job::Job,
    settings::{Settings, SettingsError},
    verdict::adjusted,
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::environment::Inherited;

/// The memory that the worker reserves for itself.
const RESERVED_MIB: u32 = 288;

/// The smallest limit of a command. With less, no program could start.
const LEAST_MIB: u32 = 64;

/// The file with the memory limit of the container (cgroup v2).
const LIMIT_FILE: &str = "/sys/fs/cgroup/memory.max";

/// Runs the commands of pipelines within the limits of this process.
#[derive(Debug)]
pub struct Commands {
    pub(super) inherited: Inherited,
    /// Tracks running commands, and those that are being ended.
    pub(super) running: TaskTracker,
    processors: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// The memory that all commands share. `None` in a dedicated task, whose size is chosen for its job.
    shared_mib: Option<u32>,
    container_mib: Option<u32>,
    waiting: AtomicUsize,
    at_once: usize,
}

/// The permit of one command to run. Given back on drop.
#[derive(Debug)]
pub(crate) struct CommandPermit {
    limit_mib: u32,
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl CommandPermit {
    /// How many bytes of memory the command may use.
    pub(crate) fn limit_bytes(&self) -> u64 {
        u64::from(self.limit_mib) << 20
    }
}

impl Commands {
    /// For a dedicated task, which runs one job.
    #[must_use]
    pub fn dedicated(settings: &Settings) -> Self {
        Self::new(settings, container_mib(), None)
    }

    /// For a pooled worker.
    ///
    /// # Errors
    /// [`SettingsError`] if the environment does not name the size of pooled workers.
    pub fn pooled(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self::new(settings, container_mib(), Some(settings.fleet_size()?)))
    }

    fn new(settings: &Settings, container_mib: Option<u32>, pooled: Option<Size>) -> Self {
        let shared_mib = pooled.map(|size| for_commands(size.memory(), container_mib));
        let at_once = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            inherited: Inherited::from_settings(settings),
            running: TaskTracker::new(),
            processors: Arc::new(Semaphore::new(at_once)),
            memory: Arc::new(Semaphore::new(shared_mib.map_or(Semaphore::MAX_PERMITS, |mib| mib as usize))),
            shared_mib,
            container_mib,
            waiting: AtomicUsize::new(0),
            at_once,
        }
    }

    /// Waits until a processor and the memory for this job's command are free.
    pub(crate) async fn permit(&self, job: &Job) -> Result<CommandPermit, AcquireError> {
        let limit_mib = self.limit_mib(adjusted(&job.history, job.pipeline.task).size);
        let _waiting = Waiting::new(&self.waiting);
        let processor = self.processors.clone().acquire_owned().await?;
        let memory = self.memory.clone().acquire_many_owned(limit_mib).await?;
        Ok(CommandPermit { limit_mib, _permits: (processor, memory) })
    }

    fn limit_mib(&self, size: Size) -> u32 {
        let own = for_commands(size.memory(), self.container_mib);
        self.shared_mib.map_or(own, |shared| own.min(shared))
    }

    /// Whether as many jobs wait for a permit as commands can run: another worker would start the next one sooner.
    pub fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.at_once
    }

    /// Waits until no command runs any more. Commands that were asked to end have a few seconds.
    pub async fn end(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

/// The memory for commands in a task of this size.
fn for_commands(task_mib: u32, container_mib: Option<u32>) -> u32 {
    let all = container_mib.map_or(task_mib, |container| container.min(task_mib));
    all.saturating_sub(RESERVED_MIB).max(LEAST_MIB)
}

fn container_mib() -> Option<u32> {
    limit(&fs::read_to_string(LIMIT_FILE).ok()?)
}

/// The limit in that file in MiB; `None` for `max`.
fn limit(text: &str) -> Option<u32> {
    let bytes: u64 = text.trim().parse().ok()?;
    u32::try_from(bytes >> 20).ok()
}

/// Counts one waiting job until it is dropped.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn new(waiting: &'c AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::run_job::command::tests::job;

    fn commands(container: Option<u32>, pooled: Option<(u32, u32)>) -> Commands {
        let pooled = pooled.map(|(cpu, memory)| Size::new(cpu, memory).unwrap());
        Commands::new(&Settings::default(), container, pooled)
    }

    fn limit_of(commands: &Commands, task: &str) -> u64 {
        let permit = commands.permit(&job(&format!("command = [\"cat\"]\n{task}"))).now_or_never();
        permit.expect("no other job waits").unwrap().limit_bytes() >> 20
    }

    #[test]
    fn a_command_has_the_memory_of_its_task_minus_what_the_worker_reserves() {
        let large = "task = { cpu = 1024, memory = 4096 }";
        let dedicated = commands(None, None);
        assert_eq!([limit_of(&dedicated, ""), limit_of(&dedicated, large)], [224, 3_808]);
        let small_container = commands(Some(1_024), None);
        assert_eq!([limit_of(&small_container, ""), limit_of(&small_container, large)], [224, 736]);
        assert_eq!(limit_of(&commands(Some(100), None), large), 64);
        let pool = commands(None, Some((512, 1_024)));
        assert_eq!([limit_of(&pool, ""), limit_of(&pool, large)], [224, 736]);
    }

    #[test]
    fn a_command_that_ran_out_of_memory_gets_the_next_size_wherever_it_runs() {
        use domain::{
            job::{Attempt, Reason},
            verdict::Kind,
        };
        let mut job = job("command = [\"cat\"]\n");
        job.history.push(Attempt {
            number: 1,
            task: String::new(),
            verdict: Reason::new(Kind::OutOfMemory, ""),
            stopped_at: jiff::Timestamp::UNIX_EPOCH,
            paused: false,
        });
        let pool = commands(None, Some((1_024, 4_096)));
        assert_eq!(pool.permit(&job).now_or_never().unwrap().unwrap().limit_bytes(), 736 << 20);
    }

    #[test]
    fn commands_share_the_memory_of_the_worker_and_waiting_jobs_are_counted() {
        let mut pool = commands(None, Some((512, 1_024)));
        (pool.processors, pool.at_once) = (Arc::new(Semaphore::new(100)), 2);
        let job = job("command = [\"cat\"]\n");
        let mut permits = Vec::new();
        while let Some(permit) = pool.permit(&job).now_or_never() {
            permits.push(permit.unwrap());
        }
        assert_eq!(permits.len(), 3, "3 commands of 224 MiB fit into 736 MiB");
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(pool.permit(&job))).collect();
        assert!(!pool.is_crowded());
        assert!(waiting.iter_mut().all(|permit| permit.now_or_never().is_none()));
        assert!(pool.is_crowded());
        permits.clear();
        assert!(waiting.iter_mut().all(|permit| permit.now_or_never().is_some()));
        assert!(!pool.is_crowded());
    }

    #[test]
    fn the_kernels_limit_is_read_and_its_absence_too() {
        assert_eq!(limit("536870912\n"), Some(512));
        assert_eq!(limit("max\n"), None);
    }
}
