//! Removes the containers of this process when it is killed itself, as the orphan_reaper of processes kills those.
//!
//! One small shell at the other end of a pipe, in a group of its own. When the pipe breaks, it looks for containers with
//! our label; more than once, as the runtime may have been making one.

use std::{
    io::Write,
    path::Path,
    process::ChildStdin,
    sync::{Mutex, PoisonError},
};

use super::{super::orphan_reaper::shell, runtime::Runtime};

/// Its arguments are the runtime, the label, the folder, and what removes a container. A line of input says that none is
/// left.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r _ && exit 0
runtime=$1 label=$2 folder=$3
shift 3
for _ in 1 2 3; do
  for id in $("$runtime" ps --all --quiet --no-trunc --filter "label=$label"); do "$runtime" "$@" "$id"; done
  sleep 1
done
rm -r -- "$folder"
"#;

/// The shell's pipe, while there is a shell.
#[derive(Debug)]
pub(super) struct OrphanReaper(Mutex<Option<ChildStdin>>);

impl OrphanReaper {
    /// Watches over the containers of this run, and the folder that is made for them.
    pub(super) fn start(runtime: &Runtime, run: &str, folder: &Path) -> Self {
        let shell = shell(SCRIPT)
            .arg(&runtime.program)
            .arg(Runtime::label(run))
            .arg(folder)
            .args(runtime.removing())
            .spawn();
        match shell {
            Ok(mut shell) => Self(Mutex::new(shell.stdin.take())),
            Err(error) => {
                tracing::warn!(error = %error, "no orphan_reaper of containers; a kill -9 may leave some behind");
                Self(Mutex::new(None))
            }
        }
    }

    /// Nothing is left to remove.
    pub(super) fn forget(&self) {
        if let Some(mut pipe) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It may be gone; there is nothing left for it to do.
            let _ = pipe.write_all(b"done\n");
        }
    }
}
