//! `tidemill stop`: cancels a job.

use std::time::Duration;

use aws::ledger::Changed;
use domain::{
    audit::{AuditEntry, AuditKind},
    job::{Attempt, Job, Reason, State},
    message::FailureMessage,
    text::shortened,
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

/// How often a job is read again because it changed before it could be stopped.
const TRIES: u32 = 4;

/// The longest reason that ECS accepts (StopTask, `reason`).
const REASON_CHARS: usize = 255;

/// Stops the job.
pub(crate) async fn run(arguments: &StopArguments) -> anyhow::Result<u8> {
    let id = uri::job(&arguments.job)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let who = deployment.caller().await?;
    for _ in 0..TRIES {
        let job = deployment.job(&id).await?;
        anyhow::ensure!(
            !job.state().is_settled(),
            "the job {id} is already {}{}; there is nothing to stop",
            format_job::state(&job),
            job.settled_at().map(|at| format!(" (since {at:.0})")).unwrap_or_default()
        );
        let Some(message) = stop(&deployment, &job, &who).await? else { continue };
        if arguments.target.json {
            print_document(&json!({ "job": id, "object": job.object.uri(), "message": message }))?;
        } else {
            print(&format!("{}: {message}\n", crate::output::one_line(&job.object.uri())))?;
        }
        return Ok(0);
    }
    anyhow::bail!("the job {id} changed {TRIES} times while it was being stopped; try again")
}

/// Stops a job in its present state; none when it changed meanwhile.
///
/// When a dedicated task runs the job, only the task is stopped: λ stops then settles the job and sends the mail. Otherwise
/// the ledger is written first, then the message to λ stops; if this command dies between the two, the hourly sweep sends
/// the mail.
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
            return Ok(Some("its task is stopping; the job then fails as cancelled"));
        }
    }
    let worker = job.task.clone().or_else(|| job.pooled_worker().map(str::to_owned));
    let ended = (job.state() == State::Running).then(|| Attempt {
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
    let message = FailureMessage::new(job.id.clone()).to_body();
    deployment.queue("StopsQueue")?.send(&message, Duration::ZERO).await?;
    Ok(Some(match job.state() {
        State::Running => "failed as cancelled; its worker stops working on it",
        _ => "failed as cancelled before a worker started it",
    }))
}
