//! Runs a pipeline's command: a program of the image gets an object's bytes on stdin and prints its records.
//!
//! ```text
//! S3 ─▶ source ─▶ stdin ─▶ ┌─────────┐ ─▶ stdout ─▶ output ─▶ JSON Lines reader ─▶ rows of this claim
//! object metadata ───────▶ │ command │ ─▶ stderr ─▶ log lines, progress, last line
//!          environment     └─────────┘ ─▶ exit code ─▶ exit_status ─▶ end of the output, or a JobExit
//!      memory_watch: memory of its process group     permits: how many run at once, with how much memory
//! ```
//! The contract of a command, including what each exit code means for its job, is in `docs/commands-on-objects.md`.
//!
//! The output ends only after the command has exited with 0 and has been given all of its object. So the reader of the
//! output need not ask how the command ended: the output of a failed command has no end, and without an end nothing is
//! published. Until then nobody sees the rows, since each claim writes rows of its own
//! ([`domain::manifest::write_epoch`]).
//!
//! The command is the leader of a process group. Whatever ends the attempt drops the group, which ends its processes, also
//! those that have left it: [`process_group`] and [`family`]. If the worker itself is killed, [`orphan_reaper`] does that.

mod environment;
mod exit_status;
mod family;
mod memory_watch;
mod orphan_reaper;
mod output;
mod permits;
mod process_group;
mod stderr;
#[cfg(test)]
mod tests;

pub(crate) use permits::CommandPermit;
pub use permits::Commands;
