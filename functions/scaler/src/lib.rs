//! λ scaler: every minute, the fleet is sized and the mails that are due are sent ([`app::every_minute`]).

use app::every_minute::EveryMinute;
use clock::Clock;
use domain::settings::Settings;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use telemetry::logging;

/// Runs the function until Lambda ends it. A wrong deployment is an init error in Lambda's log.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::of_process();
    logging::json(&settings)?;
    let every_minute = &EveryMinute::new(&aws::clients().await, &settings, Clock::system())?;
    every_minute.warm().await;
    // The schedule's event holds nothing that is not looked up, so a repeated or late one is as good as any.
    lambda_runtime::run(service_fn(move |_: LambdaEvent<Value>| async move {
        let scaled = every_minute.run().await;
        scaled.map_err(|error| telemetry::failed_invocation(&error))
    }))
    .await
}
