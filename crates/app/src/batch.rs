//! What every function that reads an SQS queue does with a batch.

#[cfg(feature = "functions")]
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures::future::join_all;
use tracing::{error, info};

/// A message of a queue, as an event brings it.
#[derive(Debug, Clone, Copy)]
pub struct QueueMessage<'m> {
    /// SQS's id of it.
    pub id: &'m str,
    /// What it says.
    pub body: &'m str,
}

/// The messages of Lambda's event. Every field of it may be missing; a message without an id cannot be reported as failed.
#[cfg(feature = "functions")]
pub fn messages(event: &SqsEvent) -> impl Iterator<Item = QueueMessage<'_>> {
    event.records.iter().map(|message| QueueMessage {
        id: message.message_id.as_deref().unwrap_or_default(),
        body: message.body.as_deref().unwrap_or_default(),
    })
}

/// The function's answer that has the queue show these messages again, and delete all others of the batch.
#[cfg(feature = "functions")]
#[must_use]
pub fn failures(ids: Vec<String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    ids.into_iter().for_each(|id| response.add_failure(id));
    response
}

/// Hands each message's body to `process`, all at once, and returns the ids of the failed, so that each message fails
/// alone, and what became of the others. The queue deletes those that succeeded and shows the failed again after its
/// visibility timeout, until they are moved to the dead-letter queue by its `maxReceiveCount`.
pub async fn each_message<'m, T, E, F>(
    messages: impl IntoIterator<Item = QueueMessage<'m>>,
    process: impl Fn(&'m str) -> F,
) -> (Vec<String>, Vec<T>)
where
    T: std::fmt::Debug,
    E: std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let answers = messages.into_iter().map(|message| {
        let processed = process(message.body);
        async move { (message.id, processed.await) }
    });
    let (mut failed, mut outcomes) = (Vec::new(), Vec::new());
    for (id, result) in join_all(answers).await {
        match result {
            Ok(outcome) => {
                info!(message.id = id, outcome = ?outcome, "message processed");
                outcomes.push(outcome);
            }
            Err(error) => {
                error!(message.id = id, error = telemetry::causes(&error), "message goes back to its queue");
                failed.push(id.to_owned());
            }
        }
    }
    (failed, outcomes)
}
