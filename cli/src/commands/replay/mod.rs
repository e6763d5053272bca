//! `tidemill replay`: failed jobs run again ([`app::replay`]).

mod dead_letters;
mod progress;

use anyhow::Context;
use domain::job::{Job, ReasonCode, State};

use self::progress::Progress;
use super::{
    deployment::{self, Deployment},
    job_pages::SettledJobs,
    time_arg, uri,
};
use crate::args::ReplayArguments;

/// The default of `--since`.
const SINCE: &str = "24h";

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
        dead_letters::replay(&mut replay, now).await?
    } else {
        let mut settled = SettledJobs::since(&deployment.ledger, since, now);
        while let Some(jobs) = settled.next(&mut replay.failures).await? {
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
        None
    };
    replay.summarise();
    let refused = replay.refused;
    replay.failures.finish().context("some items could not be replayed")?;
    Ok(asked.unwrap_or(u8::from(refused > 0)))
}

/// Whether `--verdict` and `--prefix` select this job.
fn selects(arguments: &ReplayArguments, job: &Job) -> bool {
    let is_verdict = |code: &ReasonCode| job.reason().is_some_and(|reason| reason.code == *code);
    job.state() == State::Failed
        && arguments.verdict.as_ref().is_none_or(is_verdict)
        && arguments.prefix.as_ref().is_none_or(|prefix| job.object.key.starts_with(prefix))
}
