//! Continues the jobs that an earlier run left open in its data folder: its tasks and its queues ended with it.

use std::time::Duration;

use app::{
    finish_attempt::{Ended, finish},
    item_failures::ItemFailures,
};
use aws::{
    CallError, Clients,
    ledger::{Ledger, Over},
    queue::Queue,
};
use domain::{
    job::{Attempt, Job, Reason, STATUS_SHARDS, State, open_shard},
    message::{FailureMessage, JobMessage},
    verdict::{Kind, Verdict},
};
use jiff::Timestamp;

use crate::local::Plan;

/// Queues every open job again. The sweep finds objects that were uploaded and never recorded.
pub(crate) async fn open_jobs(clients: &Clients, plan: &Plan) -> anyhow::Result<()> {
    let ledger = Ledger::new(clients, plan.output("LedgerTable")?);
    let uploads = Queue::new(clients, plan.output("UploadsQueue")?);
    let stops = Queue::new(clients, plan.output("StopsQueue")?);
    let mut failures = ItemFailures::default();
    for part in STATUS_SHARDS {
        let mut next = None;
        loop {
            let (ids, more) = ledger.by_status(&open_shard(part), next).await?;
            for job in failures.read_jobs(ledger.read_all(&ids).await?) {
                if !job.state().is_settled() {
                    let brought_back = requeue(&ledger, &uploads, &stops, &job).await;
                    failures.record(&job.object, brought_back);
                }
            }
            match more {
                Some(more) => next = Some(more),
                None => break,
            }
        }
    }
    Ok(failures.finish()?)
}

async fn requeue(ledger: &Ledger, uploads: &Queue, stops: &Queue, job: &Job) -> Result<(), CallError> {
    let due = |job: &Job| JobMessage::new(job.id.clone(), job.attempt, 0).to_body();
    if job.state() == State::Waiting && job.task.is_none() {
        return uploads.send(&due(job), Duration::ZERO).await;
    }
    let verdict = Verdict::from(Kind::Terminated);
    let ended = Attempt {
        number: job.attempt,
        task: job.task.clone().or_else(|| job.pooled_worker().map(str::to_owned)).unwrap_or_default(),
        verdict: Reason::new(verdict.kind, "the local cloud was stopped while the job was running"),
        stopped_at: Timestamp::now(),
        paused: false,
    };
    match finish(ledger, job, &verdict, &ended, Over::Stopped, Timestamp::now()).await? {
        Ended::Retry { job, .. } => uploads.send(&due(&job), Duration::ZERO).await,
        Ended::GivenUp(job) => stops.send(&FailureMessage::new(job.id).to_body(), Duration::ZERO).await,
        Ended::Refused(_) | Ended::Nothing => Ok(()),
    }
}
