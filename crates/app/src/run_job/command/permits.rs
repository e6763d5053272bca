//! How many commands run at once, and how much memory each may use.
//!
//! | | |
//! | --- | --- |
//! | the container has | its cgroup's limit, where it has one, and no more than its task's size |
//! | the worker keeps | 288 MiB: what [`crate::run_job::memory`] comes to at most |
//! | a command may use | its pipeline's `task.memory`, one size up for every time it ran out, less those 288 MiB; in a pooled worker no more than is left there |
//! | a pooled worker runs at once | as many commands as it has processors, and as their memory goes into what is left |
//!
//! The rest wait, and their timeout does not run yet.

use std::{
    fs,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::scale;
use domain::{
    fargate::Size,
    job::Job,
    settings::{Settings, SettingsError},
    verdict::adjusted,
};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::environment::Inherited;

/// What the worker keeps.
const RESERVED_MIB: u32 = 288;

/// What a command has in any case: less is no limit but a refusal.
const LEAST_MIB: u32 = 64;

/// Where the kernel tells the container's limit (cgroup v2).
const LIMIT_FILE: &str = "/sys/fs/cgroup/memory.max";

/// What this process has for commands.
#[derive(Debug)]
pub struct Commands {
    pub(super) inherited: Inherited,
    /// Of the commands that run, and of those that are being ended.
    pub(super) running: TaskTracker,
    processors: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// What there is for commands, together. None in a task of one job, whose size is the job's.
    shared_mib: Option<u32>,
    container_mib: Option<u32>,
    waiting: AtomicUsize,
    at_once: usize,
}

/// A command's leave to run, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    limit_mib: u32,
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Room {
    /// How much memory the command may use.
    pub(crate) fn limit_bytes(&self) -> u64 {
        u64::from(self.limit_mib) << 20
    }
}

impl Commands {
    /// For a task of one job.
    #[must_use]
    pub fn alone(settings: &Settings) -> Self {
        Self::new(settings, container_mib(), None)
    }

    /// For a pooled worker.
    ///
    /// # Errors
    /// [`SettingsError`] when the environment does not tell its size.
    pub fn pooled(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self::new(settings, container_mib(), Some(scale::size(settings)?)))
    }

    fn new(settings: &Settings, container_mib: Option<u32>, pooled: Option<Size>) -> Self {
        let shared_mib = pooled.map(|size| left(size.memory(), container_mib));
        let at_once = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            inherited: Inherited::of(settings),
            running: TaskTracker::new(),
            processors: Arc::new(Semaphore::new(at_once)),
            memory: Arc::new(Semaphore::new(shared_mib.map_or(Semaphore::MAX_PERMITS, |mib| mib as usize))),
            shared_mib,
            container_mib,
            waiting: AtomicUsize::new(0),
            at_once,
        }
    }

    /// Waits until there is a processor and the memory for this job's command.
    pub(crate) async fn room(&self, job: &Job) -> Result<Room, AcquireError> {
        let limit_mib = self.limit_mib(adjusted(&job.history, job.pipeline.task).size);
        let _waits = Waits::new(&self.waiting);
        let processor = self.processors.clone().acquire_owned().await?;
        let memory = self.memory.clone().acquire_many_owned(limit_mib).await?;
        Ok(Room { limit_mib, _permits: (processor, memory) })
    }

    fn limit_mib(&self, size: Size) -> u32 {
        let own = left(size.memory(), self.container_mib);
        self.shared_mib.map_or(own, |shared| own.min(shared))
    }

    /// Whether so many jobs wait here for their turn that another worker had better take the next.
    pub fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.at_once
    }

    /// Waits until no command runs any more: those that are told to end have a few seconds.
    pub async fn end(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

/// What the worker leaves of so much memory.
fn left(task_mib: u32, container_mib: Option<u32>) -> u32 {
    let all = container_mib.map_or(task_mib, |container| container.min(task_mib));
    all.saturating_sub(RESERVED_MIB).max(LEAST_MIB)
}

fn container_mib() -> Option<u32> {
    limit(&fs::read_to_string(LIMIT_FILE).ok()?)
}

/// The limit in that file, where it is none but `max`.
fn limit(text: &str) -> Option<u32> {
    let bytes: u64 = text.trim().parse().ok()?;
    u32::try_from(bytes >> 20).ok()
}

/// One more who waits, until it is dropped.
struct Waits<'c>(&'c AtomicUsize);

impl<'c> Waits<'c> {
    fn new(waiting: &'c AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
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
        let room = commands.room(&job(&format!("command = [\"cat\"]\n{task}"))).now_or_never();
        room.expect("nobody else is there").unwrap().limit_bytes() >> 20
    }

    #[test]
    fn a_command_has_its_tasks_memory_less_what_the_worker_keeps() {
        let large = "task = { cpu = 1024, memory = 4096 }";
        let alone = commands(None, None);
        assert_eq!([limit_of(&alone, ""), limit_of(&alone, large)], [224, 3_808]);
        let small_container = commands(Some(1_024), None);
        assert_eq!([limit_of(&small_container, ""), limit_of(&small_container, large)], [224, 736]);
        assert_eq!(limit_of(&commands(Some(100), None), large), 64);
        let pool = commands(None, Some((512, 1_024)));
        assert_eq!([limit_of(&pool, ""), limit_of(&pool, large)], [224, 736]);
    }

    #[test]
    fn one_that_ran_out_has_the_next_size_wherever_it_runs() {
        use domain::job::{Attempt, Reason};
        let mut job = job("command = [\"cat\"]\n");
        job.history.push(Attempt {
            number: 1,
            task: String::new(),
            verdict: Reason::new("out_of_memory", ""),
            stopped_at: jiff::Timestamp::UNIX_EPOCH,
            parked: false,
        });
        let pool = commands(None, Some((1_024, 4_096)));
        assert_eq!(pool.room(&job).now_or_never().unwrap().unwrap().limit_bytes(), 736 << 20);
    }

    #[test]
    fn together_they_fit_the_worker_and_who_waits_is_counted() {
        let mut pool = commands(None, Some((512, 1_024)));
        (pool.processors, pool.at_once) = (Arc::new(Semaphore::new(100)), 2);
        let job = job("command = [\"cat\"]\n");
        let mut rooms = Vec::new();
        while let Some(room) = pool.room(&job).now_or_never() {
            rooms.push(room.unwrap());
        }
        assert_eq!(rooms.len(), 3, "3 of 224 MiB go into 736");
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(pool.room(&job))).collect();
        assert!(!pool.is_crowded());
        assert!(waiting.iter_mut().all(|room| room.now_or_never().is_none()));
        assert!(pool.is_crowded());
        rooms.clear();
        assert!(waiting.iter_mut().all(|room| room.now_or_never().is_some()));
        assert!(!pool.is_crowded());
    }

    #[test]
    fn the_kernels_limit_is_read_and_its_absence_too() {
        assert_eq!(limit("536870912\n"), Some(512));
        assert_eq!(limit("max\n"), None);
    }
}
