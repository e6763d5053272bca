//! λ schedule: every hour, launches the sweep and the schedules that are due ([`app::run_schedule`]).

pub use app::run_schedule::Ticker;
use clock::Clock;
use domain::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use telemetry::logging;

/// Runs the function until Lambda ends it. A wrong deployment is told to Lambda as an init error.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let ticker = Ticker::new(&aws::clients().await, &settings, Clock::system())?;
    let ticker = &ticker;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let launched = ticker.handle(event.payload, &event.context.request_id).await;
        launched.map_err(|error| telemetry::failed_invocation(&error))
    }))
    .await
}
