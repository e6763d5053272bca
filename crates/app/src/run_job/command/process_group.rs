//! The process group of a command: the command and all its children end together.
//!
//! Dropping the [`Group`] ends it, whatever the reason: the timeout, a lost claim, a stop, a panic. The group gets SIGTERM,
//! and SIGKILL a few seconds later or when the runtime ends, whichever comes first; and so do processes that have moved to a
//! group or session of their own ([`family`](super::family)).

use std::{
    collections::BTreeMap,
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Pid;
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    runtime::Handle,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::{
    family::{self, Family},
    orphan_reaper::OrphanReaper,
};

/// How long a command may run after SIGTERM. A task that is asked to stop has much longer, and a pooled worker lets its
/// jobs continue for twenty seconds before that.
const GRACE: Duration = Duration::from_secs(5);

/// A running command.
#[derive(Debug)]
pub(super) struct Group {
    running: Option<Running>,
    family: Family,
    /// Tracks the tasks that end groups.
    ending: TaskTracker,
}

/// The three streams of a command.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Group {
    /// Starts the command. The task that later ends it is tracked by `ending`.
    pub(super) fn spawn(
        command: &[String],
        environment: BTreeMap<String, String>,
        ending: TaskTracker,
    ) -> io::Result<(Self, Pipes)> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mark = family::new_mark();
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .env(family::VARIABLE, &mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(id), (Some(stdin), Some(stdout), Some(stderr))) = (id, pipes) else {
            return Err(io::Error::other("the command started without a process id or without its pipes"));
        };
        let family = Family::new(id, mark);
        let orphan_reaper = OrphanReaper::start(&family);
        let running = Running { family: family.clone(), child, orphan_reaper };
        let group = Self { running: Some(running), family, ending };
        Ok((group, Pipes { stdin, stdout, stderr }))
    }

    /// The processes of the run.
    pub(super) fn family(&self) -> &Family {
        &self.family
    }

    /// Waits until the command exits, then kills the processes that it left running.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let running = self
            .running
            .as_mut()
            .ok_or_else(|| io::Error::other("the command has already been waited for"))?;
        let status = running.child.wait().await?;
        // Dropping it kills the rest of the family.
        self.running = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        self.family.terminate();
        // Without a runtime nothing can wait: the drop of `running` kills at once.
        if Handle::try_current().is_ok() {
            self.ending.spawn(async move {
                // Whether the command has exited or not, kill what is left of the family.
                drop(timeout(GRACE, running.child.wait()).await);
                running.family.kill();
                drop(running.child.wait().await);
            });
        }
    }
}

/// A command whose processes are killed when this is dropped.
#[derive(Debug)]
struct Running {
    family: Family,
    child: Child,
    orphan_reaper: Option<OrphanReaper>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.family.kill();
        self.family.wait_for_orphans();
        drop(self.orphan_reaper.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_whose_worker_is_killed_ends_too() {
        let command = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"].map(str::to_owned);
        let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let (mut group, _pipes) = Group::spawn(&command, path, TaskTracker::new()).unwrap();
        group.running.as_mut().unwrap().orphan_reaper.as_mut().expect("this is not process 1").break_pipe();
        let status = timeout(Duration::from_secs(60), group.wait()).await.expect("within a minute").unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
