//! The ledger: the DynamoDB table of jobs, the only truth about what happened.
//!
//! Every change is one conditional write whose condition comes from [`crate::job::next`], so two writers can
//! never both win, and a repeat of a write that was already made is refused and told apart by reading.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};
use jiff::Timestamp;

use super::{CallError, SdkConfig};
use crate::job::{Attempt, Change, Job, JobId, Reason, State, allowed_from};

/// A DynamoDB item, as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The table of jobs.
#[derive(Debug, Clone)]
pub struct Ledger {
    client: Client,
    table: String,
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

    /// Notes the task that was launched for this attempt. No change when the attempt is past or settled.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn launched(&self, id: &JobId, attempt: u32, task: &str) -> Result<Changed, CallError> {
        let change = Write::new("SET task = :task", "attempt = :attempt AND #state IN (:waiting, :running)")
            .value(":task", text(task))
            .value(":attempt", number(attempt))
            .value(":waiting", text("waiting"))
            .value(":running", text("running"));
        self.update(id, "note the task of", change).await
    }

    /// Takes the job for this attempt: raises its fence and leases it to `holder`. Also takes over a running job
    /// whose lease has run out. A repeat by the same holder, as the SDK makes when the answer was lost, is told
    /// that the job is its own.
    ///
    /// # Errors
    /// [`CallError`]: the claim may have been taken.
    pub async fn claim(
        &self,
        id: &JobId,
        attempt: u32,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET #state = :to, fence = fence + :one, holder = :holder, lease_until = :until, records = :zero, \
             rejected = :zero, claimed_at = if_not_exists(claimed_at, :now) REMOVE reason",
            "attempt = :attempt AND (attribute_not_exists(lease_until) OR lease_until < :now)",
        )
        .moving(Change::Claim)
        .value(":one", number(1))
        .value(":zero", number(0))
        .value(":now", time(now))
        .value(":until", time(now + lease))
        .value(":holder", text(holder))
        .value(":attempt", number(attempt));
        let changed = self.update(id, "claim", change).await?;
        Ok(match changed {
            Changed::No(Some(job)) if is_held(&job, holder) => Changed::Yes(job),
            changed => changed,
        })
    }

    /// Renews the claim with this fence and notes the progress. Refused: the claim is lost.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn renew(
        &self,
        id: &JobId,
        fence: u64,
        until: Timestamp,
        records: u64,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET lease_until = :until, records = :records",
            "fence = :fence AND #state = :running",
        )
        .value(":until", time(until))
        .value(":records", number(records))
        .value(":fence", number(fence))
        .value(":running", text("running"));
        self.update(id, "renew the claim of", change).await
    }

    /// The holder of the claim leaves the job: failed, superseded, gone, or returned to be tried again. A
    /// returned job stays at its attempt; λ stops, who learns why the task stopped, raises it.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn leave(
        &self,
        id: &JobId,
        fence: u64,
        change: Change,
        reason: &Reason,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let settled = match change {
            // Only the object itself can be at fault here: that uses up an attempt.
            Change::Fail => ", settled_at = :now, charged = charged + :one",
            change if change.leads_to().is_settled() => ", settled_at = :now",
            _ => "",
        };
        let format = if progress.format.is_some() { ", #format = :format" } else { "" };
        let mut write = Write::new(
            &format!(
                "SET #state = :to, reason = :reason, records = :records, rejected = :rejected{settled}{format} \
                 REMOVE lease_until"
            ),
            "fence = :fence",
        )
        .moving(change)
        .value(":reason", reason_value(reason))
        .value(":records", number(progress.records))
        .value(":rejected", number(progress.rejected))
        .value(":fence", number(fence));
        if !settled.is_empty() {
            write = write.value(":now", time(now));
        }
        if change == Change::Fail {
            write = write.value(":one", number(1));
        }
        if let Some(format) = &progress.format {
            write = write.name("#format", "format").value(":format", text(format));
        }
        self.update(id, "leave", write).await
    }

    /// After the stop of `ended`'s task: the job waits for its next attempt. `charge` is 1 when the failure was
    /// the job's own. A repeat finds the attempt raised and is refused.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn retry(&self, id: &JobId, ended: &Attempt, charge: u32) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET #state = :to, attempt = attempt + :one, charged = charged + :charge, reason = :reason, \
             #history = list_append(#history, :ended) REMOVE lease_until, task",
            "attempt = :attempt",
        )
        .moving(Change::Return)
        .ending(ended)?
        .value(":one", number(1))
        .value(":charge", number(charge));
        self.update(id, "retry", change).await
    }

    /// After the stop of `ended`'s task: the job has failed for good.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn give_up(
        &self,
        id: &JobId,
        ended: &Attempt,
        charge: u32,
        now: Timestamp,
    ) -> Result<Changed, CallError> {
        let change = Write::new(
            "SET #state = :to, charged = charged + :charge, reason = :reason, settled_at = :now, \
             #history = list_append(#history, :ended) REMOVE lease_until",
            "attempt = :attempt",
        )
        .moving(Change::Fail)
        .ending(ended)?
        .value(":charge", number(charge))
        .value(":now", time(now));
        self.update(id, "give up", change).await
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
                Write::new(update, condition).name("#history", "history").value(":ended", attempts(ended)?)
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
             write_units = :units, settled_at = :now REMOVE lease_until, reason",
            "fence = :fence",
        )
        .moving(Change::Publish)
        .name("#format", "format")
        .value(":records", number(progress.records))
        .value(":rejected", number(progress.rejected))
        .value(":format", text(progress.format.as_deref().unwrap_or("unknown")))
        .value(":units", number(write_units))
        .value(":now", time(now))
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
                Ok(Changed::Yes(Box::new(decode(item, attempt)?)))
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

/// One conditional update being written.
struct Write {
    update: String,
    condition: String,
    names: HashMap<String, String>,
    values: Item,
}

impl Write {
    fn new(update: &str, condition: &str) -> Self {
        let write = Self {
            update: update.to_owned(),
            condition: condition.to_owned(),
            names: HashMap::new(),
            values: HashMap::new(),
        };
        // `state` is a reserved word of DynamoDB's expressions.
        let uses_state = write.update.contains("#state") || write.condition.contains("#state");
        if uses_state { write.name("#state", "state") } else { write }
    }

    /// Only from the states where `change` is legal; `:to` is the state it leads to.
    fn moving(mut self, change: Change) -> Self {
        let mut from = Vec::new();
        for state in allowed_from(change) {
            let name = format!(":from_{}", state.as_str());
            self.values.insert(name.clone(), text(state.as_str()));
            from.push(name);
        }
        self.condition = format!("#state IN ({}) AND ({})", from.join(", "), self.condition);
        self.name("#state", "state").value(":to", text(change.leads_to().as_str()))
    }

    /// The values of an attempt that has ended: only while it is the job's present attempt.
    fn ending(self, ended: &Attempt) -> Result<Self, CallError> {
        Ok(self
            .name("#history", "history")
            .value(":ended", attempts(ended)?)
            .value(":reason", reason_value(&ended.verdict))
            .value(":attempt", number(ended.number)))
    }

    fn name(mut self, placeholder: &str, attribute: &str) -> Self {
        self.names.insert(placeholder.to_owned(), attribute.to_owned());
        self
    }

    fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }
}

fn decode(item: Item, attempt: impl Fn() -> String) -> Result<Job, CallError> {
    serde_dynamo::from_item(item).map_err(|e| CallError::nonsense(attempt(), e))
}

/// A list of one attempt, to be appended to the history.
fn attempts(ended: &Attempt) -> Result<AttributeValue, CallError> {
    let attempt = || format!("note attempt {}", ended.number);
    let item = serde_dynamo::to_item(ended).map_err(|e| CallError::nonsense(attempt(), e))?;
    Ok(AttributeValue::L(vec![AttributeValue::M(item)]))
}

pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Microseconds, always six digits: conditions compare times as text.
fn time(at: Timestamp) -> AttributeValue {
    text(format!("{at:.6}"))
}

fn reason_value(reason: &Reason) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("code".to_owned(), text(&reason.code)),
        ("message".to_owned(), text(&reason.message)),
    ]))
}
