//! Checks the memory of a command's process group five times a second.
//!
//! It runs on a thread of its own, so that parsing cannot delay it. A command that takes memory faster than that is killed
//! by the kernel at the container's limit; only the message differs.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use rustix::process::Pid;

use super::family::Family;

/// How often the memory is checked.
const EVERY: Duration = Duration::from_millis(200);

/// A watch over the process group of a command. It ends on drop.
#[derive(Debug)]
pub(super) struct Watch {
    over: Arc<AtomicU64>,
    _ends: Sender<()>,
}

impl Watch {
    /// Kills all of the command's processes once the group uses more than `limit_bytes`. Call it inside a tokio runtime.
    pub(super) fn start(family: &Family, limit_bytes: u64) -> Self {
        let (over, (ends, ended)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
        let (found, family) = (over.clone(), family.clone());
        tokio::task::spawn_blocking(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let used = used_bytes(&family);
                if used > limit_bytes {
                    found.store(used, Ordering::Relaxed);
                    family.kill();
                    return;
                }
            }
        });
        Self { over, _ends: ends }
    }

    /// How many bytes the group used when this watch killed it; `None` if it did not.
    pub(super) fn over(&self) -> Option<u64> {
        Some(self.over.load(Ordering::Relaxed)).filter(|used| *used > 0)
    }
}

/// How many bytes the group's processes hold, shared pages counted once. Zero on systems without a proc filesystem.
fn used_bytes(family: &Family) -> u64 {
    family.in_group().into_iter().map(memory).sum()
}

/// `Pss` of proc(5): the memory of a process with its part of shared pages. If that cannot be read, `VmRSS`.
fn memory(process: Pid) -> u64 {
    let folder = Path::new("/proc").join(process.to_string());
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    field("smaps_rollup", "Pss:").or_else(|| field("status", "VmRSS:")).unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_group_that_holds_memory() {
        let used = used_bytes(&Family::new(rustix::process::getpgrp(), String::new()));
        assert!(used > 1 << 20, "{used}");
    }
}
