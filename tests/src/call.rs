//! What the domain does, as the calls that do it: the one place in the tests that knows how each verb looks on the wire.
//!
//! ```text
//! env.on(call::claim().meets(Call::LoseAnswer).first(3));
//! ```

use std::sync::Arc;

use domain::{
    alerts::AlertState,
    document::{document_id, keyed_document_id},
    drift::KnownColumns,
    job::JobId,
};
use localcloud::{
    faults::{Call, Rule},
    wire::Caller,
};
use serde_json::{Value, json};

use crate::TestEnv;

type Matches = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// The calls that carry out one verb of the domain.
#[derive(Clone)]
pub struct Verb {
    service: &'static str,
    operation: &'static str,
    matches: Matches,
}

impl std::fmt::Debug for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verb").field("service", &self.service).field("operation", &self.operation).finish()
    }
}

impl Verb {
    fn any(service: &'static str, operation: &'static str) -> Self {
        Self::that(service, operation, |_| true)
    }

    fn that(
        service: &'static str,
        operation: &'static str,
        matches: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { service, operation, matches: Arc::new(matches) }
    }

    /// Of these calls only those whose input satisfies this too.
    #[must_use]
    pub fn only(self, also: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        let Self { service, operation, matches } = self;
        Self::that(service, operation, move |input| matches(input) && also(input))
    }

    /// A rule by which these calls meet this fault: every one of them, unless the rule is narrowed.
    #[must_use]
    pub fn meets(self, fault: Call) -> Rule {
        let Self { service, operation, matches } = self;
        Rule::new(service, operation, fault).when(move |input| matches(input))
    }

    /// A rule that runs `act` at each of these calls, before it is carried out, and lets the call be.
    #[must_use]
    pub fn runs(self, act: impl Fn() + Send + Sync + 'static) -> Rule {
        let Self { service, operation, matches } = self;
        // The fault is never met: the predicate is always false.
        Rule::new(service, operation, Call::Throttle).when(move |input| {
            if matches(input) {
                act();
            }
            false
        })
    }
}

/// A value of an update's or a condition's.
fn value<'v>(input: &'v Value, name: &str) -> &'v Value {
    &input["ExpressionAttributeValues"][name]
}

/// An update of an item whose expression satisfies this.
fn update(matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Verb {
    Verb::that("dynamodb", "UpdateItem", move |input| {
        input["UpdateExpression"].as_str().is_some_and(&matches)
    })
}

/// A message whose body holds this text.
fn message(part: &'static str) -> Verb {
    Verb::that("sqs", "SendMessage", move |input| {
        input["MessageBody"].as_str().is_some_and(|body| body.contains(part))
    })
}

/// Recording the job of the object with this key.
#[must_use]
pub fn record_job(key: &'static str) -> Verb {
    Verb::that("dynamodb", "PutItem", move |input| input["Item"]["object"]["M"]["key"]["S"] == key)
}

/// Deleting an item of a table of the user's own.
#[must_use]
pub fn delete_item(table: &'static str) -> Verb {
    Verb::that("dynamodb", "DeleteItem", move |input| input["TableName"] == table)
}

/// Launching tasks, for a job or for the fleet.
#[must_use]
pub fn launch_task() -> Verb {
    Verb::any("ecs", "RunTask")
}

/// Launching a pooled worker.
#[must_use]
pub fn launch_pooled_worker() -> Verb {
    Verb::that("ecs", "RunTask", |input| {
        input["startedBy"].as_str().is_some_and(|started_by| started_by.starts_with("drain"))
    })
}

/// Claiming a job.
#[must_use]
pub fn claim() -> Verb {
    Verb::that("dynamodb", "UpdateItem", |input| !value(input, ":holder").is_null())
}

/// Claiming this attempt of a job.
#[must_use]
pub fn claim_attempt(number: u32) -> Verb {
    Verb::that("dynamodb", "UpdateItem", move |input| {
        !value(input, ":holder").is_null()
            && value(input, ":attempt")["N"].as_str() == Some(&number.to_string())
    })
}

/// Renewing the lease of a claimed job.
#[must_use]
pub fn renew_lease() -> Verb {
    update(|expression| expression.starts_with("SET lease_until"))
}

/// Reading an object.
#[must_use]
pub fn read_object() -> Verb {
    Verb::any("s3", "GetObject")
}

/// Reading the object with this key.
#[must_use]
pub fn read_object_at(key: &'static str) -> Verb {
    Verb::that("s3", "GetObject", move |input| input["Key"] == key)
}

/// Writing rows, many at once.
#[must_use]
pub fn write_rows() -> Verb {
    Verb::any("dynamodb", "BatchWriteItem")
}

/// Writing one record under a key of its own, into this table.
#[must_use]
pub fn write_record(table: &str) -> Verb {
    let table = table.to_owned();
    Verb::that("dynamodb", "PutItem", move |input| input["TableName"] == *table)
}

/// Remembering the columns of a pipeline's objects.
#[must_use]
pub fn remember_columns() -> Verb {
    Verb::that("dynamodb", "PutItem", |input| {
        let prefix = keyed_document_id::<KnownColumns>("");
        input["Item"]["id"]["S"].as_str().is_some_and(|id| id.starts_with(&prefix))
    })
}

/// Publishing a version's records and marking its job done.
#[must_use]
pub fn publish() -> Verb {
    Verb::any("dynamodb", "TransactWriteItems")
}

/// Requeuing a job: the ledger has it waiting again.
#[must_use]
pub fn requeue() -> Verb {
    Verb::that("dynamodb", "UpdateItem", |input| value(input, ":to")["S"] == "waiting")
}

/// Writing the end of an attempt down, whatever follows it.
#[must_use]
pub fn end_attempt() -> Verb {
    Verb::that("dynamodb", "UpdateItem", |input| !value(input, ":ended").is_null())
}

/// Marking a job failed.
#[must_use]
pub fn fail_job() -> Verb {
    Verb::that("dynamodb", "UpdateItem", |input| value(input, ":to")["S"] == "failed")
}

/// Sending the message of this attempt of a job.
#[must_use]
pub fn send_attempt(number: u32) -> Verb {
    let part = format!("\"attempt\":{number}");
    Verb::that("sqs", "SendMessage", move |input| {
        input["MessageBody"].as_str().is_some_and(|body| body.contains(&part))
    })
}

/// Sending the message by which λ stops mails a failure.
#[must_use]
pub fn send_failure() -> Verb {
    message("\"failed\"")
}

/// Sending the message by which λ uploads processes an object.
#[must_use]
pub fn send_object() -> Verb {
    message("bucket")
}

/// Sending a mail.
#[must_use]
pub fn send_mail() -> Verb {
    Verb::any("sns", "Publish")
}

/// Noting in the ledger that the mail of a failure was sent.
#[must_use]
pub fn mark_notified() -> Verb {
    update(|expression| expression.contains("notified_at"))
}

/// Noting in the ledger that the records of a job went with their object.
#[must_use]
pub fn note_deletion() -> Verb {
    update(|expression| expression.contains("object_deleted"))
}

/// Saving what the alerts count.
#[must_use]
pub fn save_alerts() -> Verb {
    Verb::that("dynamodb", "PutItem", |input| input["Item"]["id"]["S"] == *document_id::<AlertState>())
}

/// Saving that the first grouped mail of an alert was sent.
#[must_use]
pub fn save_first_grouped_mail() -> Verb {
    Verb::that("dynamodb", "PutItem", |input| {
        let item = &input["Item"];
        item["id"]["S"] == *document_id::<AlertState>()
            && item["groups"]["L"][0]["M"]["burst"]["M"]["mails"]["N"] == "1"
    })
}

/// A pooled worker's heartbeat.
#[must_use]
pub fn heartbeat() -> Verb {
    Verb::that("dynamodb", "UpdateItem", |input| value(input, ":phase")["S"] == "polling")
}

/// A pooled worker's last heartbeat: it leaves the fleet.
#[must_use]
pub fn leave_fleet() -> Verb {
    Verb::that("dynamodb", "UpdateItem", |input| value(input, ":phase")["S"] == "leaving")
}

/// Writing the summary of this hour, such as `00`.
#[must_use]
pub fn write_summary(hour: &str) -> Verb {
    let name = format!("{hour}.json\"");
    Verb::that("s3", "PutObject", move |input| input.to_string().contains(&name))
}

impl TestEnv {
    /// Raises a job's fence as another worker's claim would, so that its present holder loses it.
    ///
    /// # Panics
    /// When the ledger has no such job.
    pub async fn raise_fence(&self, id: &JobId) {
        let input = json!({
            "TableName": self.cloud().outputs()["LedgerTable"],
            "Key": { "job": { "S": id.as_str() } },
            "UpdateExpression": "SET fence = fence + :one",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
        });
        let raised = self.cloud().services().dynamodb.call("UpdateItem", input, &Caller::owner()).await;
        raised.expect("a job with a fence");
    }
}
