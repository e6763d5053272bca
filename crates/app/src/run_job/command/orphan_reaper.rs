//! Ends a command whose worker was killed.
//!
//! In its container the worker is process 1, and its children end with it. Elsewhere, as on a laptop, a killed worker
//! would leave its command running. So a small shell waits at the other end of a pipe. The kernel closes the pipe however
//! the worker ends, and then the shell kills the command's process group, and what carries its mark elsewhere.

use std::{io, process::Stdio};

use tokio::process::{Child, Command};
use tracing::warn;

use super::family::{Family, VARIABLE};

/// Waits for the end of its input, then kills the process group that its first argument names, and the processes whose
/// environment has its second one.
const SCRIPT: &str = r#"trap '' INT TERM HUP; read -r line; kill -KILL "-$1"
for p in /proc/[0-9]*; do
  if tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -qx "$2"; then kill -KILL "${p#/proc/}"; fi
done"#;

/// The shell. Dropping this kills it before the pipe closes, so it does not take that for the worker's end.
#[derive(Debug)]
pub(super) struct OrphanReaper(Child);

impl OrphanReaper {
    /// Starts one for these processes. `None` if the worker is process 1, or if there is no shell.
    pub(super) fn start(family: &Family) -> Option<Self> {
        if std::process::id() == 1 {
            return None;
        }
        match spawn(family) {
            Ok(reaper) => Some(reaper),
            Err(error) => {
                let error = telemetry::causes(&error);
                warn!(
                    error,
                    "failed to start a shell: if the worker is killed, its command will keep running"
                );
                None
            }
        }
    }

    /// Closes the pipe, as the end of this process would.
    #[cfg(test)]
    pub(super) fn break_pipe(&mut self) {
        drop(self.0.stdin.take());
    }
}

impl Drop for OrphanReaper {
    fn drop(&mut self) {
        // It fails if the shell has already ended.
        drop(self.0.start_kill());
    }
}

fn spawn(family: &Family) -> io::Result<OrphanReaper> {
    let shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "orphan-reaper"])
        .args([family.group.as_raw_nonzero().to_string(), format!("{VARIABLE}={}", family.mark())])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(OrphanReaper(shell))
}
