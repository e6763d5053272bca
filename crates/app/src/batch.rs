//! What every function that reads an SQS queue does with a batch.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures::future::join_all;
use tracing::{error, info};

/// Hands each message's body to `process`, all at once, and reports only the failed, so that each message fails
/// alone: the queue deletes those that succeeded and shows the others again after its visibility timeout. Until
/// its `maxReceiveCount`; then they are in the dead-letter queue. Also returns what became of those that succeeded.
pub async fn each_message<'m, T, E, F>(
    event: &'m SqsEvent,
    process: impl Fn(&'m str) -> F,
) -> (SqsBatchResponse, Vec<T>)
where
    T: std::fmt::Debug,
    E: std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let answers = event.records.iter().map(|message| {
        let processed = process(message.body.as_deref().unwrap_or_default());
        async move { (message.message_id.clone().unwrap_or_default(), processed.await) }
    });
    let mut response = SqsBatchResponse::default();
    let mut outcomes = Vec::with_capacity(event.records.len());
    for (id, result) in join_all(answers).await {
        match result {
            Ok(outcome) => {
                info!(message.id = %id, outcome = ?outcome, "message processed");
                outcomes.push(outcome);
            }
            Err(error) => {
                let error = telemetry::causes(&error);
                error!(message.id = %id, error, "message goes back to its queue");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                response.batch_item_failures.push(failure);
            }
        }
    }
    (response, outcomes)
}
