//! The processes of one run of a command, wherever they have gone: its process group, and those that have moved to a session
//! of their own, as daemons, browsers and build servers do. The latter are known by a variable in their environment, which
//! children inherit, and by their parents.
//!
//! Only a proc filesystem shows them: elsewhere, such as on macOS, a run is its process group. A process that clears its
//! environment and has outlived its parent is not found either; in its container it ends with the worker.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpgid, waitpid};
use tracing::warn;

/// The variable that marks the processes of a run.
pub(super) const VARIABLE: &str = "TIDEMILL_RUN";

/// How often a run's processes are looked for again after they were killed: one may have started another meanwhile.
const ROUNDS: usize = 5;

/// A run of a command.
#[derive(Debug, Clone)]
pub(super) struct Family {
    /// The process group, and the process that leads it.
    pub(super) group: Pid,
    /// The value of [`VARIABLE`], which no other run has.
    mark: String,
}

/// A new mark.
pub(super) fn new_mark() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// A process, as a scan found it.
#[derive(Debug, Clone, Copy)]
struct Found {
    parent: i32,
    group: i32,
    is_marked: bool,
}

impl Family {
    pub(super) fn new(group: Pid, mark: String) -> Self {
        Self { group, mark }
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Its processes. None on systems without a proc filesystem.
    pub(super) fn members(&self) -> Vec<Pid> {
        self.members_that(|_| true)
    }

    /// Those that have moved to a process group of their own.
    fn members_outside_the_group(&self) -> Vec<Pid> {
        let group = self.group.as_raw_nonzero().get();
        self.members_that(|process| process.group != group)
    }

    fn members_that(&self, is_wanted: impl Fn(&Found) -> bool) -> Vec<Pid> {
        let mark = format!("{VARIABLE}={}", self.mark);
        let found = scan(Some(mark.as_bytes()));
        let members = members(&found, self.group.as_raw_nonzero().get()).into_iter();
        members.filter(|id| found.get(id).is_some_and(&is_wanted)).filter_map(Pid::from_raw).collect()
    }

    /// Those in its process group, which takes less to find out.
    pub(super) fn in_group(&self) -> Vec<Pid> {
        let group = self.group.as_raw_nonzero().get();
        let found = scan(None).into_iter().filter(|(_, process)| process.group == group);
        found.filter_map(|(id, _)| Pid::from_raw(id)).collect()
    }

    /// Asks each of them once to end. They are found first, so that what one starts in order to end well runs undisturbed.
    pub(super) fn terminate(&self) {
        let outside = self.members_outside_the_group();
        self.signal_group(Signal::TERM);
        for process in outside {
            // It may have ended meanwhile.
            let _ = kill_process(process, Signal::TERM);
        }
    }

    /// Kills all of them at once, and those that they start meanwhile.
    pub(super) fn kill(&self) {
        self.signal_group(Signal::KILL);
        for _ in 0..ROUNDS {
            let members = self.members();
            if members.is_empty() {
                break;
            }
            for process in members {
                let _ = kill_process(process, Signal::KILL);
                // In its container the worker is process 1 and inherits those whose parents are gone.
                if !self.leads(process) {
                    let _ = waitpid(Some(process), WaitOptions::NOHANG);
                }
            }
        }
    }

    /// Waits for the group's ended processes whose parents are gone, which the worker inherits in its container. Processes
    /// that have not ended yet stay until the container ends.
    pub(super) fn wait_for_orphans(&self) {
        while matches!(waitpgid(self.group, WaitOptions::NOHANG), Ok(Some(_))) {}
    }

    /// Whether this is the command itself, which its parent waits for.
    fn leads(&self, process: Pid) -> bool {
        process == self.group
    }

    fn signal_group(&self, signal: Signal) {
        match kill_process_group(self.group, signal) {
            // The group has no processes any more.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                warn!(error = telemetry::causes(&error), "failed to signal the process group of a command")
            }
        }
    }
}

/// All processes, by their ids. Without a mark to look for, none is marked.
fn scan(mark: Option<&[u8]>) -> HashMap<i32, Found> {
    let Ok(processes) = fs::read_dir("/proc") else { return HashMap::new() };
    let found = processes.flatten().filter_map(|process| {
        let id = process.file_name().to_str()?.parse().ok()?;
        Some((id, look(&process.path(), mark)?))
    });
    found.collect()
}

/// A process that has not ended. It may end while it is looked at.
fn look(process: &Path, mark: Option<&[u8]>) -> Option<Found> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (state, parent, group) = fields(&stat)?;
    if state == 'Z' {
        return None;
    }
    let is_marked = mark.is_some_and(|mark| {
        // Only one's own can be read, and no other has the mark.
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark)
    });
    Some(Found { parent, group, is_marked })
}

/// State, parent and group in a process's stat line. The program's name, in brackets, may contain spaces and brackets: fields
/// are counted after it.
fn fields(stat: &str) -> Option<(char, i32, i32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The processes that are in the group or marked, and their descendants.
fn members(found: &HashMap<i32, Found>, group: i32) -> HashSet<i32> {
    let own = |process: &Found| process.group == group || process.is_marked;
    let mut members: HashSet<i32> = found.iter().filter(|(_, it)| own(it)).map(|(id, _)| *id).collect();
    loop {
        let is_child = |id: &i32, process: &Found| !members.contains(id) && members.contains(&process.parent);
        let children: Vec<i32> =
            found.iter().filter(|(id, it)| is_child(id, it)).map(|(id, _)| *id).collect();
        if children.is_empty() {
            return members;
        }
        members.extend(children);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_program_name() {
        assert_eq!(fields("7 (cat) S 1 42 42 0 -1"), Some(('S', 1, 42)));
        assert_eq!(fields("7 (a) R 9 9 (b) S 1 42 40 0 -1"), Some(('S', 1, 42)));
        assert_eq!(fields("7"), None);
        assert_eq!(fields(""), None);
    }

    #[test]
    fn a_family_is_its_group_its_marked_processes_and_their_descendants() {
        let found = |parent, group, is_marked| Found { parent, group, is_marked };
        let processes = HashMap::from([
            (1, found(0, 1, false)),
            (10, found(1, 10, true)),
            (11, found(10, 10, false)),
            // In a session of its own, and its child, which has cleared its environment.
            (12, found(1, 12, true)),
            (13, found(12, 13, false)),
            (14, found(13, 14, false)),
            (20, found(1, 20, false)),
        ]);
        let mut members: Vec<i32> = members(&processes, 10).into_iter().collect();
        members.sort_unstable();
        assert_eq!(members, [10, 11, 12, 13, 14]);
    }

    #[test]
    fn this_process_is_found_by_its_group() {
        let family = Family::new(rustix::process::getpgrp(), new_mark());
        assert!(family.members().contains(&rustix::process::getpid()));
    }
}
