//! Kills what this process leaves behind when it is killed itself.
//!
//! The orphan reaper is one small shell at the other end of a pipe. It reads which process groups live; when the pipe
//! breaks, which the kernel sees to however we end, it kills those that are left. It holds nothing else of ours,
//! and in a group of its own it does not see the terminal's Ctrl-C.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use rustix::process::Pid;

/// Reads `+ GROUP` and `- GROUP` lines; at the end of input, kills the groups that are left.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"#;

static REAPER: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();

/// Has this group killed if this process dies.
pub(super) fn watch(group: Pid) {
    write('+', group);
}

/// No longer: its number may soon be somebody else's.
pub(super) fn forget(group: Pid) {
    write('-', group);
}

fn write(sign: char, group: Pid) {
    let Some(orphan_reaper) = REAPER.get_or_init(start) else { return };
    let mut pipe = orphan_reaper.lock().unwrap_or_else(PoisonError::into_inner);
    let line = format!("{sign} {}\n", group.as_raw_nonzero());
    if let Err(error) = pipe.write_all(line.as_bytes()) {
        tracing::warn!(error = %error, "the orphan reaper of child processes is gone; after a kill -9 some may be left");
    }
}

/// A shell at the other end of a pipe that holds nothing else of ours, to be given arguments and started.
pub(super) fn shell(script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "orphan_reaper"]).current_dir("/").process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shell
}

fn start() -> Option<Mutex<ChildStdin>> {
    match shell(SCRIPT).env_clear().spawn() {
        Ok(mut shell) => shell.stdin.take().map(Mutex::new),
        Err(error) => {
            tracing::warn!(error = %error, "failed to start the orphan reaper of child processes; after a kill -9 some may be left");
            None
        }
    }
}
