//! `tidemill run`: starts the local cloud, uploads files, waits until every job settles, and reports the outcomes.

mod flush_alerts;
mod outcome;
mod progress;
pub(crate) mod report;
mod stall;
mod table;
mod until;
mod waiting;
mod watch;

use std::{
    path::Path,
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use aws::{Clients, ledger::Ledger, records::Records, tables::Tables};
use domain::{
    job::Job,
    text::{count, in_words},
};
use futures::StreamExt;
use localcloud::{Cloud, connector, faults::Faults, frontend::Frontend, wire::OWNER_KEY};
use pricing::Bill;

use self::{
    report::{Became, Report, Sent},
    stall::Stall,
    until::Until,
    watch::{Followed, Settled, Watch},
};
use crate::{
    args::RunArguments,
    export,
    files::{Collected, Inputs},
    local::{self, Plan},
    output::{failed, is_unread, print},
    signals::{Asked, Signals},
    upload,
};

/// How a run ended.
enum End {
    /// With this report.
    Reported(Box<Report>),
    /// By a signal, before anything was uploaded.
    Asked(Asked),
}

/// Runs it. Exit code 0: every job is done. 1: a job is not done, or the run could not start. 130 and 143: SIGINT and
/// SIGTERM.
pub(crate) fn main(arguments: &RunArguments) -> ExitCode {
    let begun = Instant::now();
    let end = run_to_end(arguments, begun).and_then(|end| {
        if let End::Reported(report) = &end {
            let text = if arguments.json { format!("{:#}\n", report.to_json()) } else { report.to_text() };
            // The reader of the report may close it at any line.
            print(&text).or_else(|error| if is_unread(&error) { Ok(()) } else { Err(error) })?;
        }
        Ok(end)
    });
    let asked = match end {
        Ok(End::Asked(asked)) => asked,
        Ok(End::Reported(report)) => match report.stall {
            Some(Stall::Asked(asked)) => asked,
            _ => return ExitCode::from(u8::from(!report.all_done())),
        },
        Err(error) => return failed(&error),
    };
    eprintln!("tidemill: {}", asked.words());
    ExitCode::from(asked.exit_code())
}

fn run_to_end(arguments: &RunArguments, begun: Instant) -> anyhow::Result<End> {
    // Before the signals are listened to.
    let inputs = Inputs::gather(&arguments.inputs, &arguments.name)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(run(arguments, &inputs, begun))
}

async fn run(arguments: &RunArguments, inputs: &Inputs, begun: Instant) -> anyhow::Result<End> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (plan, collected) = plan(arguments, inputs)?;
    if collected.hidden > 0 {
        eprintln!("left out {}", count(collected.hidden, "hidden file"));
    }
    let local = tokio::select! {
        started = local::start(&arguments.local, &plan, arguments.local.pipelines.as_deref(), [0]) => started?,
        // Dropping the future stops what was started.
        asked = signals.asked() => return Ok(End::Asked(asked)),
    };
    let ready = begun.elapsed();
    eprintln!("local cloud at {}, ready in {}", local.cloud.endpoint(), in_words(ready));
    let run = Run { cloud: &local.cloud, plan: &plan, arguments, ready };
    let end = tokio::select! {
        // First, so that the message names the full disk and not the call that failed because of it.
        biased;
        () = local.cloud.frontend().disk_full() => Err(local::disk_is_full(&arguments.local)),
        never = local::print_refusals(&local.cloud) => match never {},
        report = run.process(collected, &mut signals) => report.map(|report| End::Reported(Box::new(report))),
    };
    tokio::select! {
        () = local.shutdown() => {}
        // A second signal: what is left is killed with the runtime.
        _ = signals.asked() => {}
    }
    end
}

fn plan(arguments: &RunArguments, inputs: &Inputs) -> anyhow::Result<(Plan, Collected)> {
    let plan = Plan::of(&arguments.local)?;
    let collected = inputs.collect(plan.output("WatchedPrefix")?)?;
    if let Some(out) = &arguments.out {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let there = folder.is_none_or(Path::is_dir);
        anyhow::ensure!(there, "cannot write {}: its folder does not exist", out.display());
        anyhow::ensure!(!out.is_dir(), "cannot write {}: it is a folder", out.display());
    }
    Ok((plan, collected))
}

/// A run in a cloud that has started.
struct Run<'r> {
    cloud: &'r Cloud,
    plan: &'r Plan,
    arguments: &'r RunArguments,
    ready: Duration,
}

impl Run<'_> {
    /// Uploads the files and follows their jobs to the end, or until the run has to end.
    async fn process(&self, collected: Collected, signals: &mut Signals) -> anyhow::Result<Report> {
        let Self { cloud, plan, arguments, .. } = self;
        let named = |name| plan.output(name);
        let config = upload::config(cloud.endpoint()).await;
        let clients = Clients::new(&config);
        let bucket = named("Bucket")?;
        plan.create_tables(&clients).await?;
        if arguments.local.data.is_some() {
            plan.free_slots(&clients).await?;
        }
        let (begun, mut until) = (Instant::now(), Until::new(signals, arguments.timeout));
        let (mut became, cut) = self.upload(&config, bucket, collected.uploads, &mut until).await?;
        let ledger = Ledger::new(&self.observer(), named("LedgerTable")?);
        let queues = [named("UploadsQueue")?, named("JobsQueue")?, named("StopsQueue")?];
        let dead = [named("DeadLetterQueue")?, named("FailedJobsQueue")?];
        let watch = Watch { cloud, ledger: &ledger, pipelines: &plan.pipelines, queues, dead };
        let followed: Vec<Followed<'_>> = became.iter().filter_map(Became::followed).collect();
        let Settled { jobs, dead_letters, stall } = match cut {
            None => watch.settle(&followed, &mut until).await?,
            Some(stall) => watch.now(&followed, stall).await?,
        };
        drop(followed);
        if stall.is_some_and(Stall::is_unexplained) {
            watch.show_logs();
        }
        let mut jobs = jobs.into_iter();
        for became in became.iter_mut().filter(|became| became.id.is_some()) {
            became.job = jobs.next().flatten();
        }
        self.export(&clients, bucket, &became).await?;
        flush_alerts::send(&clients, plan).await?;
        let mails = cloud.services().sns.mails();
        let mut usage = cloud.usage();
        usage.write_units +=
            became.iter().filter_map(|became| became.job.as_ref()).map(Job::write_units).sum::<u64>();
        Ok(Report {
            bucket: bucket.to_owned(),
            prefix: named("WatchedPrefix")?.to_owned(),
            ready: self.ready,
            took: begun.elapsed(),
            became,
            problems: collected.problems.iter().map(|problem| telemetry::causes(problem)).collect(),
            stall,
            tasks: cloud.services().ecs.tasks(),
            mails: mails.into_iter().map(|mail| Sent { subject: mail.subject, body: mail.body }).collect(),
            dead_letters,
            mailbox: arguments.local.data.as_ref().map(|folder| folder.join("mailbox")),
            cost: Bill::of(&usage),
        })
    }

    /// Clients that look at the cloud from outside: not through the socket, since reading thousands of jobs again and again
    /// would take longer than processing them, and not counted as what the run would cost.
    fn observer(&self) -> Clients {
        let clock = self.cloud.clock();
        let frontend = Frontend::new(self.cloud.services().clone(), Faults::default(), clock);
        Clients::new(&connector::sdk_config(&frontend, clock, OWNER_KEY))
    }

    /// Uploads the files: those that were uploaded, and why not all were, if so.
    async fn upload(
        &self,
        config: &aws::SdkConfig,
        bucket: &str,
        uploads: Vec<crate::files::Upload>,
        until: &mut Until<'_>,
    ) -> anyhow::Result<(Vec<Became>, Option<Stall>)> {
        let mut uploaded = Vec::with_capacity(uploads.len());
        let mut cut = None;
        {
            let mut uploading = pin!(upload::all(config, bucket, &uploads, &self.plan.pipelines));
            loop {
                tokio::select! {
                    next = uploading.next() => match next {
                        Some(next) => uploaded.push(next?),
                        None => break,
                    },
                    ended = until.reached() => {
                        cut = Some(ended);
                        break;
                    }
                }
            }
        }
        let became =
            uploads.into_iter().zip(uploaded.into_iter().map(Some).chain(std::iter::repeat_with(|| None)));
        let became = became.map(|(upload, uploaded)| match uploaded {
            Some(upload::Uploaded { at, job }) => {
                Became { upload, uploaded_at: Some(at), id: job, job: None }
            }
            None => Became { upload, uploaded_at: None, id: None, job: None },
        });
        Ok((became.collect(), cut))
    }

    /// Writes the visible records to the file that the arguments name, if they do.
    async fn export(&self, clients: &Clients, bucket: &str, became: &[Became]) -> anyhow::Result<()> {
        let Some(out) = &self.arguments.out else { return Ok(()) };
        let records = Records::new(clients, self.plan.output("RecordsTable")?);
        let keys = became.iter().filter(|became| became.id.is_some()).map(|became| &*became.upload.key);
        let (lines, left_out) = export::export(&records, &Tables::new(clients), bucket, keys, out).await?;
        for why in left_out {
            eprintln!("left out: {why}");
        }
        eprintln!("wrote {} to {}", count(lines, "record"), out.display());
        Ok(())
    }
}
