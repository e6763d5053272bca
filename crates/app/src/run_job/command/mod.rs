//! A pipeline's command: a program of the image gets an object's bytes and prints its records.
//!
//! ```text
//! S3 ─▶ source ─▶ stdin ─▶ ┌─────────┐ ─▶ stdout ─▶ output ─▶ read: JSON Lines ─▶ rows of this claim's edition
//! facts of the object ───▶ │ command │ ─▶ stderr ─▶ words: log lines, progress, the last line
//!          environment     └─────────┘ ─▶ exit code ─▶ ending ─▶ the end of the output, or how the job is left
//!             watch: memory of its process group     room: how many run at once, with how much memory
//! ```
//! What it may rely on, and what follows from each exit code, is in `docs/commands-on-objects.md`.
//!
//! The end of the output is told to whoever reads it when the command has ended with 0 and all of its object was there,
//! and not before. So nothing else has to ask how the command ended: output of one that failed has no end, and what has
//! no end is not published. While it is not published nobody sees it, as each claim writes an edition of its own
//! ([`domain::manifest::edition`]).
//!
//! The command is the leader of a process group. Whatever ends the attempt drops it, and with it goes the group:
//! [`process_group`]. When the worker itself is killed, [`orphan_reaper`] sees to that.

mod environment;
mod exit_status;
mod memory_watch;
mod orphan_reaper;
mod output;
mod permits;
mod process_group;
mod stderr;
#[cfg(test)]
mod tests;

use std::{io::Cursor, sync::Arc};

use bytes::Bytes;
use domain::{
    job::{Change, Job},
    manifest,
    pipelines::Command,
};
use tokio::io::{AsyncReadExt, BufReader};

pub(crate) use output::Broken;
pub use permits::Commands;
pub(crate) use permits::Room;

use crate::run_job::{
    job_progress::Doing,
    process_job::Workshop,
    read_and_write::{Left, Written, options, read_once, read_twice, unread},
    source::Source,
};

/// How much of the output is held. One that ends within it is checked to its end before a row is written, and is spread
/// by its real size, as an object is. Of a longer one rows are written while it comes, and its size is not known then.
const HELD_BYTES: usize = 1 << 20;

/// Runs the pipeline's command on the object and writes what it prints.
pub(crate) async fn work(
    workshop: &Workshop,
    job: &Job,
    room: &Room,
    doing: &Arc<Doing>,
) -> Result<Written, Left> {
    let Some(command) = &job.pipeline.command else {
        return Err(Left::new(Change::Return, "misconfigured", "the pipeline has no command"));
    };
    // It is streamed once: nothing of it is kept.
    let source = Source::new(workshop.objects.clone(), job.object.clone(), 0);
    let mut output = workshop.commands.run(job, command, source.open(), room.limit_bytes(), doing).await?;
    let mut beginning = Vec::with_capacity(64 << 10);
    let mut held = (&mut output).take(HELD_BYTES as u64 + 1);
    held.read_to_end(&mut beginning).await.map_err(|error| unread(readers::ReadError::Source(error)))?;
    let options = output_options(job, command);
    let written = if beginning.len() <= HELD_BYTES {
        let beginning = Bytes::from(beginning);
        read_twice(workshop, job, &options, || Cursor::new(beginning.clone()), doing).await
    } else {
        let all = BufReader::new(Cursor::new(beginning)).chain(output);
        read_once(workshop, job, &options, all, manifest::WIDEST, doing).await
    };
    let mut written = written.map_err(of_the_output)?;
    written.progress.format = Some("command".to_owned());
    Ok(written)
}

/// JSON Lines, and no more of them than the command may print. It runs at a pace of its own and may take hours: the leave
/// to go deep that readers of objects take turns with is not for it. What it may hold is a part of what the worker
/// reserves.
fn output_options(job: &Job, command: &Command) -> readers::Options {
    let mut options = options(&job.pipeline, readers::Room::default());
    options.format = readers::Format::JsonLines;
    options.limits.decoded_bytes = command.output_bytes;
    options
}

/// Says of a fault in what the command printed that it is no fault of the object.
fn of_the_output(mut left: Left) -> Left {
    // Those that are told of the run, not of its output.
    const TOLD: [&str; 2] = ["bad_input", "output_too_large"];
    if left.change == Change::Fail && !TOLD.contains(&left.reason.code.as_str()) {
        left.reason.message = format!("in what the command printed: {}", left.reason.message);
    }
    left
}
