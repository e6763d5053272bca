//! λ scaler: every minute, the fleet is looked at: as many pooled workers are launched as the backlog needs, and the
//! places of tasks that are no more are freed.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tidemill_core::{
    adapter::{
        self,
        scaling::{Scaling, Trigger},
    },
    clock::Clock,
    logging,
    settings::Settings,
};

/// Runs the function until Lambda ends it. The schedule's event says nothing that is not looked up
/// here, so a repeated or late one is as good as any. A wrong deployment is told to Lambda as an init error.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run() -> Result<(), lambda_runtime::Error> {
    logging::json();
    let scaling = Scaling::new(&adapter::sdk_config().await, &Settings::of_process())?;
    let (scaling, clock) = (&scaling, Clock::system());
    lambda_runtime::run(service_fn(move |_: LambdaEvent<Value>| async move {
        Ok::<_, lambda_runtime::Error>(scaling.run(Trigger::Tick, clock.now()).await?)
    }))
    .await
}
