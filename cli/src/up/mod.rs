//! `tidemill up`: runs the local cloud for any AWS client, and prints a line for each thing that happens in it.

mod event;
mod folder;
mod follow;
mod pipelines_file;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use app::restart;
use aws::{Clients, ledger::Ledger, queue::Queue};
use domain::text::in_words;
use jiff::Timestamp;
use localcloud::Cloud;

use self::{
    event::{Event, Printer},
    folder::Watched,
    follow::Follow,
    pipelines_file::PipelinesFile,
};
use crate::{
    args::UpArguments,
    endpoint,
    local::{self, Plan},
    output::failed,
    signals::Signals,
    upload,
};

/// Runs it until a signal, which is the ordinary end.
pub(crate) fn main(arguments: &UpArguments) -> ExitCode {
    let begun = Instant::now();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(arguments, begun)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(arguments: &UpArguments, begun: Instant) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let plan = Plan::of(&arguments.local)?;
    if let Some(folder) = &arguments.watch {
        let about =
            std::fs::metadata(folder).with_context(|| format!("cannot watch {}", folder.display()))?;
        anyhow::ensure!(about.is_dir(), "cannot watch {}: it is not a folder", folder.display());
    }
    let mut pipelines = PipelinesFile::of(&plan)?;
    let copy = pipelines.copy();
    let local = tokio::select! {
        started = local::start(&arguments.local, &plan, Some(&copy), endpoint::PORTS.chain([0])) => started?,
        // Dropping the future stops what was started.
        _ = signals.asked() => return Ok(()),
    };
    let ended = tokio::select! {
        // First, so that the message names the full disk and not the call that failed because of it.
        biased;
        () = local.cloud.frontend().disk_full() => Err(local::disk_is_full(&arguments.local)),
        ended = serve(&local.cloud, &plan, arguments, &mut pipelines, begun.elapsed()) => ended,
        _ = signals.asked() => Ok(()),
        never = local::print_refusals(&local.cloud) => match never {},
    };
    tokio::select! {
        () = local.shutdown() => {}
        // A second signal: what is left is killed with the runtime.
        _ = signals.asked() => {}
    }
    ended?;
    eprintln!("tidemill: stopped; all processes have ended");
    Ok(())
}

/// Continues the jobs that an earlier run left open in its data folder. The sweep finds objects that were uploaded and never
/// recorded.
async fn continue_jobs(clients: &Clients, plan: &Plan) -> anyhow::Result<()> {
    let ledger = Ledger::new(clients, plan.output("LedgerTable")?);
    let queue = |output| Ok::<_, anyhow::Error>(Queue::new(clients, plan.output(output)?));
    let (uploads, stops) = (queue("UploadsQueue")?, queue("StopsQueue")?);
    Ok(restart::open_jobs(&ledger, &uploads, &stops, Timestamp::now()).await?)
}

/// Prints what happens, until an error.
async fn serve(
    cloud: &Cloud,
    plan: &Plan,
    arguments: &UpArguments,
    pipelines: &mut PipelinesFile,
    ready: Duration,
) -> anyhow::Result<()> {
    let config = upload::config(cloud.endpoint()).await;
    let clients = Clients::new(&config);
    let (bucket, prefix) = (plan.output("Bucket")?, plan.output("WatchedPrefix")?);
    let mut follow = Follow::new(cloud, plan)?;
    let printer = Printer { json: arguments.json, bucket, prefix };
    let have_changed = plan.keep_pipelines(&clients, &plan.pipelines_text).await?;
    plan.create_tables(&clients).await?;
    if arguments.local.data.is_some() {
        plan.free_slots(&clients).await?;
        continue_jobs(&clients, plan).await?;
    }
    eprintln!("local cloud at {}, ready in {}", cloud.endpoint(), in_words(ready));
    if let (None, Some(note)) = (arguments.local.port, endpoint::note(cloud.endpoint())) {
        eprintln!("{note}");
    }
    printer.print(&Event::Ready { endpoint: cloud.endpoint(), watched: arguments.watch.as_deref() })?;
    if have_changed {
        pipelines.print_change(&plan.pipelines, &printer)?;
    }
    let watch = async {
        let Some(root) = &arguments.watch else { return std::future::pending().await };
        let mut watched = Watched::new(root, prefix, upload::client(&config), bucket);
        // Only a bucket from an earlier run can hold the folder's files already.
        if arguments.local.data.is_some() {
            watched.compare(&printer).await?;
        }
        watched.run(&printer).await
    };
    tokio::select! {
        followed = follow.run(&printer) => followed,
        watched = watch => watched,
        followed = pipelines.follow(cloud, &clients, plan, &printer) => followed,
    }
}
