//! The ledger: the DynamoDB table of jobs, the only truth about what happened.
//!
//! Every change is one conditional write whose condition comes from [`crate::job::next`], so two writers can
//! never both win, and a repeat of a write that was already made is refused and told apart by reading.

mod browse;
mod end;
mod replay;
mod shelves;
mod story;
mod write;

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};
use jiff::Timestamp;

use super::{CallError, SdkConfig};
use crate::{
    job::{Attempt, Change, Job, JobId, Reason, State},
    metrics,
};

pub use end::Ended;
pub use shelves::{ShelfPage, Shelved};
use write::Write;
pub(super) use write::{number, text, time};

/// A DynamoDB item, as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The table of jobs.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    table: String,
}

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

/// What [`Ledger::record`] found.
#[derive(Debug)]
pub enum Recorded {
    /// The job was not known: it is recorded now.
    New,
    /// It was known: a duplicate event, or a repeat after a crash. As it stands now.
    Known(Box<Job>),
}

/// What became of a change.
#[derive(Debug)]
pub enum Changed {
    /// It is made. The job as it stands now.
    Yes(Box<Job>),
    /// The job is not where this change is legal, or somebody else holds it. As it stands, if it is there at all.
    No(Option<Box<Job>>),
}

/// What a claim makes of a running job whose lease has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It is taken over within its attempt: by a task that was launched for this attempt alone.
    TakenOver,
    /// It is refused: the loss of its worker has to be written down first ([`Over::Lost`]).
    Refused,
}

/// How it is known that an attempt is over: what must still be so when its end is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its task has stopped.
    Stopped,
    /// Its worker has left the job, which nobody has claimed since.
    Left {
        /// The fence of that worker's claim.
        fence: u64,
    },
    /// Its worker was lost: the lease has run out, and nobody has claimed or renewed it since.
    Lost {
        /// The fence of that worker's claim.
        fence: u64,
        /// When the lease was found to have run out.
        now: Timestamp,
    },
}

/// How a worker leaves a job.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// Failed, superseded, gone, or returned to be tried again.
    pub change: Change,
    /// Why.
    pub reason: &'a Reason,
    /// How far it came.
    pub progress: &'a Progress,
    /// The pooled worker's name, for the history of a failed job; λ stops adds a task's.
    pub worker: Option<&'a str>,
}

/// What a job's worker tells when it leaves the job.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Rows written.
    pub records: u64,
    /// Rows left out by the pipeline's policy.
    pub rejected: u64,
    /// The format found.
    pub format: Option<String>,
}

impl Ledger {
    /// The ledger in this table.
    #[must_use]
    pub fn new(config: &SdkConfig, table: &str) -> Self {
        Self { client: Client::new(config), table: table.to_owned() }
    }

    /// Records a new job. Durable on return; a repeat finds it [`Recorded::Known`] and changes nothing, which is
    /// what makes a duplicate event harmless.
    ///
    /// # Errors
    /// [`CallError`]: the job may or may not be recorded; repeat.
    pub async fn record(&self, job: &Job) -> Result<Recorded, CallError> {
        let attempt = || format!("record job {} for {}", job.id, job.object);
        let item: Item = serde_dynamo::to_item(job).map_err(|e| CallError::nonsense(attempt(), e))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let answer = put
            .condition_expression("attribute_not_exists(job)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(Recorded::New) };
        match error.as_service_error() {
            Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
                found,
            )) => match found.item() {
                Some(item) => Ok(Recorded::Known(Box::new(decode(item.clone(), attempt)?))),
                None => Err(CallError::exhausted(attempt(), "refused, without the item that refused it")),
            },
            _ => Err(CallError::of(attempt(), error)),
        }
    }

    /// Reads a job, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn read(&self, id: &JobId) -> Result<Option<Job>, CallError> {
        let attempt = || format!("read job {id}");
        let get = self.client.get_item().table_name(&self.table).key("job", text(id));
        let answer = get.consistent_read(true).send().await.map_err(|e| CallError::of(attempt(), e))?;
        answer.item.map(|item| decode(item, attempt)).transpose()
    }

    /// Reads those of these jobs that are there, in no order, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn read_all(&self, ids: &[JobId]) -> Result<Vec<Job>, CallError> {
        let attempt = || format!("read {} jobs", ids.len());
        let keys = ids.iter().map(|id| HashMap::from([("job".to_owned(), text(id))])).collect();
        let items = super::batch_get(&self.client, &self.table, keys, attempt).await?;
        items.into_iter().map(|item| decode(item, attempt)).collect()
    }

    /// Takes the job for this attempt: raises its fence, leases it to the holder and, the first time, pins it to the
    /// holder's revision of the task definition. Refused to a pooled worker of another one. A repeat by the same holder,
    /// as the SDK makes when the answer was lost, is told that the job is its own.
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
        // Whoever leaves a job removes its lease.
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
                 rejected = :zero, claimed_at = if_not_exists(claimed_at, :now){pin} REMOVE reason, #progress"
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
            Changed::No(Some(job)) if is_held(&job, holder) => Changed::Yes(job),
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

    /// The holder of the claim leaves the job: failed, superseded, gone, or returned to be tried again. A
    /// returned job stays at its attempt; whoever decides what follows raises it ([`Ledger::end`]). A repeat, as the
    /// SDK makes when the answer was lost, is told that the job is left.
    ///
    /// # Errors
    /// [`CallError`]: the job may be left; if not, its lease runs out.
    pub async fn leave(&self, job: &Job, leaving: Leaving<'_>, now: Timestamp) -> Result<Changed, CallError> {
        let Leaving { change, reason, progress, worker } = leaving;
        let settled = match change {
            // Only the object itself can be at fault here: that uses up an attempt.
            Change::Fail => ", settled_at = :now, shelf = :shelf, shelf_at = :now, charged = charged + :one",
            change if change.leads_to().is_settled() => {
                ", settled_at = :now, shelf = :shelf, shelf_at = :now"
            }
            _ => "",
        };
        let format = if progress.format.is_some() { ", #format = :format" } else { "" };
        let ended = worker.filter(|_| change == Change::Fail).map(|worker| Attempt {
            number: job.attempt,
            task: worker.to_owned(),
            verdict: reason.clone(),
            stopped_at: now,
            parked: false,
        });
        let history = if ended.is_some() { ", #history = list_append(#history, :ended)" } else { "" };
        let mut write = Write::new(
            &format!(
                "SET #state = :to, reason = :reason, records = :records, rejected = :rejected{settled}{format}{history} \
                 REMOVE lease_until"
            ),
            "fence = :fence",
        )
        .moving(change)
        .value(":reason", write::reason_value(reason))
        .value(":records", number(progress.records))
        .value(":rejected", number(progress.rejected))
        .value(":fence", number(job.fence));
        if !settled.is_empty() {
            write = write.shelving(&job.id, now);
        }
        if change == Change::Fail {
            write = write.value(":one", number(1));
        }
        if let Some(format) = &progress.format {
            write = write.name("#format", "format").value(":format", text(format));
        }
        if let Some(ended) = &ended {
            write = write.name("#history", "history").value(":ended", write::attempts(ended)?);
        }
        let is_left = |found: &Job| {
            (found.fence, found.state, found.attempt) == (job.fence, change.leads_to(), job.attempt)
                && found.reason.as_ref() == Some(reason)
        };
        Ok(match self.update(&job.id, "leave", write).await? {
            Changed::No(Some(found)) if is_left(&found) => Changed::Yes(found),
            changed => changed,
        })
    }

    /// Reserves the telling of a settled job until `until`, so that of two stops that come at once only one tells.
    /// Refused when it was told, or is being told by another; whoever dies while telling loses the reservation by
    /// time.
    ///
    /// # Errors
    /// [`CallError`]: it may be reserved; nobody tells until then.
    pub async fn tell(&self, id: &JobId, now: Timestamp, until: Timestamp) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET telling_until = :until",
            "attribute_not_exists(notified_at) AND (attribute_not_exists(telling_until) OR telling_until < :now)",
        );
        self.update(id, "tell of", change.value(":until", time(until)).value(":now", time(now))).await
    }

    /// Notes that the job's mail was handed to SNS, and the attempt that settled it where the ledger does not have
    /// it yet. A repeat is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn notified(
        &self,
        id: &JobId,
        ended: Option<&Attempt>,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let condition = "attribute_not_exists(notified_at)";
        let write = match ended {
            None => Write::new("SET notified_at = :now", condition),
            Some(ended) => {
                let update = "SET notified_at = :now, #history = list_append(#history, :ended)";
                Write::new(update, condition)
                    .name("#history", "history")
                    .value(":ended", write::attempts(ended)?)
            }
        };
        self.update(id, "note the mail of", write.value(":now", time(now))).await
    }

    /// The write that marks a job done, as one half of the publish transaction.
    pub(crate) fn done(
        &self,
        job: &Job,
        progress: &Progress,
        write_units: u64,
        now: Timestamp,
    ) -> Result<Update, CallError> {
        let write = Write::new(
            "SET #state = :to, records = :records, rejected = :rejected, #format = :format, \
             write_units = :units, settled_at = :now, shelf = :shelf, shelf_at = :now \
             REMOVE lease_until, reason, #progress",
            "fence = :fence",
        )
        .moving(Change::Publish)
        .name("#progress", "progress")
        .name("#format", "format")
        .value(":records", number(progress.records))
        .value(":rejected", number(progress.rejected))
        .value(":format", text(progress.format.as_deref().unwrap_or("unknown")))
        .value(":units", number(write_units))
        .shelving(&job.id, now)
        .value(":fence", number(job.fence));
        Update::builder()
            .table_name(&self.table)
            .key("job", text(&job.id))
            .update_expression(write.update)
            .condition_expression(write.condition)
            .set_expression_attribute_names(Some(write.names))
            .set_expression_attribute_values(Some(write.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|e| CallError::nonsense(format!("publish job {}", job.id), e))
    }

    async fn update(&self, id: &JobId, verb: &str, write: Write) -> Result<Changed, CallError> {
        let attempt = || format!("{verb} job {id}");
        let names = Some(write.names).filter(|names| !names.is_empty());
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("job", text(id))
            .update_expression(write.update)
            // An update of a job that is not there would make one.
            .condition_expression(format!("attribute_exists(job) AND {}", write.condition))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(write.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(made) => {
                let item =
                    made.attributes.ok_or_else(|| CallError::nonsense(attempt(), "no item returned"))?;
                let job = decode(item, attempt)?;
                if write.change.is_some_and(|change| change.leads_to().is_settled()) {
                    metrics::settled(&job);
                }
                Ok(Changed::Yes(Box::new(job)))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    let found = refusal.item().map(|item| decode(item.clone(), attempt)).transpose()?;
                    Ok(Changed::No(found.map(Box::new)))
                }
                _ => Err(CallError::of(attempt(), error)),
            },
        }
    }
}

fn is_held(job: &Job, holder: &str) -> bool {
    job.state == State::Running && job.holder.as_deref() == Some(holder)
}

fn decode(item: Item, attempt: impl Fn() -> String) -> Result<Job, CallError> {
    serde_dynamo::from_item(item).map_err(|e| CallError::nonsense(attempt(), e))
}
