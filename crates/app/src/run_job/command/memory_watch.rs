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

use super::process_group;

/// How often the memory is checked.
const EVERY: Duration = Duration::from_millis(200);

/// A watch over a process group. It ends on drop.
#[derive(Debug)]
pub(super) struct Watch {
    over: Arc<AtomicU64>,
    _ends: Sender<()>,
}

impl Watch {
    /// Kills the group once it uses more than `limit_bytes`. Call it inside a tokio runtime.
    pub(super) fn start(id: Pid, limit_bytes: u64) -> Self {
        let (over, (ends, ended)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
        let found = over.clone();
        tokio::task::spawn_blocking(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let used = used_bytes(id);
                if used > limit_bytes {
                    found.store(used, Ordering::Relaxed);
                    process_group::kill(id);
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
fn used_bytes(group: Pid) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let members = processes.flatten().filter_map(|process| {
        let path = process.path();
        // A process may have ended since the directory was read.
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        (group_in(&stat) == Some(group.as_raw_nonzero().get())).then(|| memory(&path))
    });
    members.sum()
}

/// `Pss` of proc(5): the memory of a process with its part of shared pages. If that cannot be read, `VmRSS`.
fn memory(process: &Path) -> u64 {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(process.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    field("smaps_rollup", "Pss:").or_else(|| field("status", "VmRSS:")).unwrap_or(0) * 1_024
}

/// The process group in a process's stat line. The program's name, in brackets, may contain spaces and brackets: count
/// fields after it.
fn group_in(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_behind_any_program_name() {
        assert_eq!(group_in("7 (cat) S 1 42 42 0 -1"), Some(42));
        assert_eq!(group_in("7 (a) R 9 9 (b) S 1 42 40 0 -1"), Some(42));
        assert_eq!(group_in("7"), None);
        assert_eq!(group_in(""), None);
    }

    #[test]
    fn this_process_has_a_group_that_holds_memory() {
        let used = used_bytes(rustix::process::getpgrp());
        assert!(used > 1 << 20, "{used}");
    }
}
