//! `tidemill check --deployed`: reads what is deployed, for [`domain::deployed`] to compare with the pipelines file.

use std::collections::BTreeMap;

use aws::tables::TableError;
use domain::{
    deployed::{Bucket, Deployed},
    pipelines::Pipelines,
};

use super::deployment::Deployment;

/// What is wrong with the deployment for these pipelines. What this caller may not read is among it.
///
/// # Errors
/// When the stack is not Tidemill's.
pub(super) async fn problems(deployment: &Deployment, pipelines: &Pipelines) -> anyhow::Result<Vec<String>> {
    let mut tables = BTreeMap::new();
    let destinations = pipelines.iter().filter_map(|pipeline| pipeline.destination.as_ref());
    for table in destinations.map(|destination| &destination.table) {
        if tables.contains_key(table) {
            continue;
        }
        let keys = match deployment.tables.open(table).await {
            Ok(open) => Ok(open.schema),
            // Not the worker, as in a job's error: this command may not.
            Err(TableError::Denied(_, source)) => Err(telemetry::causes(&source)),
            Err(error) => Err(telemetry::causes(&error)),
        };
        tables.insert(table.clone(), keys);
    }
    let mut buckets = Vec::new();
    for place in deployment.watched()?.places() {
        let objects = &deployment.objects;
        buckets.push(Bucket {
            sends_events: objects.sends_events(&place.bucket).await.map_err(|e| telemetry::causes(&e)),
            keeps_versions: objects.keeps_versions(&place.bucket).await.map_err(|e| telemetry::causes(&e)),
            place: place.clone(),
        });
    }
    let topic = deployment.output("MailTopic")?.to_owned();
    let deployed = Deployed {
        stack: deployment.stack_name().to_owned(),
        arn: deployment.output("ScheduleFunction")?.to_owned(),
        table_arns: deployment.parameter("TableArns").to_owned(),
        tables,
        buckets,
        subscriptions: deployment.subscriptions(&topic).await.map_err(|e| telemetry::causes(&e)),
        topic,
    };
    Ok(deployed.problems(pipelines))
}
