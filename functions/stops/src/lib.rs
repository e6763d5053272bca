//! λ stops: a stopped task becomes a verdict, and the verdict a retry, or a failure that is mailed
//! ([`app::finish_attempt`]).

use app::{batch, finish_attempt::FinishAttempt};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use clock::Clock;
use domain::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use telemetry::logging;

/// Hands the event's messages to the use case, and reports those that failed, which the queue shows again.
pub async fn handle(finish_attempt: &FinishAttempt, event: &SqsEvent) -> SqsBatchResponse {
    batch::failures(finish_attempt.process_batch(batch::messages(event)).await)
}

/// Runs the function until Lambda ends it. A wrong deployment is an init error in Lambda's log.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let finish_attempt = &FinishAttempt::new(&aws::clients().await, &settings, Clock::system())?;
    finish_attempt.warm().await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, std::convert::Infallible>(handle(finish_attempt, &event.payload).await)
    }))
    .await
}
