//! Buckets and tables.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    DeployError, Deployment,
    properties::{Flag, read},
};
use crate::{
    s3::BucketSettings,
    template::Resource,
    wire::{ApiError, Caller},
};

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

/// A table: `CreateTable`'s input, but for what belongs to other operations. Streams, imports and replicas are not
/// among these.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Table {
    #[serde(default)]
    deletion_protection_enabled: Flag,
    time_to_live_specification: Option<Expiry>,
    attribute_definitions: Value,
    key_schema: Value,
    billing_mode: Option<String>,
    provisioned_throughput: Option<Value>,
    global_secondary_indexes: Option<Vec<Index>>,
    local_secondary_indexes: Option<Vec<Index>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Index {
    index_name: String,
    key_schema: Value,
    projection: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioned_throughput: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Expiry {
    attribute_name: Option<String>,
    enabled: Flag,
}

/// Backups, encryption, metrics and prices mean nothing on one machine.
const TABLE_PASSED_OVER: [&str; 7] = [
    "ContributorInsightsSpecification",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "SSESpecification",
    "TableClass",
    "TableName",
    "Tags",
];

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

    /// Creates the table, with its indexes, and lets its items expire where the template says so.
    pub(super) async fn table(&self, resource: &Resource) -> Result<(), DeployError> {
        let table: Table = read(resource, &TABLE_PASSED_OVER)?;
        let refused = |error| self.refused(resource, error);
        let dynamodb = &self.services.dynamodb;
        dynamodb.create_table(table.creation(&resource.name)).await.map_err(refused)?;
        if let Some(request) = table.expiry(&resource.name).map_err(refused)? {
            dynamodb.call("UpdateTimeToLive", request, &Caller::owner()).await.map_err(refused)?;
        }
        Ok(())
    }
}

impl Table {
    /// `CreateTable`'s input.
    fn creation(&self, name: &str) -> Value {
        let mut input = json!({
            "TableName": name,
            "AttributeDefinitions": self.attribute_definitions,
            "KeySchema": self.key_schema,
            "DeletionProtectionEnabled": self.deletion_protection_enabled.0,
        });
        let optional = [
            ("BillingMode", self.billing_mode.as_ref().map(|it| json!(it))),
            ("ProvisionedThroughput", self.provisioned_throughput.clone()),
            ("GlobalSecondaryIndexes", self.global_secondary_indexes.as_ref().map(|it| json!(it))),
            ("LocalSecondaryIndexes", self.local_secondary_indexes.as_ref().map(|it| json!(it))),
        ];
        for (member, value) in optional {
            if let Some(value) = value {
                input[member] = value;
            }
        }
        input
    }

    /// `UpdateTimeToLive`'s input. Nothing has to be done for what does not expire.
    fn expiry(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let Some(expiry) = self.time_to_live_specification.as_ref().filter(|it| it.enabled.0) else {
            return Ok(None);
        };
        let attribute = expiry.attribute_name.as_deref().ok_or_else(|| {
            ApiError::client("ValidationException", "TimeToLiveSpecification needs its AttributeName.")
        })?;
        let specification = json!({ "AttributeName": attribute, "Enabled": true });
        Ok(Some(json!({ "TableName": name, "TimeToLiveSpecification": specification })))
    }
}
