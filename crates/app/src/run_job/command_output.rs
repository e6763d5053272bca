//! A pipeline with a command: run it on the object, read what it prints as JSON Lines, and write the rows.

use std::io::Cursor;

use bytes::Bytes;
use domain::{
    bad_input,
    job::{Change, Job, ReasonCode},
    manifest,
    pipelines::Command,
    verdict::Kind,
};
use tokio::io::{AsyncReadExt, BufReader};

use super::{
    command::CommandPermit,
    job_exit::{JobExit, Written},
    job_run::JobRun,
    reading::read_options,
    rows::{read_once, read_twice},
    source::Source,
};

/// How much of the output is held in memory. Output within this size is checked to its end before a row is written, and
/// is written to as many shards as its size needs, like an object. Rows of longer output are written as they come, to
/// the largest number of shards, since its size is not known then.
const HELD_BYTES: usize = 1 << 20;

/// Runs the pipeline's command on the object and writes the records that it prints.
pub(crate) async fn run_and_write(run: JobRun<'_>, permit: &CommandPermit) -> Result<Written, JobExit> {
    let JobRun { services, job, progress } = run;
    let Some(command) = &job.pipeline.command else {
        return Err(JobExit::new(Change::Requeue, Kind::Misconfigured, "the pipeline has no command"));
    };
    // The object is streamed once, so none of it is kept.
    let source = Source::new(services.objects.clone(), job.object.clone(), 0);
    let mut output =
        services.commands.run(job, command, source.open(), permit.limit_bytes(), progress).await?;
    let mut beginning = Vec::with_capacity(64 << 10);
    let mut held = (&mut output).take(HELD_BYTES as u64 + 1);
    held.read_to_end(&mut beginning).await.map_err(readers::ReadError::Source)?;
    let options = output_options(job, command);
    let written = if beginning.len() <= HELD_BYTES {
        let beginning = Bytes::from(beginning);
        read_twice(run, &options, || Cursor::new(beginning.clone())).await.map(|(written, _)| written)
    } else {
        let all = BufReader::new(Cursor::new(beginning)).chain(output);
        read_once(run, &options, all, manifest::MAX_SHARDS).await
    };
    let mut written = written.map_err(name_the_output)?;
    written.progress.format = Some("command".to_owned());
    Ok(written)
}

/// JSON Lines, up to the size that the command may print. A command runs at its own pace and may take hours, so it does
/// not take one of the buffer permits that readers of objects share: what its reader holds is part of the memory that
/// the worker reserves for itself.
fn output_options(job: &Job, command: &Command) -> readers::Options {
    let mut options = read_options(&job.pipeline, None, readers::BufferPermits::default());
    options.format = readers::Format::JsonLines;
    options.limits.decoded_bytes = command.output_bytes;
    options
}

/// Adds to a fault in what the command printed that the fault is in the output, not in the object.
fn name_the_output(mut exit: JobExit) -> JobExit {
    // What the command itself says of the object, and that it prints too much, is about its run.
    if let ReasonCode::BadInput(reason) = exit.reason.code
        && reason != bad_input::Reason::OutputTooLarge
    {
        exit.reason.message = format!("in the output of the command: {}", exit.reason.message);
    }
    exit
}
