//! λ schedule: every hour, the sweep and the schedules that are due are launched; by hand, one of them ([`app::run_schedule`]).

use app::run_schedule::{Answer, Event, RunSchedule, TickError};
use clock::Clock;
use domain::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use telemetry::logging;

/// Reads the event, and launches what it asks for. `request` is the invocation's id, which Lambda's own retries keep.
///
/// # Errors
/// [`TickError`]
pub async fn handle(run_schedule: &RunSchedule, event: Value, request: &str) -> Result<Answer, TickError> {
    run_schedule.run(Event::read(event)?, request).await
}

/// Runs the function until Lambda ends it. A wrong deployment is an init error in Lambda's log.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let run_schedule = &RunSchedule::new(&aws::clients().await, &settings, Clock::system())?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let launched = handle(run_schedule, event.payload, &event.context.request_id).await;
        launched.map_err(|error| telemetry::failed_invocation(&error))
    }))
    .await
}
