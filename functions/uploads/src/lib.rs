//! λ uploads: objects that were created become jobs, and jobs that are due are launched ([`app::ingest`]).

pub use app::ingest::Uploads;
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
    let uploads = Uploads::new(&aws::clients().await, &settings, Clock::system())?;
    uploads.warm().await;
    let uploads = &uploads;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, std::convert::Infallible>(uploads.handle(&event.payload).await)
    }))
    .await
}
