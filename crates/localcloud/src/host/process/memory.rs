//! A task's memory, held to its limit as the kernel holds a container to it.
//!
//! A laptop gives no control groups to unprivileged programs, so this reads the memory of the processes five times a
//! second: of the leader and all its descendants. Where there is no proc filesystem, nothing is read and nothing killed.

use std::{fs, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

/// The time between two readings.
const EVERY: Duration = Duration::from_millis(200);

/// Returns when the processes hold more than this.
pub(super) async fn exceeded(leader: Pid, limit_bytes: u64) {
    loop {
        tokio::time::sleep(EVERY).await;
        if family(leader).into_iter().map(held_bytes).sum::<u64>() > limit_bytes {
            return;
        }
    }
}

/// Kills a process and all that descend from it, as the end of a container does. Those it started in groups of their own
/// too: once it is gone, nobody could tell whose they were.
pub(super) fn kill_family(leader: Pid) {
    for process in family(leader) {
        // It may have ended meanwhile, which is as good.
        let _ = kill_process(process, Signal::KILL);
    }
}

/// A process and its descendants, parents first.
fn family(leader: Pid) -> Vec<Pid> {
    let mut found = vec![leader];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        next += 1;
        let Ok(threads) = fs::read_dir(of(process).join("task")) else { continue };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)));
        }
    }
    found
}

/// What a process holds that is nobody else's: its program's pages are read from disk again when they are needed.
fn held_bytes(process: Pid) -> u64 {
    let status = fs::read_to_string(of(process).join("status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    (field("RssAnon:").unwrap_or(0) + field("RssShmem:").unwrap_or(0)) * 1_024
}

fn of(process: Pid) -> std::path::PathBuf {
    Path::new("/proc").join(process.as_raw_nonzero().to_string())
}
