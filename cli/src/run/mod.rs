//! `tidemill run`: start the local cloud, upload files, wait until every job is settled, tell what each became.

mod dead;
mod export;
mod files;
mod report;
mod signals;
mod stuck;
mod upload;
mod watch;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use tidemill_cloud::{
    Cloud,
    connector::ENDPOINT,
    template::{Stack, Template},
};
use tidemill_core::{
    adapter::{SdkConfig, fleet::Fleet, ledger::Ledger, records::Records},
    job::JobId,
    pipelines::Pipelines,
    pricing::Bill,
};

use self::{
    files::Upload,
    report::{Became, Report, Sent},
    signals::{Asked, Signals},
    upload::Uploaded,
    watch::{Settled, Watch},
};
use crate::{args::RunArguments, local};

/// How a run ended that began.
enum End {
    /// By itself, with this report.
    Reported(Box<Report>),
    /// Because it was asked to.
    Asked(Asked),
}

/// Runs it. Exit code 0: every job is done. 1: some are not, or it could not be run. 130 and 143: it was interrupted
/// or terminated.
pub(crate) fn main(arguments: &RunArguments) -> ExitCode {
    let begun = Instant::now();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let end = runtime.block_on(run(arguments, begun)).and_then(|end| {
        if let End::Reported(report) = &end {
            print(report, arguments.json)?;
        }
        Ok(end)
    });
    match end {
        Ok(End::Reported(report)) => ExitCode::from(u8::from(!report.all_done())),
        Ok(End::Asked(asked)) => {
            eprintln!("tidemill: {}", asked.words());
            ExitCode::from(asked.exit_code())
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("tidemill: {error:#}");
    ExitCode::FAILURE
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let text = if json { format!("{:#}\n", report.to_json()) } else { report.to_text() };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the report may stop at any line.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot print the report"),
    }
}

/// What is settled before anything is started, so that a mistake leaves nothing behind.
struct Plan {
    stack: Stack,
    pipelines: Pipelines,
    uploads: Vec<Upload>,
}

async fn run(arguments: &RunArguments, begun: Instant) -> anyhow::Result<End> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let plan = plan(arguments)?;
    let cloud = tokio::select! {
        started = start(arguments) => started?,
        // What was started goes with the future.
        asked = signals.asked() => return Ok(End::Asked(asked)),
    };
    let ready = begun.elapsed();
    eprintln!("local cloud at {}, ready in {} ms", cloud.endpoint(), ready.as_millis());
    let end = tokio::select! {
        report = process(&cloud, &plan, arguments, ready) => report.map(|report| End::Reported(Box::new(report))),
        asked = signals.asked() => Ok(End::Asked(asked)),
    };
    tokio::select! {
        () = cloud.shutdown() => {}
        // Asked once more: what is left is killed with the runtime.
        _ = signals.asked() => {}
    }
    end
}

async fn start(arguments: &RunArguments) -> anyhow::Result<Cloud> {
    let mut builder = local::cloud(&arguments.template, arguments.port)?;
    if let Some(folder) = &arguments.data {
        builder = builder.data(folder);
    }
    if let Some(file) = &arguments.pipelines {
        // A function runs in a folder of its own choice.
        let file = std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
        builder = builder.layer_file(local::mounted_pipelines(), file);
    }
    Ok(builder.start().await?)
}

fn plan(arguments: &RunArguments) -> anyhow::Result<Plan> {
    let parameters = local::PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let stack = Template::load(&arguments.template)?.resolve(&parameters, "tidemill", ENDPOINT)?;
    let file: PathBuf = match &arguments.pipelines {
        Some(file) => file.clone(),
        None => local::shipped_pipelines(&arguments.template, &stack)
            .context("no layer of the template holds a pipelines.toml: name one with --pipelines FILE")?,
    };
    let name = file.display().to_string();
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("cannot read the pipelines file {name}"))?;
    let pipelines = Pipelines::parse(&text, &name)?;
    let prefix = output(&stack.outputs, "WatchedPrefix")?;
    let uploads = files::collect(&arguments.inputs, prefix)?;
    if let Some(out) = &arguments.out {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let there = folder.is_none_or(Path::is_dir);
        anyhow::ensure!(there, "cannot write {}: its folder is not there", out.display());
        anyhow::ensure!(!out.is_dir(), "cannot write {}: it is a folder", out.display());
    }
    if let Some(data) = arguments.data.as_ref().filter(|data| data.exists() && !data.is_dir()) {
        anyhow::bail!("cannot keep data in {}: it is not a folder", data.display());
    }
    Ok(Plan { stack, pipelines, uploads })
}

/// An output of the template. The command needs some, and a template without them is not Tidemill's.
fn output<'a>(
    outputs: &'a std::collections::BTreeMap<String, String>,
    name: &str,
) -> anyhow::Result<&'a str> {
    outputs.get(name).map(String::as_str).with_context(|| format!("the template has no output {name}"))
}

/// The tasks of an earlier run with the same data have ended with it, untold: their slots are free.
async fn free_slots(config: &SdkConfig, stack: &Stack, table: &str) -> anyhow::Result<()> {
    let fleet = Fleet::new(config, table);
    for slot in fleet.slots(local::maximum_tasks(stack)).await? {
        if !slot.is_free() {
            fleet.free(slot.number, slot.generation).await?;
        }
    }
    Ok(())
}

async fn process(
    cloud: &Cloud,
    plan: &Plan,
    arguments: &RunArguments,
    ready: Duration,
) -> anyhow::Result<Report> {
    let named = |name| output(&plan.stack.outputs, name);
    let config = upload::config(cloud.endpoint()).await;
    let bucket = named("Bucket")?;
    if arguments.data.is_some() {
        free_slots(&config, &plan.stack, named("FleetTable")?).await?;
    }
    let uploaded = upload::all(&config, bucket, &plan.uploads, &plan.pipelines).await?;
    let ids: Vec<JobId> = uploaded.iter().filter_map(|uploaded| uploaded.job.clone()).collect();
    let ledger = Ledger::new(&config, named("LedgerTable")?);
    let queues =
        [named("DeadLetterQueue")?, named("UploadsQueue")?, named("JobsQueue")?, named("StopsQueue")?];
    let watch = Watch { cloud, ledger: &ledger, pipelines: &plan.pipelines, queues };
    let Settled { jobs, dead_letters, stuck } = watch.settle(&ids).await?;
    if stuck.is_some() {
        watch.show_logs();
    }
    if let Some(out) = &arguments.out {
        let records = Records::new(&config, named("RecordsTable")?);
        let keys =
            uploaded.iter().filter(|uploaded| uploaded.job.is_some()).map(|uploaded| &*uploaded.upload.key);
        let lines = export::export(&records, bucket, keys, out).await?;
        eprintln!("{lines} records in {}", out.display());
    }
    let mut jobs = jobs.into_iter();
    let became: Vec<Became> = uploaded
        .into_iter()
        .map(|Uploaded { upload, at, job }| Became {
            upload,
            uploaded_at: at,
            job: job.as_ref().and_then(|_| jobs.next()).flatten(),
            id: job,
        })
        .collect();
    let mails = cloud.services().sns.mails();
    let mut usage = cloud.usage();
    usage.write_units +=
        became.iter().filter_map(|became| became.job.as_ref()).map(|job| job.write_units).sum::<u64>();
    Ok(Report {
        bucket: bucket.to_owned(),
        prefix: named("WatchedPrefix")?.to_owned(),
        ready,
        became,
        stuck,
        tasks: cloud.services().ecs.tasks(),
        mails: mails.into_iter().map(|mail| Sent { subject: mail.subject, body: mail.body }).collect(),
        dead_letters,
        mailbox: arguments.data.as_ref().map(|folder| folder.join("mailbox")),
        cost: Bill::of(&usage),
    })
}
