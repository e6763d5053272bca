//! The process group of a command: the command and all its children end together.
//!
//! Dropping the [`Group`] ends it, whatever the reason: the timeout, a lost claim, a stop, a panic. The group gets SIGTERM,
//! and SIGKILL a few seconds later or when the runtime ends, whichever comes first. A process that has moved to a group of
//! its own is not reached.

use std::{
    collections::BTreeMap,
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    runtime::Handle,
    time::timeout,
};
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::orphan_reaper::OrphanReaper;

/// How long a command may run after SIGTERM. A task that is asked to stop has much longer, and a pooled worker lets its
/// jobs continue for twenty seconds before that.
const GRACE: Duration = Duration::from_secs(5);

/// A running command.
#[derive(Debug)]
pub(super) struct Group {
    running: Option<Running>,
    id: Pid,
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
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
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
        let orphan_reaper = OrphanReaper::start(id);
        let group = Self { running: Some(Running { id, child, orphan_reaper }), id, ending };
        Ok((group, Pipes { stdin, stdout, stderr }))
    }

    /// The group's id, which is the command's process id.
    pub(super) fn id(&self) -> Pid {
        self.id
    }

    /// Waits until the command exits, then kills the processes that it left running.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let running = self
            .running
            .as_mut()
            .ok_or_else(|| io::Error::other("the command has already been waited for"))?;
        let status = running.child.wait().await?;
        // Dropping it kills the rest of the group.
        self.running = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        signal(self.id, Signal::TERM);
        // Without a runtime nothing can wait: the drop of `running` kills at once.
        if Handle::try_current().is_ok() {
            self.ending.spawn(async move {
                // Whether the command has exited or not, kill what is left of the group.
                drop(timeout(GRACE, running.child.wait()).await);
                kill(running.id);
                drop(running.child.wait().await);
            });
        }
    }
}

/// A process group that is killed when this is dropped.
#[derive(Debug)]
struct Running {
    id: Pid,
    child: Child,
    orphan_reaper: Option<OrphanReaper>,
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(self.id);
        wait_for_orphans(self.id);
        drop(self.orphan_reaper.take());
    }
}

/// Kills the whole group at once.
pub(super) fn kill(group: Pid) {
    signal(group, Signal::KILL);
}

/// Waits for the group's ended processes whose parents are gone: in its container the worker is process 1 and inherits
/// them. Processes that have not ended yet stay until the container ends.
fn wait_for_orphans(group: Pid) {
    while matches!(waitpgid(group, WaitOptions::NOHANG), Ok(Some(_))) {}
}

fn signal(group: Pid, signal: Signal) {
    match kill_process_group(group, signal) {
        // The group has no processes any more.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => {
            warn!(error = telemetry::causes(&error), "failed to signal the process group of a command")
        }
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
