//! `tidemill replay`: objects are processed again ([`app::replay`]).

mod confirm;
mod dead_letters;
mod progress;

use anyhow::Context;
use domain::{
    job::{Job, JobId, ReasonCode, State},
    replay::is_outdated,
};

use self::{confirm::confirm, progress::Progress};
use super::{
    deployment::{self, Deployment},
    job_pages::SettledJobs,
    time_arg, uri,
};
use crate::args::ReplayArguments;

/// The default of `--since`.
const SINCE: &str = "24h";

/// How many jobs are read at once.
const BATCH: usize = 100;

/// Replays what the arguments select.
pub(crate) async fn run(arguments: &ReplayArguments) -> anyhow::Result<u8> {
    let job = arguments.job.as_deref().map(uri::job).transpose()?;
    let now = deployment::now();
    let since = time_arg(arguments.since.as_deref().unwrap_or(SINCE), now)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let mut replay = Progress::new(arguments, &deployment).await?;
    let asked = if let Some(name) = job {
        let id = &deployment.job_id(name).await?;
        let job = deployment.job(id).await?;
        let outcome = replay.replay.job(&job, deployment::now()).await?;
        replay.report(&job.object.uri(), Some(id), &outcome)?;
        None
    } else if arguments.dead {
        let messages = deployment.dead_letters()?.counts().await?.visible;
        confirm(messages, "message", arguments.yes || arguments.dry_run)?;
        dead_letters::replay(&mut replay, now).await?
    } else {
        let mut settled = SettledJobs::since(&deployment.ledger, since, now);
        let mut ids = Vec::new();
        while let Some(jobs) = settled.next(&mut replay.failures).await? {
            ids.extend(jobs.into_iter().filter(|job| replay.selects(arguments, job)).map(|job| job.id));
        }
        confirm(ids.len() as u64, "job", arguments.yes || arguments.dry_run)?;
        jobs(&mut replay, arguments, &ids).await?;
        None
    };
    replay.summarise();
    let refused = replay.refused;
    replay.failures.finish().context("some items could not be replayed")?;
    Ok(asked.unwrap_or(u8::from(refused > 0)))
}

/// Replays these jobs, as they are now.
async fn jobs(replay: &mut Progress<'_>, arguments: &ReplayArguments, ids: &[JobId]) -> anyhow::Result<()> {
    for ids in ids.chunks(BATCH) {
        let jobs = replay.failures.read_jobs(replay.deployment.ledger.read_all(ids).await?);
        for job in jobs.iter().filter(|job| selects(arguments, job)) {
            let outcome = replay.replay.job(job, deployment::now()).await.map_err(anyhow::Error::from);
            if let Some(outcome) = replay.record(&job.object.uri(), outcome) {
                replay.report(&job.object.uri(), Some(&job.id), &outcome)?;
            }
        }
        if replay.failures.should_give_up() {
            break;
        }
    }
    Ok(())
}

impl Progress<'_> {
    /// Whether the arguments select this job.
    fn selects(&self, arguments: &ReplayArguments, job: &Job) -> bool {
        let today = |job: &Job| {
            let pipelines = self.replay.pipelines.as_ref()?;
            pipelines.route(&job.object.key, job.object.size_bytes)
        };
        selects(arguments, job) && (!arguments.outdated || is_outdated(job, today(job)))
    }
}

/// Whether `--verdict`, `--prefix`, `--pipeline` and `--done` select this job. Of what is not visible any more, nothing is
/// processed again.
fn selects(arguments: &ReplayArguments, job: &Job) -> bool {
    let is_verdict = |code: &ReasonCode| job.reason().is_some_and(|reason| reason.code == *code);
    let is_selected = match job.state() {
        State::Failed => true,
        State::Done => arguments.done && job.replaced().is_none(),
        State::Waiting | State::Running | State::Superseded | State::SourceDeleted => false,
    };
    is_selected
        && arguments.verdict.as_ref().is_none_or(is_verdict)
        && arguments.prefix.as_ref().is_none_or(|prefix| job.object.key.starts_with(prefix))
        && arguments.pipeline.as_ref().is_none_or(|name| job.pipeline.name == *name)
}
