//! λ uploads: objects that were created become jobs, and jobs that are due are launched ([`app::ingest`]).

use app::{batch, ingest::Ingest};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use clock::Clock;
use domain::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use telemetry::logging;

/// Hands the event's messages to the use case, and reports those that failed, which the queue shows again.
pub async fn handle(ingest: &Ingest, event: &SqsEvent) -> SqsBatchResponse {
    batch::failures(ingest.process_batch(batch::messages(event)).await)
}

/// Runs the function until Lambda ends it. A wrong deployment is an init error in Lambda's log.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let ingest = &Ingest::new(&aws::clients().await, &settings, Clock::system())?;
    ingest.warm().await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, std::convert::Infallible>(handle(ingest, &event.payload).await)
    }))
    .await
}
