//! λ backlog: the moment the backlog alarm says that jobs wait, the fleet is sized as λ scaler does every minute
//! ([`app::scale`]). It keeps jobs moving when the schedule fails.

use app::scale::{Scaling, Trigger};
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
    let scaling = &Scaling::new(&aws::clients().await, &settings)?;
    let clock = &Clock::system();
    scaling.warm().await;
    // The alarm's event holds nothing that is not looked up, so a repeated or late one is as good as any.
    lambda_runtime::run(service_fn(move |_: LambdaEvent<Value>| async move {
        let scaled = scaling.run(Trigger::Tick, clock.now()).await;
        scaled.map_err(|error| telemetry::failed_invocation(&error))
    }))
    .await
}
