//! Buckets and tables.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    DeployError, Deployment,
    properties::{Flag, read},
};
use crate::{s3::BucketSettings, template::Resource};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Bucket {
    versioning_configuration: Option<Versioning>,
    notification_configuration: Option<Notification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Versioning {
    status: String,
}

/// Notifications to queues, topics and functions directly are not among these: only EventBridge is.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Notification {
    event_bridge_configuration: Option<ToEventBridge>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ToEventBridge {
    /// On where nothing is said, as CloudFormation has it.
    #[serde(default = "on")]
    event_bridge_enabled: Flag,
}

fn on() -> Flag {
    Flag(true)
}

/// Who may read it, how it is encrypted and when it is tidied up mean nothing on one machine.
const BUCKET_PASSED_OVER: [&str; 8] = [
    "BucketEncryption",
    "BucketName",
    "CorsConfiguration",
    "LifecycleConfiguration",
    "LoggingConfiguration",
    "OwnershipControls",
    "PublicAccessBlockConfiguration",
    "Tags",
];

impl Deployment<'_> {
    pub(super) fn bucket(&self, resource: &Resource) -> Result<(), DeployError> {
        let bucket: Bucket = read(resource, &BUCKET_PASSED_OVER)?;
        let bridge = bucket.notification_configuration.and_then(|it| it.event_bridge_configuration);
        let settings = BucketSettings {
            name: resource.name.clone(),
            versioned: bucket.versioning_configuration.is_some_and(|it| it.status == "Enabled"),
            eventbridge: bridge.is_some_and(|it| it.event_bridge_enabled.0),
        };
        self.services
            .s3
            .create_bucket(settings)
            .map_err(|source| DeployError::Bucket { resource: resource.logical_id.clone(), source })
    }

    /// The template's properties are `CreateTable`'s, but for those of other operations.
    pub(super) async fn table(&self, resource: &Resource) -> Result<(), DeployError> {
        let passed_over = [
            "ContributorInsightsSpecification",
            "DeletionProtectionEnabled",
            "PointInTimeRecoverySpecification",
            "SSESpecification",
            "Tags",
            "TimeToLiveSpecification",
        ];
        let mut input: Map<String, Value> = read(resource, &passed_over)?;
        input.insert("TableName".to_owned(), resource.name.as_str().into());
        let refused = |refusal| self.refused(resource, refusal);
        self.services.dynamodb.create_table(input.into()).await.map_err(refused)?;
        if let Some(expiry) = resource.properties.get("TimeToLiveSpecification") {
            let request = serde_json::json!({ "TableName": resource.name, "TimeToLiveSpecification": { "AttributeName":
                    expiry["AttributeName"], "Enabled": expiry["Enabled"] } });
            let owner = crate::wire::Caller::owner();
            self.services.dynamodb.call("UpdateTimeToLive", request, &owner).await.map_err(refused)?;
        }
        Ok(())
    }
}
