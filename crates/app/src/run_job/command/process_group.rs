//! The process group of a command: it and all its children, which end with it.
//!
//! Whoever drops the [`Group`] ends it, whatever the reason: the timeout, a lost claim, a stop, a panic. SIGTERM first, and
//! SIGKILL some seconds later or when the runtime ends, whichever comes first. A process that has made itself a group of
//! its own is out of reach.

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

use super::orphan_reaper::Keeper;

/// How long a command has after SIGTERM. A task that is told to stop has much longer, and a pooled worker lets what it
/// has in flight go on for twenty seconds before that.
const GRACE: Duration = Duration::from_secs(5);

/// A command that runs.
#[derive(Debug)]
pub(super) struct Group {
    running: Option<Running>,
    id: Pid,
    /// Of those that are being ended.
    ending: TaskTracker,
}

/// Its three streams.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Group {
    /// Starts the command. How it is ended is tracked by `ending`.
    pub(super) fn spawn(
        words: &[String],
        environment: BTreeMap<String, String>,
        ending: TaskTracker,
    ) -> io::Result<(Self, Pipes)> {
        let (program, arguments) =
            words.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
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
            return Err(io::Error::other("it started without an id or its pipes"));
        };
        let keeper = Keeper::begin(id);
        let group = Self { running: Some(Running { id, child, keeper }), id, ending };
        Ok((group, Pipes { stdin, stdout, stderr }))
    }

    /// The group's id, which is the command's process id.
    pub(super) fn id(&self) -> Pid {
        self.id
    }

    /// Waits for the command's own end, and ends what it left running.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let running = self.running.as_mut().ok_or_else(|| io::Error::other("it has been waited for"))?;
        let status = running.child.wait().await?;
        // Its drop kills the rest.
        self.running = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        signal(self.id, Signal::TERM);
        // Without a runtime nobody can wait: the drop that follows kills.
        if Handle::try_current().is_ok() {
            self.ending.spawn(async move {
                // Its end or not, what is left is killed.
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
    keeper: Option<Keeper>,
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(self.id);
        reap(self.id);
        drop(self.keeper.take());
    }
}

/// Kills the whole group at once.
pub(super) fn kill(group: Pid) {
    signal(group, Signal::KILL);
}

/// Takes leave of the group's processes whose parents are gone: they are process 1's, which is the worker in its
/// container. What is not gone yet stays until the container ends.
fn reap(group: Pid) {
    while matches!(waitpgid(group, WaitOptions::NOHANG), Ok(Some(_))) {}
}

fn signal(group: Pid, signal: Signal) {
    match kill_process_group(group, signal) {
        // They are gone.
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => warn!(error = telemetry::causes(&error), "a command cannot be ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_whose_worker_is_killed_ends_too() {
        let words = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"].map(str::to_owned);
        let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let (mut group, _pipes) = Group::spawn(&words, path, TaskTracker::new()).unwrap();
        group.running.as_mut().unwrap().keeper.as_mut().expect("this is not process 1").break_pipe();
        let status = timeout(Duration::from_secs(60), group.wait()).await.expect("within a minute").unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
