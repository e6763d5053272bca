//! λ stops: a stopped task becomes a verdict, and the verdict a retry or a failure that people are told of
//! ([`app::finish_attempt`]).

pub use app::finish_attempt::Stops;
use aws_lambda_events::sqs::SqsEvent;
use clock::Clock;
use domain::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use telemetry::logging;

/// Runs the function until Lambda ends it. A wrong deployment is told to Lambda as an init error.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let stops = Stops::new(&aws::clients().await, &settings, Clock::system())?;
    stops.warm().await;
    let stops = &stops;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, std::convert::Infallible>(stops.handle(&event.payload).await)
    }))
    .await
}
