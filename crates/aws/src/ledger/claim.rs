//! A worker's claim of a job: taken for one attempt under a new fence, and renewed before its lease runs out.

use std::time::Duration;

use jiff::Timestamp;

use super::{Changed, Ledger, write::Write};
use crate::{
    CallError,
    attributes::{number, text, time},
};
use domain::job::{Change, Job, JobId, JobState};

/// Who takes a job.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// For this attempt.
    pub attempt: u32,
    /// Its name, which is used for one claim.
    pub holder: &'a str,
    /// What becomes of a lease that has run out.
    pub expired: Expired,
    /// The revision of the task definition that it runs, if it knows that.
    pub revision: Option<&'a str>,
}

/// What a claim makes of a running job whose lease has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It is taken over within its attempt: by a task that was launched for this attempt alone.
    TakenOver,
    /// It is refused: the loss of its worker has to be written down first ([`Over::Lost`](super::Over::Lost)).
    Refused,
}

impl Ledger {
    /// Takes the job for this attempt: raises its fence, leases it to the holder and, the first time, pins it to the
    /// holder's revision of the task definition. Refused to a pooled worker of another one. A repeat by the same holder,
    /// as the SDK makes when the answer was lost, is answered that the job is its own.
    ///
    /// # Errors
    /// [`CallError`]: the claim may have been taken.
    pub async fn claim(
        &self,
        id: &JobId,
        claim: Claim<'_>,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Changed, CallError> {
        let Claim { attempt, holder, expired, revision } = claim;
        // A worker that leaves a job removes its lease.
        let free = match (expired, revision) {
            (Expired::TakenOver, _) => "(attribute_not_exists(lease_until) OR lease_until < :now)",
            (Expired::Refused, None) => "attribute_not_exists(lease_until)",
            (Expired::Refused, Some(_)) => {
                "attribute_not_exists(lease_until) AND (attribute_not_exists(revision) OR revision = :revision)"
            }
        };
        let pin = revision.map_or("", |_| ", revision = if_not_exists(revision, :revision)");
        let mut change = Write::new(
            &format!(
                "SET #state = :to, fence = fence + :one, holder = :holder, lease_until = :until, records = :zero, \
                 rejected = :zero, repaired = :zero, claimed_at = if_not_exists(claimed_at, :now){pin} REMOVE reason, #progress, rejects"
            ),
            &format!("attempt = :attempt AND {free}"),
        )
        .name("#progress", "progress")
        .moving(Change::Claim)
        .value(":one", number(1))
        .value(":zero", number(0))
        .value(":now", time(now))
        .value(":until", time(now + lease))
        .value(":holder", text(holder))
        .value(":attempt", number(attempt));
        if let Some(revision) = revision {
            change = change.value(":revision", text(revision));
        }
        let changed = self.update(id, "claim", change).await?;
        Ok(match changed {
            Changed::Rejected(Some(job)) if is_held(&job, holder) => Changed::Applied(job),
            changed => changed,
        })
    }

    /// Renews the claim with this fence and notes the progress: rows written, and what a command says of itself.
    /// Refused: the claim is lost.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn renew(
        &self,
        id: &JobId,
        fence: u64,
        until: Timestamp,
        records: u64,
        progress: Option<&str>,
    ) -> Result<Changed, CallError> {
        let mut change = Write::new(
            "SET lease_until = :until, records = :records",
            "fence = :fence AND #state = :running",
        );
        if let Some(progress) = progress {
            change.update.push_str(", #progress = :progress");
            change = change.name("#progress", "progress").value(":progress", text(progress));
        }
        let change = change
            .value(":until", time(until))
            .value(":records", number(records))
            .value(":fence", number(fence))
            .value(":running", text("running"));
        self.update(id, "renew the claim of", change).await
    }
}

fn is_held(job: &Job, holder: &str) -> bool {
    matches!(&job.state, JobState::Running(running) if running.claimed.holder == holder)
}
