//! Runs a container or a function as a process of its own.
//!
//! The process leads a process group, so that SIGKILL reaches its children too. Three things see that none
//! outlives the cloud: dropping the run kills the group; the runtime's end drops every run; and should this process
//! be killed outright, the [`orphan_reaper`](super::orphan_reaper) kills the groups that are left.

mod memory;

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Command;

use super::{
    Exit, Launch, Runner, orphan_reaper,
    output::{LAST_WORDS, copy_lines},
};

/// Runs each launch as this program, with these arguments before the launch's command. It sees the launch's
/// environment and our `PATH`, nothing else of ours.
#[must_use]
pub fn process(program: PathBuf, arguments: Vec<String>) -> Runner {
    Arc::new(move |launch| {
        let mut command = Command::new(&program);
        command.args(&arguments).args(&launch.command).env_clear().envs(&launch.env);
        if let Some(path) = std::env::var_os("PATH").filter(|_| !launch.env.contains_key("PATH")) {
            command.env("PATH", path);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        let program = program.clone();
        Box::pin(async move {
            match run(command, launch).await {
                Ok(exit) => exit,
                Err(error) => Exit::NotStarted(format!("failed to start {}: {error}", program.display())),
            }
        })
    })
}

async fn run(mut command: Command, launch: Launch) -> Result<Exit, std::io::Error> {
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).map(Group::new);
    let output = child.stdout.take().map(|output| copy_lines(output, launch.logs.clone()));
    let errors = child.stderr.take().map(|errors| copy_lines(errors, launch.logs.clone()));
    let mut reading = std::pin::pin!(async move {
        futures::join!(
            futures::future::OptionFuture::from(output),
            futures::future::OptionFuture::from(errors)
        )
    });
    let mut exceeded = std::pin::pin!(async {
        match (&group, launch.memory_bytes) {
            (Some(group), Some(limit)) => memory::exceeded(group.leader, limit).await,
            _ => std::future::pending().await,
        }
    });
    let mut asked = false;
    let mut drained = false;
    let status = loop {
        tokio::select! {
            biased;
            status = child.wait() => break status?,
            () = &mut exceeded => {
                if let Some(group) = &group {
                    memory::kill_family(group.leader);
                }
                child.wait().await?;
                return Ok(Exit::OutOfMemory);
            }
            _ = &mut reading, if !drained => drained = true,
            () = launch.stop.cancelled(), if !asked => {
                asked = true;
                if let Some(group) = &group {
                    group.ask();
                }
            }
        }
    };
    if let Some(group) = &group {
        group.ended.store(true, Ordering::Relaxed);
    }
    if !drained {
        // The line that says why it ended is usually the last one.
        let _ = tokio::time::timeout(LAST_WORDS, reading).await;
    }
    Ok(Exit::Code(code(status)))
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// A process group that dies with this value.
struct Group {
    leader: Pid,
    /// Then its number may soon be somebody else's.
    ended: AtomicBool,
}

impl Group {
    fn new(leader: Pid) -> Self {
        orphan_reaper::watch(leader);
        Self { leader, ended: AtomicBool::new(false) }
    }

    /// SIGTERM, to the leader alone, as a container's first process gets it alone.
    fn ask(&self) {
        // It may have ended on its own meanwhile, which is as good.
        let _ = kill_process(self.leader, Signal::TERM);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            memory::kill_family(self.leader);
        }
        // Also after the leader's end: what it leaves behind in its group is not to stay.
        let _ = kill_process_group(self.leader, Signal::KILL);
        orphan_reaper::forget(self.leader);
    }
}

#[cfg(test)]
mod tests;
