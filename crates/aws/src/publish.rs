//! The transaction that makes an object's records visible.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::{
    CallError,
    attributes::{Item, text},
    ledger::Ledger,
    records::Records,
};
use domain::{
    job::{Job, JobId, Progress, State, digest},
    manifest::{self, Manifest},
    publish::{Obstacle, obstacle},
    retry::PUBLISH_OVERTAKEN_ATTEMPTS,
};

/// What became of a publish.
#[derive(Debug)]
pub enum Published {
    /// Every record is visible and the job is done.
    Done,
    /// The version may not become visible; nothing was changed.
    Refused(Obstacle),
    /// The claim was lost; nothing was changed.
    ClaimLost,
    /// What was visible is not any more ([`IfVisible::Still`]); nothing was changed.
    Moved,
}

/// What has to be visible at the moment of a publish.
#[derive(Debug, Clone, Copy)]
pub enum IfVisible<'a> {
    /// Anything that the version may take the place of.
    Any,
    /// Still the records of this job, or none of any job.
    Still(Option<&'a JobId>),
}

impl Records {
    /// Makes the rows of `job` visible, the job done, and the job whose rows were visible until now replaced: all or
    /// none. Checks the fence, what is visible, and that nothing is in the way ([`obstacle`]). Durable on return. The client token
    /// makes a repeat within ten minutes the same transaction; after that the ledger shows that it was made.
    ///
    /// # Errors
    /// [`CallError`]: it may have been made; repeat, or read the job.
    pub async fn publish(
        &self,
        ledger: &Ledger,
        job: &Job,
        manifest: &Manifest,
        progress: &Progress,
        write_units: u64,
        if_visible: IfVisible<'_>,
    ) -> Result<Published, CallError> {
        let attempt = || format!("publish job {} of {}", job.id, job.object);
        let mut in_ledger = true;
        for _ in 0..PUBLISH_OVERTAKEN_ATTEMPTS {
            let visible = self.manifest(&job.object.bucket, &job.object.key).await?;
            if let Some(obstacle) = obstacle(visible.as_ref(), manifest) {
                return Ok(Published::Refused(obstacle));
            }
            let now = visible.as_ref().map(|visible| &visible.job);
            // A publish may be a repeat of itself.
            if let IfVisible::Still(before) = if_visible
                && now != before
                && now != Some(&job.id)
            {
                return Ok(Published::Moved);
            }
            let replaced = visible.as_ref().filter(|_| in_ledger).and_then(|visible| {
                let by_deletion = visible.deleted.is_some();
                Some((visible.replaceable_job().filter(|replaced| **replaced != job.id)?, by_deletion))
            });
            let done = ledger.done(job, progress, write_units, manifest.published_at)?;
            let next = manifest.clone().in_place_of(visible.as_ref());
            let flip = self.flip(&next, visible.as_ref())?;
            let mut items = vec![
                TransactWriteItem::builder().update(done).build(),
                TransactWriteItem::builder().put(flip).build(),
            ];
            if let Some((replaced, by_deletion)) = replaced {
                let replaced = ledger.replaced(replaced, by_deletion, manifest.published_at)?;
                items.push(TransactWriteItem::builder().update(replaced).build());
            }
            // DynamoDB refuses a token that it has seen with other items.
            let before = visible.as_ref().map_or("", |visible| visible.job.as_str());
            let token =
                digest([&*job.id.publish_token(job.fence), before, if in_ledger { "" } else { "untold" }]);
            let call = self.client().transact_write_items().client_request_token(token);
            match call.set_transact_items(Some(items)).send().await {
                Ok(_) => return Ok(Published::Done),
                Err(error) => match refused(attempt(), error)? {
                    Refused::Done => {
                        let now = ledger.read(&job.id).await?;
                        // The transaction was made before and its token has expired since.
                        let ours =
                            now.is_some_and(|now| now.state() == State::Done && now.fence == job.fence);
                        return Ok(if ours { Published::Done } else { Published::ClaimLost });
                    }
                    // Another version was faster: see which.
                    Refused::Flip => {}
                    // It was noted when the object was deleted, or somebody has deleted the old version's job from the
                    // ledger: there is nothing to note.
                    Refused::Replaced => in_ledger = false,
                },
            }
        }
        Err(CallError::retries_exhausted(
            attempt(),
            "other versions of the key keep being published in between",
        ))
    }

    /// Makes the records of a deleted object invisible, in one write, if the manifest is still `before`. Durable on return;
    /// `false` if it is not: read it again. A repeat finds this deletion there.
    ///
    /// # Errors
    /// [`CallError`]: it may have been written; repeat.
    pub async fn hide(&self, before: Option<&Manifest>, deleted: &Manifest) -> Result<bool, CallError> {
        let attempt = || format!("write {}", deleted.part);
        let flip = self.flip(deleted, before)?;
        let put = self.client().put_item().table_name(flip.table_name).set_item(Some(flip.item));
        let answer = put
            .set_condition_expression(flip.condition_expression)
            .set_expression_attribute_names(flip.expression_attribute_names)
            .set_expression_attribute_values(flip.expression_attribute_values)
            .send()
            .await;
        let Err(error) = answer else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(CallError::of(attempt(), error)),
        }
    }

    /// The write of the manifest, if it is still as it was read.
    fn flip(&self, manifest: &Manifest, visible: Option<&Manifest>) -> Result<Put, CallError> {
        let attempt = || format!("write {}", manifest.part);
        let item: Item =
            serde_dynamo::to_item(manifest).map_err(|e| CallError::malformed_response(attempt(), e))?;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None);
        let put = match visible {
            None => put
                .condition_expression("attribute_not_exists(#part)")
                .expression_attribute_names("#part", manifest::PART),
            // By the job alone: its sequencer was compared above, and no two jobs' manifests are alike.
            Some(visible) => put
                .condition_expression("#job = :before")
                .expression_attribute_names("#job", "job")
                .expression_attribute_values(":before", text(&visible.job)),
        };
        put.build().map_err(|e| CallError::malformed_response(attempt(), e))
    }
}

/// Which write's condition refused the transaction.
enum Refused {
    Done,
    Flip,
    Replaced,
}

type PublishError = SdkError<TransactWriteItemsError, HttpResponse>;

fn refused(attempt: String, error: PublishError) -> Result<Refused, CallError> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return Err(CallError::of(attempt, error));
    };
    let reasons = cancelled.cancellation_reasons();
    let refused = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    match reasons.iter().position(refused) {
        Some(0) => Ok(Refused::Done),
        Some(1) => Ok(Refused::Flip),
        Some(_) => Ok(Refused::Replaced),
        // TransactionConflict, ThrottlingError, ProvisionedThroughputExceeded: nothing was changed.
        None => {
            let words = reasons.iter().filter_map(CancellationReason::code).collect::<Vec<_>>().join(", ");
            Err(CallError::retries_exhausted(attempt, format!("transaction cancelled: {words}")))
        }
    }
}
