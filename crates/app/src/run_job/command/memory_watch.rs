//! The memory of a command's process group, looked at five times a second.
//!
//! On a thread of its own: parsing must not delay it. A command that takes memory faster than that meets the kernel's
//! killer, which the container's limit calls; that is told apart by nothing but the words.

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

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(200);

/// A watch over a group, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    over: Arc<AtomicU64>,
    _ends: Sender<()>,
}

impl Watch {
    /// Kills the group once it uses more than so many bytes. Call inside a tokio runtime.
    pub(super) fn begin(id: Pid, limit_bytes: u64) -> Self {
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

    /// How much memory the group was killed for.
    pub(super) fn over(&self) -> Option<u64> {
        Some(self.over.load(Ordering::Relaxed)).filter(|used| *used > 0)
    }
}

/// How much memory the group's processes hold, what they share counted once. Zero where there is no proc filesystem.
fn used_bytes(group: Pid) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let members = processes.flatten().filter_map(|process| {
        let path = process.path();
        // A process that has ended since has no memory.
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        (group_in(&stat) == Some(group.as_raw_nonzero().get())).then(|| memory(&path))
    });
    members.sum()
}

/// `Pss` of proc(5): what a process holds, of shared pages its share. Where that is not to be read, all it holds.
fn memory(process: &Path) -> u64 {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(process.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    field("smaps_rollup", "Pss:").or_else(|| field("status", "VmRSS:")).unwrap_or(0) * 1_024
}

/// The process group in a process's stat line. The program's name, in brackets, may hold spaces and brackets: fields are
/// counted after it.
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
