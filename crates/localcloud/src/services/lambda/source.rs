//! Event source mappings: a queue's messages become a function's batches.
//!
//! A mapping takes messages only for an invocation that may start at once, so what waits, waits in the queue. A
//! batch that fails is left alone: its messages return when their visibility timeout passes, and go to the
//! dead-letter queue when they have been received too often.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};

use super::{invocation::request_id, refusal::invalid, service::Inner, sqs_event};
use crate::{
    services::{iam::RequiredAction, sqs::Received},
    wire::ApiError,
};

/// The most messages that one receive gives.
const PER_RECEIVE: usize = 10;

/// How long a mapping leaves a queue alone that has just refused a receive.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// A mapping's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource {
    /// The queue.
    pub queue_arn: String,
    /// The function, by name or ARN, or an alias of it.
    pub function: String,
    /// The most messages per invocation: 1 to 10,000; above 10 needs a window.
    pub batch_size: usize,
    /// How long to gather a batch: up to 5 min.
    pub window: Duration,
    /// The most invocations at once: 2 to 1,000.
    pub maximum_concurrency: usize,
    /// Whether the function reports which messages failed (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
}

impl EventSource {
    fn check(&self) -> Result<(), ApiError> {
        if !(1..=10_000).contains(&self.batch_size) {
            return Err(invalid("BatchSize must be between 1 and 10000."));
        }
        if self.window > Duration::from_secs(300) {
            return Err(invalid("MaximumBatchingWindowInSeconds must be between 0 and 300."));
        }
        if self.batch_size > PER_RECEIVE && self.window < Duration::from_secs(1) {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        if !(2..=1000).contains(&self.maximum_concurrency) {
            return Err(invalid("MaximumConcurrency must be between 2 and 1000."));
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn create_event_source(self: &Arc<Self>, source: EventSource) -> Result<(), ApiError> {
        source.check()?;
        let function = self.qualified(&source.function)?.name;
        self.sqs.counts(&source.queue_arn)?;
        self.may(&function, RequiredAction::new("sqs:GetQueueAttributes", source.queue_arn.as_str()))?;
        let inner = self.clone();
        self.sources.spawn(async move {
            let closing = inner.closing.clone();
            closing.run_until_cancelled(poll(inner, Arc::new(EventSource { function, ..source }))).await;
        });
        Ok(())
    }
}

/// Takes batches until the service drains or the queue is gone.
async fn poll(inner: Arc<Inner>, source: Arc<EventSource>) {
    let permits = Arc::new(Semaphore::new(source.maximum_concurrency));
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await.ok()?;
            match inner.sqs.available(&source.queue_arn).await {
                Ok(()) => Some(permit),
                Err(api_error) => {
                    tracing::error!(queue = %source.queue_arn, error = %api_error, "an event source has no queue");
                    None
                }
            }
        };
        // Nothing is held here yet: only at this point may the future be dropped.
        let Some(Some(permit)) = inner.draining.run_until_cancelled(next).await else { return };
        let messages = gather(&inner, &source).await;
        let (inner, source) = (inner.clone(), source.clone());
        let tracker = inner.sources.clone();
        tracker.spawn(async move {
            let _permit = permit;
            let closing = inner.closing.clone();
            let batches = async {
                // More than one only when the messages are too large together; then one after the other.
                for (batch, event) in sqs_event::events(&source.queue_arn, messages) {
                    handle(&inner, &source, batch, event).await;
                }
            };
            closing.run_until_cancelled(batches).await;
        });
    }
}

/// Receives until the batch is full or the window has passed.
async fn gather(inner: &Inner, source: &EventSource) -> Vec<Received> {
    let queue = &source.queue_arn;
    let until = Instant::now() + source.window;
    let mut messages = Vec::new();
    loop {
        let room = (source.batch_size - messages.len()).min(PER_RECEIVE);
        let receive = async {
            inner.may(&source.function, RequiredAction::new("sqs:ReceiveMessage", queue.as_str()))?;
            inner.sqs.receive(queue, room, Some(Duration::ZERO), None).await
        };
        match receive.await {
            Ok(received) => messages.extend(received),
            Err(api_error) => {
                tracing::warn!(queue = %queue, error = %api_error, "an event source cannot receive");
                if messages.is_empty() {
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
                return messages;
            }
        }
        // Without a window, a batch is what one receive gives.
        if messages.len() >= source.batch_size || source.window.is_zero() {
            return messages;
        }
        let waited =
            inner.draining.run_until_cancelled(tokio::time::timeout_at(until, inner.sqs.available(queue)));
        match waited.await {
            Some(Ok(Ok(()))) => {}
            // The window has passed, the queue is gone, or the service drains: what is held is handled.
            Some(Err(_) | Ok(Err(_))) | None => return messages,
        }
    }
}

/// Invokes the function with a batch and deletes what succeeded.
async fn handle(inner: &Arc<Inner>, source: &EventSource, batch: Vec<Received>, event: serde_json::Value) {
    let answer = inner.invoke(&source.function, event, &request_id()).await;
    if let Err(error) = &answer {
        tracing::warn!(function = %source.function, error = %error, messages = batch.len(), "a batch failed");
    }
    let ids: Vec<&str> = batch.iter().map(|message| message.message_id.as_str()).collect();
    for place in sqs_event::done(&ids, source.report_batch_item_failures, &answer) {
        // A message whose delete fails comes again, which every consumer of a queue has to bear.
        let may =
            inner.may(&source.function, RequiredAction::new("sqs:DeleteMessage", source.queue_arn.as_str()));
        let deleted = may.and_then(|()| inner.sqs.delete(&source.queue_arn, &batch[place].receipt));
        if let Err(api_error) = deleted {
            tracing::warn!(queue = %source.queue_arn, error = %api_error, "a message could not be deleted");
        }
    }
}
