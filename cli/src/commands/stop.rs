//! `tidemill stop`: a job that is not to go on.

use std::time::Duration;

use aws::ledger::Changed;
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Attempt, Job, Reason, State},
    mail::shortened,
    message::FailureMessage,
    verdict::Kind,
};
use serde_json::json;

use super::{
    deployment::{self, Deployment},
    format_job, uri,
};
use crate::{
    args::StopArguments,
    output::{print, print_document},
};

/// How often a job is looked at: each further time because it went on in between.
const LOOKS: u32 = 4;

/// ECS's longest reason (StopTask, `reason`).
const REASON_CHARS: usize = 255;

/// Stops it.
pub(crate) async fn run(arguments: &StopArguments) -> anyhow::Result<u8> {
    let id = uri::job(&arguments.job)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let who = deployment.caller().await?;
    for _ in 0..LOOKS {
        let job = deployment.job(&id).await?;
        anyhow::ensure!(
            !job.state.is_settled(),
            "the job {id} is {}{}: there is nothing to stop",
            format_job::state(&job),
            job.settled_at.map(|at| format!(" since {at:.0}")).unwrap_or_default()
        );
        let Some(words) = stop(&deployment, &job, &who).await? else { continue };
        if arguments.target.json {
            print_document(&json!({ "job": id, "object": job.object.uri(), "words": words }))?;
        } else {
            print(&format!("{}: {words}\n", crate::output::one_line(&job.object.uri())))?;
        }
        return Ok(0);
    }
    anyhow::bail!("the job {id} goes on from one step to the next too fast to be stopped: try again")
}

/// Stops a job where it is; none when it went on meanwhile.
///
/// The stop of a job's own task tells λ stops, which knows the verdict and tells people. In all other cases the ledger
/// comes first: dying before people are to be told leaves a failed job that the sweep has told of.
async fn stop(deployment: &Deployment, job: &Job, who: &str) -> anyhow::Result<Option<&'static str>> {
    let now = deployment::now();
    let reason = Reason::new(Kind::Cancelled, format!("stopped by {who}"));
    let note = AuditEntry::new(now, AuditKind::Cancelled, format!("by {who}"));
    if let Some(task) = &job.task {
        let cluster = deployment.cluster()?;
        let known = cluster.describe(std::slice::from_ref(task)).await?;
        if known.iter().any(|known| known.is_live) {
            deployment.ledger.note(&job.id, &note).await?;
            cluster.stop(task, &shortened(&reason.message, REASON_CHARS)).await?;
            return Ok(Some("its task is being stopped; the job fails as cancelled when it has"));
        }
    }
    let worker = job.task.clone().or_else(|| job.pooled_worker().map(str::to_owned));
    let ended = (job.state == State::Running).then(|| Attempt {
        number: job.attempt,
        task: worker.unwrap_or_default(),
        verdict: reason.clone(),
        stopped_at: now,
        paused: false,
    });
    match deployment.ledger.cancel(job, &reason, ended.as_ref(), &note, now).await? {
        Changed::Rejected(_) => return Ok(None),
        Changed::Applied(_) => {}
    }
    let told = FailureMessage::new(job.id.clone()).to_body();
    deployment.queue("StopsQueue")?.send(&told, Duration::ZERO).await?;
    Ok(Some(match job.state {
        State::Running => "it has failed as cancelled, and its worker leaves it",
        _ => "it has failed as cancelled, before anybody worked on it",
    }))
}
