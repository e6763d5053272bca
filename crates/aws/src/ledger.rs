//! The ledger: the DynamoDB table of jobs, the only truth about what happened.
//!
//! Every change is one conditional write whose condition comes from [`domain::job::next`], so two writers can
//! never both win, and a repeat of a write that was already made is refused, and recognised by reading.

mod audit;
mod browse;
mod by_status;
mod claim;
mod end;
mod job_item;
mod leave;
mod notify;
mod over;
mod replay;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    CallError, Clients,
    attributes::{Item, text},
    batch_get::batch_get,
};
use domain::{
    job::{Job, JobId},
    text::count,
};
use telemetry::metrics;

pub use by_status::{IndexEntry, StatusPage};
pub use claim::{Claim, Expired};
pub use job_item::{JobItem, UnreadableJob};
pub use leave::Leaving;
pub use over::Over;

use write::Write;

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
    Existing(Box<Job>),
}

/// What became of a change.
#[derive(Debug)]
pub enum Changed {
    /// It is made. The job as it stands now.
    Applied(Box<Job>),
    /// The job is not where this change is legal, or somebody else holds it. As it stands, if it is there at all.
    Rejected(Option<Box<Job>>),
}

impl Ledger {
    /// The ledger in this table.
    #[must_use]
    pub fn new(clients: &Clients, table: &str) -> Self {
        Self { client: clients.dynamodb().clone(), table: table.to_owned() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Records a new job. Durable on return; a repeat finds it [`Recorded::Existing`] and changes nothing, which is
    /// what makes a duplicate event harmless.
    ///
    /// # Errors
    /// [`CallError`]: the job may or may not be recorded; repeat.
    pub async fn record(&self, job: &Job) -> Result<Recorded, CallError> {
        let attempt = || format!("record job {} for {}", job.id, job.object);
        let item: Item = serde_dynamo::to_item(JobItem::from(job))
            .map_err(|e| CallError::malformed_response(attempt(), e))?;
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
                Some(item) => Ok(Recorded::Existing(Box::new(decode(item.clone(), attempt)?))),
                None => {
                    Err(CallError::retries_exhausted(attempt(), "refused, without the item that refused it"))
                }
            },
            _ => Err(CallError::of(attempt(), error)),
        }
    }

    /// Reads a job, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`], with an [`UnreadableJob`] as its cause where the item is not one of a job.
    pub async fn read(&self, id: &JobId) -> Result<Option<Job>, CallError> {
        let attempt = || format!("read job {id}");
        let get = self.client.get_item().table_name(&self.table).key("job", text(id));
        let answer = get.consistent_read(true).send().await.map_err(|e| CallError::of(attempt(), e))?;
        answer.item.map(|item| decode(item, attempt)).transpose()
    }

    /// Reads those of these jobs that are there, in no order, strongly consistent. One whose item cannot be read keeps no
    /// other from being read.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn read_all(&self, ids: &[JobId]) -> Result<Vec<Result<Job, UnreadableJob>>, CallError> {
        let attempt = || format!("read {}", count(ids.len(), "job"));
        let keys = ids.iter().map(|id| HashMap::from([("job".to_owned(), text(id))])).collect();
        let items = batch_get(&self.client, &self.table, keys, attempt).await?;
        Ok(items.into_iter().map(job_item::decode).collect())
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
                let item = made
                    .attributes
                    .ok_or_else(|| CallError::malformed_response(attempt(), "no item returned"))?;
                let job = decode(item, attempt)?;
                if write.change.is_some_and(|change| change.leads_to().is_settled()) {
                    metrics::settled(&job);
                }
                Ok(Changed::Applied(Box::new(job)))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    let found = refusal.item().map(|item| decode(item.clone(), attempt)).transpose()?;
                    Ok(Changed::Rejected(found.map(Box::new)))
                }
                _ => Err(CallError::of(attempt(), error)),
            },
        }
    }
}

fn decode(item: Item, attempt: impl Fn() -> String) -> Result<Job, CallError> {
    job_item::decode(item).map_err(|e| CallError::malformed_response(attempt(), e))
}
