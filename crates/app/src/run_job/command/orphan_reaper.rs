//! Ends a command whose worker is gone without a word.
//!
//! In its container the worker is process 1, and whatever it leaves behind ends with it. Elsewhere, as on a laptop, a
//! worker that is killed would leave its command running. So a small shell waits there at the other end of a pipe: when
//! that breaks, which the kernel sees to however the worker ends, it kills the command's process group.

use std::{io, process::Stdio};

use rustix::process::Pid;
use tokio::process::{Child, Command};
use tracing::warn;

/// Waits for the end of its input, and kills the group that it is told of.
const SCRIPT: &str = r#"trap '' INT TERM HUP; read -r line; kill -KILL "-$1""#;

/// The shell. It is gone when this is dropped, before it could take its own end of the pipe for the worker's.
#[derive(Debug)]
pub(super) struct Keeper(Child);

impl Keeper {
    /// One for this group, where one is needed and there is a shell.
    pub(super) fn begin(group: Pid) -> Option<Self> {
        if std::process::id() == 1 {
            return None;
        }
        match start(group) {
            Ok(keeper) => Some(keeper),
            Err(error) => {
                let error = telemetry::causes(&error);
                warn!(error, "without a shell to see to it, a command goes on when its worker is killed");
                None
            }
        }
    }

    /// Breaks the pipe, as the end of this process would.
    #[cfg(test)]
    pub(super) fn break_pipe(&mut self) {
        drop(self.0.stdin.take());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It has ended by itself where the group was its to end.
        drop(self.0.start_kill());
    }
}

fn start(group: Pid) -> io::Result<Keeper> {
    let shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "keeper", &group.as_raw_nonzero().to_string()])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(Keeper(shell))
}
