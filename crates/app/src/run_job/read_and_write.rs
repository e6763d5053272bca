//! The work on a claimed job: make the object's rows as its pipeline says, and write them.

use domain::{
    job::{Change, Progress},
    pipelines::Format,
    publish::overtaken,
    verdict::Kind,
};

use super::{
    command::CommandPermit,
    command_output,
    job_exit::{JobExit, Written},
    job_run::JobRun,
    memory::MemoryPermit,
    object_metadata,
    reading::read_options,
    replace,
    rows::read_twice,
    source::Source,
};

/// Makes the object's rows and writes them. Holds no more of the object's bytes than `memory` allows; `command` is the
/// permit to run the pipeline's command, where the pipeline has one.
pub(crate) async fn read_and_write(
    run: JobRun<'_>,
    memory: &MemoryPermit,
    command: Option<&CommandPermit>,
) -> Result<Written, JobExit> {
    let JobRun { services, job, progress } = run;
    let object = &job.object;
    let visible = services.records.manifest(&object.bucket, &object.key).await?;
    if let Some(obstacle) = overtaken(visible.as_ref(), &object.sequencer) {
        return Err(JobExit::of(obstacle, Progress::default()));
    }
    let source = Source::new(services.objects.clone(), object.clone(), memory.bytes()).counted(progress);
    match (job.pipeline.format, command) {
        (Format::Command, Some(permit)) => command_output::run_and_write(run, permit).await,
        (Format::Command, None) => {
            Err(JobExit::new(Change::Requeue, Kind::InternalError, "the command has no permit to run"))
        }
        (Format::Object, _) => object_metadata::read_and_write(run, &source).await,
        (
            Format::Auto
            | Format::Csv
            | Format::Jsonl
            | Format::Json
            | Format::DynamodbJson
            | Format::Avro
            | Format::Parquet
            | Format::Sheet
            | Format::Aws(_),
            _,
        ) => {
            let options = read_options(&job.pipeline, object.size_bytes, services.memory.buffers());
            let (written, read_as) = read_twice(run, &options, || source.reader()).await?;
            replace::delete_missing(run, written, read_as).await
        }
    }
}
