//! `tidemill run`: starts the local cloud, uploads files, waits until every job settles, and reports the outcomes.

mod flush_alerts;
pub(crate) mod report;
mod stall;
mod watch;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use aws::{Clients, ledger::Ledger, records::Records};
use domain::{
    job::{Job, JobId},
    text::count,
};
use localcloud::Cloud;
use pricing::Bill;

use self::{
    report::{Became, Report, Sent},
    watch::{Settled, Watch},
};
use crate::{
    args::RunArguments,
    export,
    files::{self, Upload},
    local::{self, Plan},
    output::{duration, failed, is_unread, print},
    signals::{Asked, Signals},
    upload::{self, Uploaded},
};

/// How a run ended.
enum End {
    /// With this report.
    Reported(Box<Report>),
    /// By a signal.
    Asked(Asked),
}

/// Runs it. Exit code 0: every job is done. 1: a job is not done, or the run could not start. 130 and 143: SIGINT and
/// SIGTERM.
pub(crate) fn main(arguments: &RunArguments) -> ExitCode {
    let begun = Instant::now();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let end = runtime.block_on(run(arguments, begun)).and_then(|end| {
        if let End::Reported(report) = &end {
            let text = if arguments.json { format!("{:#}\n", report.to_json()) } else { report.to_text() };
            // The reader of the report may close it at any line.
            print(&text).or_else(|error| if is_unread(&error) { Ok(()) } else { Err(error) })?;
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

async fn run(arguments: &RunArguments, begun: Instant) -> anyhow::Result<End> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (plan, uploads) = plan(arguments)?;
    let local = tokio::select! {
        started = local::start(&arguments.local, &plan.pipelines) => started?,
        // Dropping the future stops what was started.
        asked = signals.asked() => return Ok(End::Asked(asked)),
    };
    let ready = begun.elapsed();
    eprintln!("local cloud at {}, ready in {}", local.cloud.endpoint(), duration(ready));
    let end = tokio::select! {
        report = process(&local.cloud, &plan, &uploads, arguments, ready) => report.map(|report| End::Reported(Box::new(report))),
        asked = signals.asked() => Ok(End::Asked(asked)),
        never = local::print_refusals(&local.cloud) => match never {},
    };
    tokio::select! {
        () = local.shutdown() => {}
        // A second signal: what is left is killed with the runtime.
        _ = signals.asked() => {}
    }
    end
}

fn plan(arguments: &RunArguments) -> anyhow::Result<(Plan, Vec<Upload>)> {
    let plan = Plan::of(&arguments.local)?;
    let uploads = files::collect(&arguments.inputs, plan.output("WatchedPrefix")?)?;
    if let Some(out) = &arguments.out {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let there = folder.is_none_or(Path::is_dir);
        anyhow::ensure!(there, "cannot write {}: its folder does not exist", out.display());
        anyhow::ensure!(!out.is_dir(), "cannot write {}: it is a folder", out.display());
    }
    Ok((plan, uploads))
}

async fn process(
    cloud: &Cloud,
    plan: &Plan,
    uploads: &[Upload],
    arguments: &RunArguments,
    ready: Duration,
) -> anyhow::Result<Report> {
    let named = |name| plan.output(name);
    let config = upload::config(cloud.endpoint()).await;
    let clients = Clients::new(&config);
    let bucket = named("Bucket")?;
    plan.create_tables(&clients).await?;
    if arguments.local.data.is_some() {
        plan.free_slots(&clients).await?;
    }
    let uploaded = upload::all(&config, bucket, uploads, &plan.pipelines).await?;
    let ids: Vec<JobId> = uploaded.iter().filter_map(|uploaded| uploaded.job.clone()).collect();
    let ledger = Ledger::new(&clients, named("LedgerTable")?);
    let queues =
        [named("DeadLetterQueue")?, named("UploadsQueue")?, named("JobsQueue")?, named("StopsQueue")?];
    let watch = Watch { cloud, ledger: &ledger, pipelines: &plan.pipelines, queues };
    let Settled { jobs, dead_letters, stall } = watch.settle(&ids).await?;
    if stall.is_some() {
        watch.show_logs();
    }
    if let Some(out) = &arguments.out {
        let records = Records::new(&clients, named("RecordsTable")?);
        let keys =
            uploaded.iter().filter(|uploaded| uploaded.job.is_some()).map(|uploaded| &*uploaded.upload.key);
        let lines = export::export(&records, bucket, keys, out).await?;
        eprintln!("wrote {} to {}", count(lines, "record"), out.display());
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
    flush_alerts::send(&clients, plan).await?;
    let mails = cloud.services().sns.mails();
    let mut usage = cloud.usage();
    usage.write_units +=
        became.iter().filter_map(|became| became.job.as_ref()).map(Job::write_units).sum::<u64>();
    Ok(Report {
        bucket: bucket.to_owned(),
        prefix: named("WatchedPrefix")?.to_owned(),
        ready,
        became,
        stall,
        tasks: cloud.services().ecs.tasks(),
        mails: mails.into_iter().map(|mail| Sent { subject: mail.subject, body: mail.body }).collect(),
        dead_letters,
        mailbox: arguments.local.data.as_ref().map(|folder| folder.join("mailbox")),
        cost: Bill::of(&usage),
    })
}
